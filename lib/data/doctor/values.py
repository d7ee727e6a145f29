"""Values and colours of masks that mean nothing, or not what they seem to: each with its share and an example.

findings = check(table, judge, records, listed)      # listed: colours that a file of classes names
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lib.competitions import IGNORE
from lib.data.doctor.findings import Example, Finding, percent, several
from lib.data.doctor.judge import NONE, Judge, Table, about
from lib.data.doctor.mixing import mixed_codes, smeared
from lib.data.doctor.numbers import foreground, foreground_alone, is_binary, off_by_one
from lib.rasters.packing import channels

if TYPE_CHECKING:
    from lib.data.doctor.records import Record

SHOWN = 8
"""Values that get a finding of their own."""

CLOSE = 24
"""A colour no channel of which differs by more from a class's is taken for a slip of it."""

RARE, SELDOM = 0.005, 0.25
"""Without a competition, a colour is a surprise that covers less and stands in fewer masks than these shares."""

ADD = "add it to [[classes]] or [[ignore]] of the competition's file, or mend the masks"


def check(table: Table, judge: Judge, records: Sequence[Record], listed: frozenset[int] = frozenset()) -> list[Finding]:
    """All findings about values."""
    if not table.of:
        return []
    found = _coloured(table, judge)
    made, guilty = mixed_codes(table, judge, records)
    binary = is_binary(table, judge, made)
    if guilty:
        found.append(_mixed(table, judge, made, guilty, binary))
    found += _smeared(records, judge, guilty)
    left = (table.meaning == NONE) & ~made & (table.codes > -32769)
    if judge.competition is None:
        return found + foreground_alone(table, judge, made) + _alone(table, judge, made, listed)
    special = foreground(table, judge, left) or off_by_one(table, judge, left)
    if special:
        return [*found, special, *_ignored(table, judge)]
    return [*found, *_strange(table, judge, left), *_ignored(table, judge)]


def _strange(table: Table, judge: Judge, left: np.ndarray) -> list[Finding]:
    """A finding for each frequent value that no class has, one for all others."""
    order = np.flatnonzero(left)[np.argsort(-table.pixels[left], kind="stable")]
    found = [
        about(table, place, "error", f"{judge.name(int(table.codes[place]))} is no class's", _fix(table, judge, place))
        for place in order[:SHOWN]
    ]
    rest = order[SHOWN:]
    if len(rest):
        told = about(table, rest[0], "error", f"{several(len(rest), 'other value')} that no class has", ADD)
        share = table.pixels[rest].sum() / table.total
        names = ", ".join(judge.name(int(table.codes[place])) for place in rest[:4])
        found.append(
            replace(told, what=f"{several(len(rest), 'more value')} that no class has: {names} …", share=share)
        )
    return found


def _fix(table: Table, judge: Judge, place: int) -> str:
    if judge.kind != "colour":
        return ADD
    competition, code = judge.competition, table.codes[place : place + 1]
    known = [label for label in (*competition.classes, *competition.ignore) if label.colour]
    apart = [int(np.abs(channels(code)[0] - np.array(label.rgb)).max()) for label in known]
    nearest = int(np.argmin(apart))
    if apart[nearest] <= CLOSE:
        return f"it is near {known[nearest].name}'s {known[nearest].colour}: masks.tolerance = {apart[nearest]}"
    return ADD


def _coloured(table: Table, judge: Judge) -> list[Finding]:
    """Pictures in colours where numbers are asked."""
    wrong = table.codes < -32768
    if judge.kind == "colour" or judge.competition is None or not wrong.any():
        return []
    place = int(np.flatnonzero(wrong)[table.pixels[wrong].argmax()])
    words = (
        f"masks are pictures in colours ({judge.name(int(table.codes[place]))} and {wrong.sum() - 1} more), not numbers"
    )
    fix = 'set masks.coding = "colour", with a colour for every class'
    return [about(table, place, "error", words, fix)]


