"""What is wrong with a file's columns and ids, before any mask is decoded."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np

from lib.competitions import Competition
from lib.submissions.checking.findings import Findings
from lib.submissions.containers.table_fit import is_row
from lib.submissions.containers.table_index import UNKNOWN, Index, absent, image_of
from lib.submissions.keys import ENDINGS
from lib.submissions.layout import Layout

SHOWN = 3
"""How many ids a sentence names."""


def columns(index: Index, competition: Competition, layout: Layout, found: Findings) -> None:
    """The header, the number of fields, and how the file is stored."""
    wanted, columns = list(layout.columns or competition.submission.csv.columns), index.columns
    if columns != wanted:
        shown = ", ".join(text if len(text) <= 40 else f"{text[:37]}..." for text in columns[:8])
        named = f"the columns are {shown or 'missing'}; the competition wants {', '.join(wanted)}"
        found.problem(named + _why(columns, wanted, competition), found.refused)
    if index.ragged and len(columns) == len(wanted):
        line, count = index.ragged
        found.problem(f"line {line} has {count} fields instead of {len(wanted)}", found.refused)
    if index.bom:
        found.warning(
            "the file begins with a byte order mark", "readers other than pandas take it for part of the first column"
        )
    if index.carriage_returns:
        found.warning("lines end with CR LF", "nothing with pandas; other readers find a CR behind each mask")


def _why(columns: list[str], wanted: list[str], competition: Competition) -> str:
    if not columns:
        return ": the file is empty"
    if is_row(columns, competition):
        return ": the first line is a row, and the header is missing"
    if len(columns) == 1 and any(sign in columns[0] for sign in ";\t"):
        return ": its fields are parted by semicolons or tabs instead of commas"
    if columns[1:] == wanted and columns[0] in ("", "Unnamed: 0", "index"):
        return ": pandas wrote its row numbers too, without index=False"
    if sorted(columns) == sorted(wanted):
        return ": the same in another order"
    return ""


def rows(index: Index, competition: Competition, layout: Layout, found: Findings) -> None:
    """Ids that are missing, extra, doubled or in another order."""
    form, codes, wanted = competition.submission.csv, index.codes, layout.rows.codes
    many = form.repeats or form.unit == "instance"
    missing = [] if form.empty is False else absent(wanted, codes).tolist()
    known, count = codes[codes != UNKNOWN], int((codes == UNKNOWN).sum())
    strange = np.array([place for place in absent(codes, wanted).tolist() if codes[place] != UNKNOWN], np.int64)
    extra = list(dict.fromkeys(index.unknown)) + [_named(index, place) for place in strange[:SHOWN]]
    lost = [layout.rows[place].id for place in missing[:1000]]
    _say(found, len(missing), lost, "missing")
    distinct = len(set(index.unknown)) if count <= len(index.unknown) else count
    _say(found, distinct + len(strange), extra, "that nobody asked for")
    ending(extra, lost, found) or slip(extra, lost, found) or shifted(extra, missing, layout, found)
    if not many:
        values, first_at, counts = np.unique(known, return_index=True, return_counts=True)
        twins = values[counts > 1][np.argsort(first_at[counts > 1])]
        place = {int(code): number for number, code in enumerate(wanted)} if len(twins) else {}
        _say(found, len(twins), [layout.rows[place[code]].id for code in twins[:SHOWN].tolist() if code in place],
             "that stand more than once")  # fmt: skip
    if found.problems or not layout.asked:
        return
    if not many and form.empty is not False and not np.array_equal(codes, wanted):
        at = int(np.flatnonzero(codes != wanted)[0])
        here = layout.rows[int(np.flatnonzero(wanted == codes[at])[0])].id
        found.problem(
            f"the ids are in another order: row {at + 1} is {here}, expected {layout.rows[at].id}",
            "nothing where rows are matched by id; all of the score where they are matched by place",
        )
    elif many:
        images = image_of(codes)
        order = images[np.sort(np.unique(images, return_index=True)[1])]
        if (np.diff(order) < 0).any():
            found.warning("the images are in another order than expected", "nothing: rows are matched by id")


def ending(extra: Sequence[str], missing: Sequence[str], found: Findings) -> bool:
    """Ids that fit once an image file's ending is taken out of them, or put in: whether there are some."""
    for names, others, word in ((extra, set(missing), "carry"), (missing, set(extra), "lack")):
        for name in names:
            for one in ENDINGS:
                bare = name.replace(one, "", 1)
                if one in name and bare in others:
                    here, there = (name, bare) if word == "carry" else (bare, name)
                    found.problem(f"the ids {word} {one}: {here} instead of {there}", found.refused)
                    return True
    return False


