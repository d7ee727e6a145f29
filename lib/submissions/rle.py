"""Run-length encoding of label maps: start and length of every run, all classes in one pass.

    rle.encode(labels, classes=range(1, 25), order="C", base=1)      # {1: "17 3 40 2", 2: "", ...}
    rle.decode("17 3 40 2", shape=(4000, 3000), order="C")           # (4000, 3000) bool

order C numbers pixels row by row, F column by column (Kaggle's usual); base is the first pixel's number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

import cv2
import numpy as np

from lib.errors import DataError

Order = Literal["C", "F"]

LARGEST = 10**18
"""No number of a file is so large, and two such still add up within int64."""

SHORT = 64
"""Runs up to this length are painted together, longer ones slice by slice."""


def encode(labels: np.ndarray, classes: int | Iterable[int], order: Order = "F", base: int = 1) -> dict[int, str]:
    """Run lengths of every class of a label map.

    `labels`: (H, W) integers. `classes`: the values to encode, or their number (0..n-1). Returns a text a class,
    empty for a class that is not there.
    """
    wanted = list(range(classes) if isinstance(classes, (int, np.integer)) else classes)
    flat = _flat(labels, order)
    if not flat.size or not wanted:
        return dict.fromkeys(wanted, "")
    starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1])
    lengths = np.diff(starts, append=flat.size)
    values = flat[starts]
    by_value = np.argsort(values, kind="stable")
    lines = _lines(starts[by_value] + base, lengths[by_value])
    first, last = (np.searchsorted(values[by_value], wanted, side) for side in ("left", "right"))
    return {
        value: lines[low:high].tobytes().translate(None, b"\0")[:-1].decode("ascii")
        for value, low, high in zip(wanted, first, last, strict=True)
    }


def decode(text: str, shape: tuple[int, int], order: Order = "F", base: int = 1) -> np.ndarray:
    """The mask of a text of run lengths: (H, W) bool, in the memory layout that `order` names.

    Raises `DataError` when the text is not pairs of whole numbers, or when runs are empty, out of order, overlapping
    or outside the image.
    """
    height, width = shape
    flat = np.zeros(height * width, bool)
    paint(flat, parse(text, base, flat.size), True)
    return flat.reshape(shape) if order == "C" else flat.reshape(width, height).T


def paint(flat: np.ndarray, runs: np.ndarray, value: int | bool) -> None:
    """Set the pixels of `runs` (from `parse`) in a flat array."""
    lengths = runs[:, 1] - runs[:, 0]
    short = lengths <= SHORT
    few = lengths[short]
    flat[np.repeat(runs[short, 0] - np.cumsum(few) + few, few) + np.arange(few.sum())] = value
    for start, end in runs[~short].tolist():
        flat[start:end] = value


def parse(text: str, base: int = 1, size: int | None = None) -> np.ndarray:
    """Runs as (n, 2) int64 half-open intervals of 0-based pixel numbers, checked; `size` bounds them."""
    try:
        numbers = _numbers(text)
    except ValueError:
        raise DataError(f"{_glimpse(text)} is not a list of whole numbers") from None
    if len(numbers) % 2:
        raise DataError(f"{_glimpse(text)} has {len(numbers)} numbers; run lengths come in pairs")
    starts, lengths = numbers[::2] - base, numbers[1::2]
    ends = starts + lengths
    if (lengths <= 0).any():
        raise DataError(f"{_glimpse(text)} has a run of length {int(lengths.min())}")
    if len(starts) and starts[0] < 0:
        raise DataError(f"{_glimpse(text)} starts at {int(numbers[0])}, and pixels are counted from {base}")
    if (starts[1:] < ends[:-1]).any():
        place = int(np.argmax(starts[1:] < ends[:-1])) + 1
        raise DataError(f"run {place + 1} of {_glimpse(text)} starts before the one before it ends")
    if size is not None and len(ends) and ends[-1] > size:
        raise DataError(f"{_glimpse(text)} ends at pixel {int(ends[-1]) - 1 + base} of an image of {size} pixels")
    return np.stack([starts, ends], axis=1)


def _numbers(text: str) -> np.ndarray:
    """The whole numbers of a text as int64; ValueError for anything else, and for what Python alone would read: 1_0."""
    if text.isascii() and not text.encode().translate(None, b"0123456789 ") and text.strip():
        numbers = np.fromstring(text, np.int64, sep=" ")  # its own check is lax, so only a clean text comes here
        if numbers.max() < LARGEST:
            return numbers
    words = text.split()
    if not all(re.fullmatch("-?[0-9]{1,18}", word) for word in words):
        raise ValueError(text)
    return np.array(words, np.int64)


def _flat(labels: np.ndarray, order: Order) -> np.ndarray:
    if order == "C":
        return np.ascontiguousarray(labels).reshape(-1)
    if labels.dtype in (np.uint8, np.uint16, np.int32) and labels.size:
        return cv2.transpose(labels).reshape(-1)
    return np.ascontiguousarray(labels.T).reshape(-1)


def _lines(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """A record of fixed width a run, "start length ", with NULs where a number has no digit.

    Four digits at a time come from a table: several times faster than printing numbers one by one.
    """
    widths = [-(-len(str(int(numbers.max()))) // 4) for numbers in (starts, lengths)]
    fields = [("start", "<u4", (widths[0],)), ("blank", "u1"), ("length", "<u4", (widths[1],)), ("end", "u1")]
    lines = np.empty(len(starts), fields)
    lines["blank"] = lines["end"] = ord(" ")
    _write_digits(starts, lines["start"])
    _write_digits(lengths, lines["length"])
    return lines


def _write_digits(numbers: np.ndarray, groups: np.ndarray) -> None:
    """Write numbers into (n, groups), four digits a group."""
    rest = numbers.astype(np.uint32 if groups.shape[1] <= 2 else np.uint64)
    for group in range(groups.shape[1] - 1, -1, -1):
        left = rest // 10000
        groups[:, group] = _DIGITS[rest - left * 10000 + 10000 * (left == 0).astype(rest.dtype)]
        rest = left
    groups[numbers == 0, -1] = _DIGITS[0] & _LAST_DIGIT


_DIGITS = np.frombuffer(
    b"".join(f"{n:04d}".encode() for n in range(10000))
    + b"".join((str(n) if n else "").rjust(4, "\0").encode() for n in range(10000)),
    "<u4",
)
"""Four digits as one number: inside a longer number, and from 10000 on at its beginning, without leading zeros."""

_LAST_DIGIT = np.uint32(0xFF000000)


def _glimpse(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")