def _mixed(table: Table, judge: Judge, made: np.ndarray, guilty: list[Record], binary: bool) -> Finding:
    share = float(table.pixels[made].sum() / table.total)
    names = [judge.name(int(code)).removeprefix("value ").removeprefix("colour ") for code in table.codes[made][:5]]
    unknown = bool((table.meaning[made] == NONE).any())
    place = int(np.flatnonzero(made)[table.pixels[made].argmax()])
    more = " …" if made.sum() > 5 else ""
    if binary:
        kinds = several(int(made.sum()), "value")
        what = f"foreground with soft borders: {kinds} between none and all ({', '.join(names)}{more})"
        fix = "read them by a limit: masks.threshold = 128"
    else:
        what = (
            f"{several(int(made.sum()), 'value')} that look made by bilinear resizing, along borders only "
            f"({', '.join(names)}{more})"
        )
        fix = "make the masks again from their source, by nearest neighbour"
    what += f": in {len(guilty):,} of {several(table.of, 'mask')}, {percent(share)} of all pixels"
    level = "error" if unknown else "warning"
    paths = tuple(record.mask.path for record in guilty)
    return Finding(level, "values", what, paths, share, fix, table.examples[place])


def _smeared(records: Sequence[Record], judge: Judge, guilty: list[Record]) -> list[Finding]:
    """Masks that hold classes' values only, and yet look resized."""
    known = {id(record) for record in guilty}
    masks = [(record, share) for record, share in smeared(records, judge) if id(record) not in known]
    if not masks:
        return []
    worst, share = max(masks, key=lambda item: item[1])
    what = (
        f"{several(len(masks), 'mask')} that look made by bilinear resizing: up to {percent(share)} of the pixels "
        "along borders stand between a smaller and a larger number"
    )
    fix = "make the masks again from their source, by nearest neighbour"
    paths = tuple(record.mask.path for record, _ in masks)
    return [Finding("warning", "values", what, paths, share, fix, Example(worst.shown, worst.mask.path))]


def _ignored(table: Table, judge: Judge) -> list[Finding]:
    """Where the masks hold values that the competition ignores."""
    found = []
    names = {
        (label.colour if judge.kind == "colour" else label.value): label.name for label in judge.competition.ignore
    }
    for place in np.flatnonzero(table.meaning == IGNORE):
        code = int(table.codes[place])
        name = names.get(f"#{code:06X}" if judge.kind == "colour" else code)
        words = f"{judge.name(code)}{f' ({name})' if name else ''} is ignored"
        found.append(about(table, int(place), "note", words, None))
    return found


def _alone(table: Table, judge: Judge, made: np.ndarray, listed: frozenset[int]) -> list[Finding]:
    """Without a competition: surprises among the masks themselves."""
    kept = ~made
    if judge.kind == "index":
        codes = [int(code) for code in table.codes[kept]]
        if len(codes) > 2 and codes[0] == 1 and codes == list(range(1, len(codes) + 1)):
            place = int(np.flatnonzero(kept)[0])
            words = f"values are 1 to {codes[-1]} and never 0"
            return [about(table, place, "note", words, "give classes their values: value = 1 for the first, and so on")]
        far = [code for code in codes if code < 0 or (code in (254, 255) and len(codes) > 2 and code > 2 * codes[-2])]
        return [
            about(
                table, int(np.searchsorted(table.codes, code)), "note",
                f"{judge.name(code)} stands apart from the others, as a value to be ignored does",
                f"if so: [[ignore]] with value = {code}",
            )
            for code in far
        ]  # fmt: skip
    share, spread = table.pixels / table.total, table.masks / table.of
    few = np.maximum(SELDOM, 1.5 / table.of)
    rare = kept & (share < RARE) & (spread <= few) & ~np.isin(table.codes, sorted(listed))
    order = [int(place) for place in np.flatnonzero(rare)[np.argsort(-table.pixels[rare], kind="stable")]]
    if len(order) > SHOWN:
        words = f"{len(order):,} rare colours that nobody explains, such as {judge.name(int(table.codes[order[0]]))}"
        return [about(table, order[0], "warning", words, "look whether these are masks of labels at all")]
    fix = "find out what it means: [[ignore]] it, or mend the masks"
    names = [judge.name(int(table.codes[place])) for place in order]
    return [
        about(table, place, "warning", f"{name} is rare and nobody explains it", fix)
        for place, name in zip(order, names, strict=True)
    ]
