"""Palette pictures: the same file holds numbers and colours, and readers differ in which of them they give."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lib.data.doctor.findings import Example, Finding, first_folders
from lib.data.doctor.judge import NONE, Judge

if TYPE_CHECKING:
    from lib.data.doctor.records import Record


def check(records: Sequence[Record], judge: Judge, root: Path) -> list[Finding]:
    """What happens to palette masks if they are read the other way."""
    masks = [record for record in records if record.mask and record.mask.readable]
    held = [record for record in masks if record.mask.head.palette is not None]
    if not held:
        return []
    used = [_used(record) for record in held]
    kinds = len({tuple(sorted(each.items())) for each in used})
    number = next((number for number, colours in _colours(used).items() if len(colours) > 1), None)
    some = "" if len(held) == len(masks) else f" of {len(masks):,}"
    paths = tuple(record.mask.path for record in held)
    what = f"{len(held):,}{some} masks are palette PNGs ({first_folders(paths, root)})"
    if held[0].mask.head.format != "PNG":
        what = what.replace("PNGs", "pictures")
    example = Example(held[0].shown, held[0].mask.path)
    share = len(held) / len(masks)
    wrong = _wrong_way(held, judge)
    if wrong:
        return [Finding("error", "palette", f"{what}: {wrong[0]}", paths, share, wrong[1], example)]
    if judge.kind == "colour":
        top = max(max(each, default=0) for each in used)
        what += f", read as colours; a reader that takes their numbers gets 0 to {top} instead"
        level, fix = (
            "warning" if len(held) < len(masks) else "note",
            "in code of your own: Image.open(mask).convert('RGB')",
        )
    else:
        what += ", read as numbers; a reader that takes their colours gets others"
        level, fix = "note", "in code of your own: np.array(Image.open(mask)), without convert"
    if number is not None:
        colours = " and ".join(f"#{colour:06X}" for colour in sorted(_colours(used)[number])[:3])
        what += f"; number {number} is {colours} in different files ({kinds} palettes)"
        level = "warning"
    return [Finding(level, "palette", what, paths, share, fix, example)]


def _used(record: Record) -> dict[int, int]:
    """The numbers that a palette mask holds, each with its colour."""
    palette = record.mask.head.palette
    codes = record.mask.values.codes.tolist()
    return {code: palette[code] if code < len(palette) else 0 for code in codes}


def _colours(used: Sequence[dict[int, int]]) -> dict[int, set[int]]:
    """Each number's colours over all files."""
    found: dict[int, set[int]] = {}
    for each in used:
        for number, colour in each.items():
            found.setdefault(number, set()).add(colour)
    return found


def _wrong_way(held: Sequence[Record], judge: Judge) -> tuple[str, str] | None:
    """Where only the other reading gives classes: what is wrong, and the fix."""
    competition = judge.competition
    if competition is None:
        return None
    numbers = np.unique(np.concatenate([record.mask.values.codes for record in held]))
    colours = np.unique(np.concatenate([[*_used(record).values()] for record in held]))
    values = {*competition.values, *(label.value for label in competition.ignore if label.value is not None)}
    named = {label.colour for label in (*competition.classes, *competition.ignore) if label.colour}
    as_colours = {f"#{int(colour):06X}" for colour in colours} <= named
    as_numbers = set(numbers.tolist()) <= values
    if judge.kind == "index" and as_colours and (judge.classes(numbers) == NONE).any():
        return "their colours are the classes', their numbers are not", 'set masks.coding = "colour"'
    if judge.kind == "colour" and as_numbers and (judge.classes(colours) == NONE).any():
        return "their numbers are the classes' values, their colours are not", 'set masks.coding = "index"'
    return None
