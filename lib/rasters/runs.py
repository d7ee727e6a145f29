"""Runs: stretches of pixels as half-open intervals [start, end) of pixel numbers, (n, 2) int64, sorted and disjoint.

runs = of_values(labels, [1, 2], order="F")[1]       # where a label map is 1, pixels numbered column by column
turned(runs, (H, W), "F", "C")                       # the same pixels, numbered row by row
mask(runs, (H, W), "C")                              # (H, W) bool
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import cv2
import numpy as np

Order = Literal["C", "F"]

NONE = np.empty((0, 2), np.int64)
"""The runs of an empty mask."""

SHORT = 64
"""Runs up to this length are painted together, longer ones slice by slice."""


def flat(labels: np.ndarray, order: Order) -> np.ndarray:
    """The pixels of an (H, W) array in one row, numbered row by row (C) or column by column (F)."""
    if order == "C":
        return np.ascontiguousarray(labels).reshape(-1)
    if labels.dtype in (np.uint8, np.uint16, np.int32) and labels.size:
        return cv2.transpose(labels).reshape(-1)
    return np.ascontiguousarray(labels.T).reshape(-1)


def unflat(pixels: np.ndarray, size: tuple[int, int], order: Order) -> np.ndarray:
    """What `flat` made a row of, as (H, W) in row-major memory."""
    if order == "C":
        return pixels.reshape(size)
    if pixels.dtype in (np.uint8, np.uint16, np.int32) and pixels.size:
        return cv2.transpose(pixels.reshape(size[::-1])).reshape(size)
    return np.ascontiguousarray(pixels.reshape(size[::-1]).T)


def stretches(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Start, length and value of every stretch of equal pixels of a flat array, sorted by value, then by start."""
    starts = np.concatenate([[0], np.flatnonzero(pixels[1:] != pixels[:-1]) + 1])
    lengths = np.diff(starts, append=pixels.size)
    values = pixels[starts]
    by_value = np.argsort(values, kind="stable")
    return starts[by_value], lengths[by_value], values[by_value]


def of_values(labels: np.ndarray, wanted: Sequence[int], order: Order) -> dict[int, np.ndarray]:
    """The runs of each of the `wanted` values of an (H, W) integer array, all in one pass."""
    if not labels.size:
        return dict.fromkeys(wanted, NONE)
    starts, lengths, values = stretches(flat(labels, order))
    runs = np.stack([starts, starts + lengths], axis=1)
    first, last = (np.searchsorted(values, list(wanted), side) for side in ("left", "right"))
    return {value: runs[low:high] for value, low, high in zip(wanted, first, last, strict=True)}


def of_mask(chosen: np.ndarray, order: Order) -> np.ndarray:
    """The runs of an (H, W) bool mask."""
    return of_values(chosen.view(np.uint8), [1], order)[1]


def paint(pixels: np.ndarray, runs: np.ndarray, value: int | bool) -> None:
    """Set the pixels of `runs` in a flat array."""
    lengths = runs[:, 1] - runs[:, 0]
    short = lengths <= SHORT
    few = lengths[short]
    pixels[np.repeat(runs[short, 0] - np.cumsum(few) + few, few) + np.arange(few.sum())] = value
    for start, end in runs[~short].tolist():
        pixels[start:end] = value


def mask(runs: np.ndarray, size: tuple[int, int], order: Order) -> np.ndarray:
    """The pixels of `runs`: (H, W) bool."""
    pixels = np.zeros(size[0] * size[1], np.uint8)
    paint(pixels, runs, 1)
    return unflat(pixels, size, order).view(bool)


def turned(runs: np.ndarray, size: tuple[int, int], order: Order, other: Order) -> np.ndarray:
    """The same pixels' runs when they are numbered in the `other` order.

    Only the lines (rows of C, columns of F) between the first and the last pixel are laid out.
    """
    if order == other or not len(runs):
        return runs
    lines, length = size if order == "C" else size[::-1]
    first, last = int(runs[0, 0]) // length, (int(runs[-1, 1]) - 1) // length + 1
    slab = np.zeros((last - first + (last - first < lines), length), np.uint8)  # one line of zeros parts the columns
    paint(slab.reshape(-1), runs - first * length, 1)
    starts, lengths, values = stretches(cv2.transpose(slab).reshape(-1))
    found = starts[values == 1]
    line, place = np.divmod(found, len(slab))
    begin = line * lines + first + place
    return np.stack([begin, begin + lengths[values == 1]], axis=1)


def box(runs: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, int, int]:
    """The smallest box of an image around `runs` (numbered row by row), (h, w) bool; its first row and column."""
    width = size[1]
    top, bottom = int(runs[0, 0]) // width, (int(runs[-1, 1]) - 1) // width + 1
    slab = np.zeros((bottom - top, width), np.uint8)
    paint(slab.reshape(-1), runs - top * width, 1)
    columns = np.flatnonzero(slab.any(axis=0))
    left, right = int(columns[0]), int(columns[-1]) + 1
    return np.ascontiguousarray(slab[:, left:right]).view(bool), top, left


def of_box(chosen: np.ndarray, top: int, left: int, size: tuple[int, int]) -> np.ndarray:
    """The runs, numbered row by row, of a box (h, w) bool that stands at row `top`, column `left` of an image."""
    width = chosen.shape[1]
    if width == size[1]:
        return of_mask(chosen, "C") + top * width
    padded = np.zeros((chosen.shape[0], width + 1), np.uint8)  # a column of zeros parts the rows
    padded[:, :width] = chosen
    starts, lengths, values = stretches(padded.reshape(-1))
    row, column = np.divmod(starts[values == 1], width + 1)
    begin = (row + top) * size[1] + column + left
    return np.stack([begin, begin + lengths[values == 1]], axis=1)


def united(parts: Sequence[np.ndarray]) -> np.ndarray:
    """The pixels that stand in any of several sets of runs."""
    every = np.concatenate([NONE, *parts])
    if len(every) < 2:
        return every
    every = every[np.argsort(every[:, 0], kind="stable")]
    reach = np.maximum.accumulate(every[:, 1])
    first = np.concatenate([[True], every[1:, 0] > reach[:-1]])
    ends = reach[np.concatenate([first[1:], [True]])]
    return np.stack([every[first, 0], ends], axis=1)


def clash(parts: Sequence[np.ndarray]) -> tuple[int, int, int] | None:
    """The first two sets that share pixels, and how many runs overlap; None when no two do."""
    every = np.concatenate([NONE, *parts])
    owner = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    order = np.argsort(every[:, 0], kind="stable")
    starts, ends = every[order].T
    reach = np.maximum.accumulate(ends) if len(ends) else ends
    found = np.flatnonzero(starts[1:] < reach[:-1])
    if not len(found):
        return None
    behind = int(found[0]) + 1
    before = int(np.flatnonzero(ends[:behind] > starts[behind])[0])
    return int(owner[order[before]]), int(owner[order[behind]]), len(found)
