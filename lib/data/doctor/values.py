"""Values and colours of masks that mean nothing, or not what they seem to: each with its share and an example.

findings = check(table, judge, records, listed)      # listed: colours that a file of classes names
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lib.competitions import IGNORE
from lib.data.doctor.findings import Finding, percent, several
from lib.data.doctor.judge import NONE, Judge, Table, channels
from lib.data.doctor.mixing import mixed_codes

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
    binary = _is_binary(table, judge, made)
    if guilty:
        found.append(_mixed(table, judge, made, guilty, binary))
    left = (table.meaning == NONE) & ~made & (table.codes > -32769)
    if judge.competition is None:
        return found + _foreground_alone(table, judge, made) + _alone(table, judge, made, listed)
    special = _foreground(table, judge, left) or _off_by_one(table, judge, left)
    if special:
        return [*found, special, *_ignored(table, judge)]
    return [*found, *_strange(table, judge, left), *_ignored(table, judge)]


def _strange(table: Table, judge: Judge, left: np.ndarray) -> list[Finding]:
    """A finding for each frequent value that no class has, one for all others."""
    order = np.flatnonzero(left)[np.argsort(-table.pixels[left], kind="stable")]
    found = [
        _about(table, place, "error", f"{judge.name(int(table.codes[place]))} is no class's", _fix(table, judge, place))
        for place in order[:SHOWN]
    ]
    rest = order[SHOWN:]
    if len(rest):
        about = _about(table, rest[0], "error", f"{several(len(rest), 'other value')} that no class has", ADD)
        share = table.pixels[rest].sum() / table.total
        names = ", ".join(judge.name(int(table.codes[place])) for place in rest[:4])
        found.append(
            replace(about, what=f"{several(len(rest), 'more value')} that no class has: {names} …", share=share)
        )
    return found


def _about(table: Table, place: int, level: str, words: str, fix: str | None) -> Finding:
    share, masks = table.pixels[place] / table.total, int(table.masks[place])
    example = table.examples[place]
    holders = table.holders[place]
    most = max(holders, key=lambda record: _share_in(record, example))
    top = ""
    if len(holders) > 1 and _share_in(most, example) > 0:
        top = f"; {percent(_share_in(most, example))} of one"
    what = f"{words}: in {masks:,} of {several(table.of, 'mask')}, {percent(float(share))} of all pixels{top}"
    paths = tuple(record.mask.path for record in holders)
    return Finding(level, "values", what, paths, float(share), fix, example)


def _share_in(record: Record, example) -> float:
    """The example's value as a share of its own mask, 0 in others."""
    if record.mask.path != example.mask:
        return 0.0
    values = record.mask.values
    here = (values.rows == example.row) & (values.columns == example.column)
    return float(values.counts[here].sum() / max(1, values.total))


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
    return [_about(table, place, "error", words, fix)]


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


def _is_binary(table: Table, judge: Judge, made: np.ndarray) -> bool:
    """Whether beside mixed values there are only 0 and one more."""
    rest = table.codes[~made]
    return judge.kind == "index" and len(rest) == 2 and rest[0] == 0 and bool(made.any())


def _foreground(table: Table, judge: Judge, left: np.ndarray) -> Finding | None:
    """One foreground class whose value in the masks is not the competition's."""
    competition = judge.competition
    values = sorted(competition.values)
    if judge.kind != "index" or len(values) != 2 or values[0] != 0:
        return None
    threshold, most = competition.masks.threshold, int(table.codes.max())
    name = competition.names[competition.values.index(values[1])]
    if threshold is not None and 0 < most < threshold:
        words = f"foreground is {most}, below masks.threshold = {threshold}, so that nothing is {name}"
        return _about(table, int(table.codes.argmax()), "error", words, f"leave threshold out, and set value = {most}")
    strange = table.codes[left]
    if len(strange) == 1 and set(table.codes.tolist()) <= {0, int(strange[0]), IGNORE}:
        place = int(np.flatnonzero(left)[0])
        words = f"foreground is {strange[0]}, not {values[1]}"
        return _about(table, place, "error", words, f"set value = {strange[0]} for {name} in [[classes]]")
    return None


