"""Which values a mask holds, counted exactly in one pass: how often, where first, how often amid its own kind.

values, borders = count(pixels)                  # codes, counts, first rows and columns, …
values = total(values of each strip)

Labels lie in runs, so runs are counted instead of pixels: a mask of 12 million pixels has some ten thousand.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import cv2
import numpy as np

from lib.rasters.packing import codes_of

NAN = -(1 << 40)
"""Stands for NaN among codes."""

MOST = 4096
"""Values of one mask that are kept, the most frequent: a photograph has a million."""

LABELS = 256
"""Values up to which a mask may hold labels, and neighbours are compared."""

COUNTED = ("counts", "inner", "between", "passed", "beside", "steep")
"""What is summed over strips."""


@dataclass(frozen=True)
class Values:
    """A mask's values; every array has an element for each, sorted by code.

    A code is the stored number, or of a picture in colours 0xRRGGBB.
    """

    codes: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    counts: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    rows: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    """Where the value stands first, row by row."""
    columns: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    inner: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    """Pixels whose four neighbours have the same value."""
    between: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    """Pixels with a smaller and a larger value among their eight neighbours; of numbers only, as the following are."""
    passed: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    """Times that the value is the middle one of three in a row or column, with a smaller and a larger one beside it."""
    beside: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    """Times that it is the middle one of three different values, and the smallest or the largest of them."""
    steep: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    """Times that it is the middle one of three of which the outer two differ by 2 or more."""
    colour: bool = False
    fractional: bool = False
    """Numbers that are not whole were there, and were rounded down."""

    @property
    def total(self) -> int:
        """All pixels that were counted."""
        return int(self.counts.sum())


def count(pixels: np.ndarray, top: int = 0) -> tuple[Values, np.ndarray]:
    """The values of a strip that begins at row `top`, and where labels border on others: (h, W) bool."""
    codes, colour = codes_of(pixels), pixels.shape[2] >= 3 and pixels.dtype == np.uint8
    fractional = False
    if codes.dtype.kind == "f":
        missing = np.isnan(codes)
        whole = np.where(missing, 0, np.floor(codes))
        fractional = bool((whole[~missing] != codes[~missing]).any())
        codes = np.clip(whole, -(1 << 39), 1 << 39).astype(np.int64)
        codes[missing] = NAN
    same = codes[:, 1:] == codes[:, :-1]
    inner = np.ones(codes.shape, bool)
    inner[:, 1:] &= same
    inner[:, :-1] &= same
    down = codes[1:] == codes[:-1]
    inner[1:] &= down
    inner[:-1] &= down
    first = np.ones(codes.shape, bool)
    first[:, 1:] = ~same
    starts = np.flatnonzero(first)
    lengths = np.diff(starts, append=codes.size)
    kinds, place, inverse = np.unique(codes.reshape(-1)[starts], return_index=True, return_inverse=True)

    def summed(weights: np.ndarray) -> np.ndarray:
        return np.bincount(inverse, weights, len(kinds)).astype(np.int64)

    def within(plane: np.ndarray) -> np.ndarray:
        return summed(np.add.reduceat(plane.reshape(-1), starts, dtype=np.int64))

    rows, columns = np.divmod(starts[place], codes.shape[1])
    between, threes = np.zeros(len(kinds), np.int64), np.zeros((3, len(kinds)), np.int64)
    if not colour:
        between = within(_between(codes, inner))
    if not colour and len(kinds) <= LABELS:
        threes = _in_threes(codes, ~inner, kinds)
    places = kinds.astype(np.int64), summed(lengths), rows + top, columns
    return _shortened(Values(*places, within(inner), between, *threes, colour), fractional), ~inner


def merged(one: Values, other: Values) -> Values:
    """The values of two strips, the upper one first."""
    codes = np.concatenate([one.codes, other.codes])
    kinds, place, inverse = np.unique(codes, return_index=True, return_inverse=True)

    def summed(name: str) -> np.ndarray:
        both = np.concatenate([getattr(one, name), getattr(other, name)])
        return np.bincount(inverse, both, len(kinds)).astype(np.int64)

    def at_first(name: str) -> np.ndarray:
        return np.concatenate([getattr(one, name), getattr(other, name)])[place]

    sums = {name: summed(name) for name in COUNTED}
    found = Values(kinds, rows=at_first("rows"), columns=at_first("columns"), colour=other.colour, **sums)
    return _shortened(found, one.fractional or other.fractional)


def total(strips: Iterable[Values]) -> Values:
    """The values of a whole mask from those of its strips."""
    found = Values()
    for strip in strips:
        found = merged(found, strip) if found.codes.size else strip
    return found


def _shortened(found: Values, fractional: bool) -> Values:
    kept = np.arange(len(found.codes))
    if len(kept) > MOST:
        kept = np.sort(np.argsort(-found.counts, kind="stable")[:MOST])
    arrays = {name: getattr(found, name)[kept] for name in ("codes", "rows", "columns", *COUNTED)}
    return Values(colour=found.colour, fractional=fractional, **arrays)


def _between(codes: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """Where a number lies strictly between its neighbours'."""
    if codes.dtype not in (np.uint8, np.uint16, np.int16):
        codes = np.clip(codes, -32768, 32767).astype(np.int16)
    box = np.ones((3, 3), np.uint8)
    return ~inner & (codes > cv2.erode(codes, box)) & (codes < cv2.dilate(codes, box))


def _in_threes(codes: np.ndarray, border: np.ndarray, kinds: np.ndarray) -> np.ndarray:
    """Of each value `Values.passed`, `beside` and `steep`: (3, n). Amid its own kind a value is none of them."""
    found = np.zeros((3, len(kinds)), np.int64)
    for plane, able in ((codes, border), (codes.T, border.T)):
        rows, columns = np.nonzero(able[:, 1:-1])
        before, middle, behind = (plane[rows, columns + step] for step in range(3))
        low, high = np.minimum(before, behind), np.maximum(before, behind)
        passed, beside = (low < middle) & (middle < high), (low < high) & ((middle < low) | (middle > high))
        place = np.searchsorted(kinds, middle)
        for row, chosen in enumerate((passed, beside, high - low >= 2)):
            found[row] += np.bincount(place[chosen], minlength=len(kinds))
    return found