SLIPS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("have blanks", lambda text: re.sub(r"\s", "", text)),
    ("are spelled with other capital letters", str.lower),
    ("name a folder", lambda text: text.rpartition("/")[2]),
    ("have numbers that were floats", lambda text: re.sub(r"(?<=\d)\.0(?!\d)", "", text)),
    ("have other zeros before a number", lambda text: re.sub(r"(?<!\d)0+(?=\d)", "", text)),
    ("have another sign between their parts", lambda text: re.sub(r"[-_. :]", "_", text)),
)
"""What happened to ids, and what makes those it happened to alike."""


LAST_NUMBER = re.compile(r"(.*?)(\d+)(\D*)", re.DOTALL)


def slip(extra: Sequence[str], missing: Sequence[str], found: Findings) -> bool:
    """Ids that would fit but for one of the `SLIPS`: whether there are some."""
    for word, alike in SLIPS:
        known = {alike(name): name for name in missing}
        for name in extra:
            if alike(name) in known:
                found.problem(f"the ids {word}: {name!r} instead of {known[alike(name)]!r}", found.refused)
                return True
    return False


def shifted(extra: Sequence[str], missing: Sequence[int], layout: Layout, found: Findings) -> bool:
    """Ids of an image that are counted from another first number, `a_0` to `a_3` for `a_1` to `a_4`: whether it is so.

    `missing`: places of rows.
    """
    lost = LAST_NUMBER.fullmatch(layout.rows[missing[0]].id) if len(missing) else None
    if not lost:
        return False
    images = image_of(layout.rows.codes)
    names = [layout.rows[place].id for place in np.flatnonzero(images == images[missing[0]]).tolist()]
    own = [parts for parts in map(LAST_NUMBER.fullmatch, names) if parts and parts.group(1, 3) == lost.group(1, 3)]
    first, last = min(int(parts[2]) for parts in own), max(int(parts[2]) for parts in own)
    shifts = {(first - 1, last): "low", (last + 1, first): "high"}
    for parts in filter(None, map(LAST_NUMBER.fullmatch, extra)):
        word = shifts.get((int(parts[2]), int(lost[2])))
        if word and parts.group(1, 3) == lost.group(1, 3):
            found.problem(
                f"the last numbers of the ids are one too {word}: {parts.string} is there and {lost.string} is not, so "
                "that every row may hold what belongs to its neighbour",
                found.refused,
            )
            return True
    return False


def names(present: Sequence[str], wanted: Sequence[str], found: Findings, all_of_them: bool = True) -> None:
    """Members of pictures, or images of objects, that are missing (unless they may be) or extra."""
    known, there = set(wanted), set(present)
    missing = [name for name in wanted if name not in there] if all_of_them else []
    extra = [name for name in present if name not in known]
    _say(found, len(missing), missing, "missing")
    _say(found, len(extra), extra, "that nobody asked for")
    _below(extra, missing, found)


def _below(extra: Sequence[str], missing: Sequence[str], found: Findings) -> None:
    known = set(missing)
    for name in extra:
        if "/" in name and name.rpartition("/")[2] in known:
            found.problem(f"the pictures stand in a folder: {name} instead of {name.rpartition('/')[2]}", found.refused)
            return


def _say(found: Findings, count: int, names: Sequence[str], what: str) -> None:
    if count:
        shown = ", ".join(names[:SHOWN]) + (f" and {count - SHOWN} more" if count > SHOWN else "")
        found.problem(f"{count} ids {what}: {shown}", found.refused)


def _named(index: Index, place: int) -> str:
    with index.open() as reader:
        return reader.at(place)[0]