def _foreground_alone(table: Table, judge: Judge, made: np.ndarray) -> list[Finding]:
    """Without a competition: two values, of which the upper one is not 255."""
    rest = table.codes[~made]
    if judge.kind != "index" or len(rest) != 2 or rest[0] != 0 or rest[1] == 255:
        return []
    place = int(np.flatnonzero(~made)[1])
    usual = "looks black to the eye" if rest[1] < 16 else "is near 255, which other tools expect"
    words = (
        f"foreground is {rest[1]}, not 255: it {usual}"
        if rest[1] < 16 or rest[1] > 240
        else f"foreground is {rest[1]}, not 255"
    )
    level = "note" if rest[1] == 1 else "warning"
    return [_about(table, place, level, words, f"say so in [[classes]]: value = {rest[1]}")]


def _off_by_one(table: Table, judge: Judge, left: np.ndarray) -> Finding | None:
    """Values that begin one above, or one below, the classes'."""
    if judge.kind != "index" or left.sum() != 1:
        return None
    values, place = sorted(judge.competition.values), int(np.flatnonzero(left)[0])
    strange, present = int(table.codes[place]), set(table.codes[table.meaning != IGNORE].tolist())
    low, high = values[0], values[-1]
    if values != list(range(low, high + 1)):
        return None
    if strange == high + 1 and low not in present:
        words = f"values are {low + 1} to {strange} where classes are {low} to {high}: off by one"
        return _about(
            table, place, "error", words, f"give classes their values: value = {low + 1} for the first, and so on"
        )
    if strange == high + 1:
        words = f"values are {low} to {strange}, {len(values) + 1} of them for {len(values)} classes"
        fix = f"describe the missing class; or, if {low} is no data: [[ignore]] value = {low}, classes from {low + 1}"
        return _about(table, place, "error", words, fix)
    if strange == low - 1 and high not in present:
        words = f"values are {strange} to {high - 1} where classes are {low} to {high}: off by one"
        return _about(
            table, place, "error", words, f"give classes their values: value = {strange} for the first, and so on"
        )
    return None


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
        found.append(_about(table, int(place), "note", words, None))
    return found


def _alone(table: Table, judge: Judge, made: np.ndarray, listed: frozenset[int]) -> list[Finding]:
    """Without a competition: surprises among the masks themselves."""
    kept = ~made
    if judge.kind == "index":
        codes = [int(code) for code in table.codes[kept]]
        if len(codes) > 2 and codes[0] == 1 and codes == list(range(1, len(codes) + 1)):
            place = int(np.flatnonzero(kept)[0])
            words = f"values are 1 to {codes[-1]} and never 0"
            return [
                _about(table, place, "note", words, "give classes their values: value = 1 for the first, and so on")
            ]
        far = [code for code in codes if code < 0 or (code in (254, 255) and len(codes) > 2 and code > 2 * codes[-2])]
        return [
            _about(
                table, int(np.searchsorted(table.codes, code)), "note",
                f"{judge.name(code)} stands apart from the others, as a value to be ignored does",
                f"if so: [[ignore]] with value = {code}",
            )
            for code in far
        ]  # fmt: skip
    share, spread = table.pixels / table.total, table.masks / table.of
    few = np.maximum(SELDOM, 1.5 / table.of)
    rare = kept & (share < RARE) & (spread <= few) & ~np.isin(table.codes, sorted(listed))
    return [
        _about(
            table, int(place), "warning", f"{judge.name(int(table.codes[place]))} is rare and nobody explains it",
            "find out what it means: [[ignore]] it, or mend the masks",
        )
        for place in np.flatnonzero(rare)[np.argsort(-table.pixels[rare], kind="stable")][:SHOWN]
    ]  # fmt: skip
