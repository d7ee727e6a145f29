"""Values that resizing made: an average of two labels is a label that was never drawn.

They stand along borders only, between the two values that they were made of, and never amid their own kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lib.data.doctor.judge import Judge, Table, usable
from lib.rasters.packing import channels

if TYPE_CHECKING:
    from lib.data.doctor.counting import Values
    from lib.data.doctor.records import Record

THIN = 0.02
"""A value is thin where no more of its pixels than this stand amid their own kind."""

BETWEEN = 0.9
"""Share of a number's pixels that stand between a smaller and a larger one."""

FEW = 8
"""Pixels of one value below which a class that the competition knows is not accused."""

LEAST = 2
"""Mixed values from which a mask looks resized."""

BORDER = 64
"""Pixels of a mask along borders from which it is judged."""

MEDIAN = 0.7
"""Of three different numbers in a row, the middle one is the median in a third of the cases where numbers mean nothing,
and in most where averages stand along borders: half of the masks made by OpenCV's INTER_LINEAR at 1/8 to 4 times their
size have more than 0.75, half of the drawn ones less than 0.35. A drawn one has up to 1 where a thin class always lies
between the same two others…"""

ONE = 0.9
"""…so no number may be more than this share of those medians."""

SMEARED = 0.2
"""A mask is resized where more of the pixels along borders have a smaller and a larger number around them…"""

PASSED, STEPS = (0.1, 0.6), 0.05
"""…or where so many of the steps by 2 or more pass through a number between, and so many of the pixels along borders
stand in one. Of the first, drawn masks have less than 0.02, and shrunk to 1/8 by nearest neighbour less than 0.08, but
nearly all where classes are degrees of one thing, as depths are; so have masks that were enlarged."""

NEAR = 4.0
"""How far, of 255, a mixed colour lies from the line between the two that it was made of."""

MOSTLY = 0.3
"""Share of the thin colours that must lie on such a line."""

MANY = 512
"""Thin colours that are tried, the most frequent."""


def mixed_codes(table: Table, judge: Judge, records: Sequence[Record]) -> tuple[np.ndarray, list[Record]]:
    """Which of a table's values look made by resizing, (n,) bool, and the masks that hold several of them."""
    if judge.competition and judge.competition.masks.threshold is not None:
        return np.zeros(len(table.codes), bool), []  # values between are told apart by it
    made = _colours(table) if judge.kind == "colour" else _numbers(table, judge, records)
    if made.sum() < LEAST:
        return np.zeros(len(table.codes), bool), []
    guilty = [record for record in records if usable(record) and _holds(record, judge, table.codes[made])]
    return (made, guilty) if guilty else (np.zeros(len(table.codes), bool), [])


def smeared(records: Sequence[Record], judge: Judge) -> list[tuple[Record, float]]:
    """Masks of numbers whose borders pass through the numbers between: each with the share of border pixels that do.

    Such a mask may hold nothing but values that classes have: between 2 and 5, resizing makes 3 and 4.
    """
    found = []
    if judge.competition and judge.competition.masks.threshold is not None:
        return found
    for record in records:
        values = record.mask.values if usable(record) else None
        if values is None or values.colour or judge.kind != "index" or len(values.codes) < 3:
            continue
        if is_smeared(values):
            found.append((record, int(values.between.sum()) / _border(values)))
    return found


def is_smeared(values: Values) -> bool:
    """Whether a mask of numbers looks as averaging them while it was resized makes it."""
    border, passed = _border(values), int(values.passed.sum())
    if border < BORDER or passed <= MEDIAN * (passed + int(values.beside.sum())) or values.passed.max() > ONE * passed:
        return False
    through = passed / max(1, int(values.steep.sum()))
    shrunk = PASSED[0] < through < PASSED[1] and passed > STEPS * border
    return shrunk or int(values.between.sum()) > SMEARED * border


def _border(values: Values) -> int:
    """Pixels that have not all four neighbours of their own kind."""
    return values.total - int(values.inner.sum())


def _holds(record: Record, judge: Judge, made: np.ndarray) -> bool:
    return np.isin(judge.codes(record.mask), made).sum() >= LEAST


def _colours(table: Table) -> np.ndarray:
    """Thin colours that lie on the line between two thick ones."""
    made = np.zeros(len(table.codes), bool)
    thick = table.inner > 0.2 * table.pixels
    thick &= table.pixels >= 0.0005 * table.total
    thin = np.flatnonzero((table.inner <= THIN * table.pixels) & (table.codes >= 0) & (table.meaning != 255))
    thin = thin[np.argsort(-table.pixels[thin])][:MANY]
    ends = channels(table.codes[thick]).astype(float)[:64]
    if len(ends) < 2 or not len(thin):
        return made
    one, other = (ends[places] for places in np.triu_indices(len(ends), 1))
    line = other - one
    points = channels(table.codes[thin]).astype(float)
    along = ((points[:, None] - one) * line).sum(axis=2) / (line**2).sum(axis=1)
    apart = np.linalg.norm(points[:, None] - one - along[..., None] * line, axis=2)
    made[thin] = ((apart <= NEAR) & (along > 0.01) & (along < 0.99)).any(axis=1)
    if made.sum() < MOSTLY * len(thin):
        return np.zeros_like(made)  # among many colours some lie on a line by chance
    known = made & (table.meaning >= 0) if table.meaning.any() else np.zeros_like(made)
    return made & ~known


def _numbers(table: Table, judge: Judge, records: Sequence[Record]) -> np.ndarray:
    """Thin numbers that stand between a smaller and a larger one, in most of the masks that hold them."""
    accused, held = np.zeros(len(table.codes), int), np.zeros(len(table.codes), int)
    for record in records:
        if not usable(record):
            continue
        values, codes = record.mask.values, judge.codes(record.mask)
        places = np.searchsorted(table.codes, codes)
        if len(np.unique(codes)) != len(codes) or values.colour:
            continue
        held[places] += 1
        known = table.meaning[places] >= 0 if judge.competition else np.zeros(len(codes), bool)
        made = (values.inner <= THIN * values.counts) & (values.between >= BETWEEN * values.counts)
        made &= (~known | (values.counts >= FEW)) & (table.meaning[places] != 255)
        if made.sum() >= LEAST and values.counts[made].sum() >= 2 * FEW:
            accused[places[made]] += 1
    return (accused > 0) & (2 * accused >= held)
