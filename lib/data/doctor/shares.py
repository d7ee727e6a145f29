"""How much of the masks each class covers; masks that are empty or of one class; classes that hardly occur."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lib.competitions import IGNORE
from lib.data.doctor.findings import Example, Finding, several
from lib.data.doctor.judge import NONE, Judge, Table, usable
from lib.errors import first

if TYPE_CHECKING:
    from lib.data.doctor.records import Record


def facts(table: Table, judge: Judge) -> list[dict[str, Any]]:
    """A row for each class, or without a competition for each of the 64 most frequent values, the largest first."""
    rows = []
    if judge.competition is None:
        for place, swatch in enumerate(judge.swatches(table)):
            rows.append(
                swatch
                | {
                    "pixels": int(table.pixels[place]),
                    "share": float(table.pixels[place] / max(1, table.total)),
                    "masks": int(table.masks[place]),
                }
            )
        return sorted(rows, key=lambda row: -row["pixels"])[:64]
    counted = max(1, int(table.pixels[(table.meaning >= 0) & (table.meaning != IGNORE)].sum()))
    for index, swatch in enumerate(judge.swatches(table)):
        places = np.flatnonzero(table.meaning == index)
        pixels = int(table.pixels[places].sum())
        masks = {id(record) for place in places for record in table.holders[place]}
        rows.append(swatch | {"pixels": pixels, "share": pixels / counted, "masks": len(masks)})
    return sorted(rows, key=lambda row: -row["pixels"])


def check(table: Table, judge: Judge, records: Sequence[Record]) -> list[Finding]:
    """Empty masks, masks of one class, classes that no mask or one mask holds."""
    judged = [record for record in records if usable(record) and record.mask.values.total]
    if not judged:
        return []
    return [*_empty(table, judge, judged), *_missing(table, judge)]


def _empty(table: Table, judge: Judge, judged: list[Record]) -> list[Finding]:
    empty, single = [], []
    background = _background(table, judge)
    for record in judged:
        codes = judge.codes(record.mask)
        kinds = set(judge.classes(codes).tolist()) if judge.competition else set(codes.tolist())
        known = kinds - {IGNORE} if judge.competition else kinds
        if not known or (background is not None and known == {background}):
            empty.append(record)
        elif len(known) == 1:
            single.append(record)
    found = []
    if empty:
        level = "warning" if not background_is_usual(judge, table) or len(empty) > 0.9 * len(judged) else "note"
        what = f"{several(len(empty), 'empty mask')} of {len(judged):,}: nothing in them is of a class"
        if background is not None:
            what = f"{several(len(empty), 'empty mask')} of {len(judged):,}: background only"
        found.append(
            _finding(level, empty, judged, what, "look whether they are meant to be; data.thin keeps fewer of them")
        )
    if single and len(judged) > 1:
        what = f"{several(len(single), 'mask')} of {len(judged):,} with one class only"
        found.append(_finding("note", single, judged, what, None))
    return found


def background_is_usual(judge: Judge, table: Table) -> bool:
    """Whether masks of background alone are to be expected."""
    return _background(table, judge) is not None


def _background(table: Table, judge: Judge) -> int | None:
    """The class index, or without a competition the value, that means background; None where nothing says so."""
    if judge.competition is None:
        return 0 if judge.kind == "index" and 0 in table.codes and len(table.codes) > 1 else None
    unclaimed = judge.competition.unclaimed
    if unclaimed != IGNORE:
        return unclaimed
    names = [name.lower() for name in judge.competition.names]
    return next((names.index(word) for word in ("background", "no building", "other", "none") if word in names), None)


def _missing(table: Table, judge: Judge) -> list[Finding]:
    competition = judge.competition
    if competition is None or (table.meaning == NONE).any():
        return []  # masks that hold strange values are not read right yet
    holders: dict[int, set[int]] = {}
    examples = {}
    for place, meaning in enumerate(table.meaning.tolist()):
        holders.setdefault(meaning, set()).update(id(record) for record in table.holders[place])
        examples[meaning] = table.examples[place], table.holders[place]
    none = [name for index, name in enumerate(competition.names) if index not in holders]
    once = [index for index in range(len(competition.classes)) if len(holders.get(index, ())) == 1]
    found = []
    if none:
        verb = "is" if len(none) == 1 else "are"
        what = f"{several(len(none), 'class')} that no mask holds: {first(none, 6)} {verb} never learnt"
        found.append(Finding("warning", "classes", what, (), None, "bring images of them, or leave the class out"))
    if once and table.of > 1:
        names = [competition.names[index] for index in once]
        what = f"{several(len(once), 'class')} held by one image only: {first(names, 6)}"
        example, keepers = examples[once[0]]
        fix = "bring more of them, or divide large images into blocks: data.split=block; else only one side has them"
        found.append(Finding("warning", "classes", what, (keepers[0].mask.path,), None, fix, example))
    return found


def _finding(level: str, chosen: list[Record], of: list[Record], what: str, fix: str | None) -> Finding:
    paths = tuple(record.mask.path for record in chosen)
    example = Example(chosen[0].shown, chosen[0].mask.path)
    return Finding(level, "shares", what, paths, len(chosen) / len(of), fix, example)
