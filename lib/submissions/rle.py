"""Run-length encoding of label maps: start and length of every run, all classes in one pass.

    rle.encode(labels, classes=range(1, 25), order="C", base=1)      # {1: "17 3 40 2", 2: "", ...}
    rle.decode("17 3 40 2", shape=(4000, 3000), order="C")           # (4000, 3000) bool

order C numbers pixels row by row, F column by column (Kaggle's usual); base is the first pixel's number.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import cv2
import numpy as np

from lib.errors import DataError

Order = Literal["C", "F"]


def encode(labels: np.ndarray, classes: int | Iterable[int], order: Order = "F", base: int = 1) -> dict[int, str]:
    """Run lengths of every class of a label map.

    `labels`: (H, W) integers. `classes`: the values to encode, or their number (0..n-1). Returns a text a class,
    empty for a class that is not there.
    """
    wanted = list(range(classes) if isinstance(classes, int) else classes)
    flat = _flat(labels, order)
    if not flat.size or not wanted:
        return dict.fromkeys(wanted, "")
    starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1])
    lengths = np.diff(starts, append=flat.size)
    values = flat[starts]
    by_value = np.argsort(values, kind="stable")
    runs = np.stack([starts + base, lengths], axis=1)[by_value]
    text, ends = _decimal(runs.reshape(-1))
    first, last = (np.searchsorted(values[by_value], wanted, side) for side in ("left", "right"))
    begins = np.concatenate([[0], ends])
    spans = [(begins[2 * low], begins[2 * high]) for low, high in zip(first, last, strict=True)]
    return {value: text[begin : max(begin, end - 1)] for value, (begin, end) in zip(wanted, spans, strict=True)}


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
    if len(runs) * 32 > flat.size:  # very short runs: one indexing for all of them
        lengths = runs[:, 1] - runs[:, 0]
        before = np.cumsum(lengths) - lengths
        flat[np.repeat(runs[:, 0] - before, lengths) + np.arange(lengths.sum())] = value
        return
    for start, end in runs.tolist():
        flat[start:end] = value


def parse(text: str, base: int = 1, size: int | None = None) -> np.ndarray:
    """Runs as (n, 2) int64 half-open intervals of 0-based pixel numbers, checked; `size` bounds them."""
    try:
        numbers = np.array(text.split(), np.int64)
    except (ValueError, OverflowError):
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


def _flat(labels: np.ndarray, order: Order) -> np.ndarray:
    if order == "C":
        return np.ascontiguousarray(labels).reshape(-1)
    if labels.dtype in (np.uint8, np.uint16, np.int32) and labels.size:
        return cv2.transpose(labels).reshape(-1)
    return np.ascontiguousarray(labels.T).reshape(-1)


def _decimal(numbers: np.ndarray) -> tuple[str, np.ndarray]:
    """All numbers in decimal, a space after each, and where each one's space ends.

    Four digits at a time come from a table, leading zeros are cut away by a mask: faster than printing one by one.
    """
    groups = -(-len(str(int(numbers.max()))) // 4)
    digits = np.empty((len(numbers), groups), "<u4")
    rest = numbers.astype(np.uint32 if groups <= 2 else np.uint64)
    for group in range(groups - 1, -1, -1):
        digits[:, group] = _FOUR_DIGITS[rest % 10000]
        rest = rest // 10000
    padded = np.full((len(numbers), groups * 4 + 1), ord(" "), np.uint8)
    padded[:, :-1] = digits.view(np.uint8)
    length = np.searchsorted(_POWERS, numbers, side="right") + 2  # digits and the space
    kept = np.arange(groups * 4 + 1) >= (groups * 4 + 1 - length)[:, None]
    return padded[kept].tobytes().decode("ascii"), np.cumsum(length)


_FOUR_DIGITS = np.array([f"{number:04d}".encode() for number in range(10000)]).view("<u4")
_POWERS = 10 ** np.arange(1, 19)


def _glimpse(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")
