"""Run-length encoding of label maps: start and length of every run, all classes in one pass.

    rle.encode(labels, classes=range(1, 25), order="C", base=1)      # {1: "17 3 40 2", 2: "", ...}
    rle.decode("17 3 40 2", shape=(4000, 3000), order="C")           # (4000, 3000) bool
    rle.text(runs, "gap", base=0)                                    # a run's start counted from the one before it

order C numbers pixels row by row, F column by column (Kaggle's usual); base is the first pixel's number.

    length        start and length            the usual one
    end           start and last pixel
    gap           pixels since the last run's end (the first: its start), and length        SIIM-ACR pneumothorax
    alternating   lengths of off and on in turn, beginning with off, all pixels counted     COCO, uncompressed
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

import numpy as np

from lib.errors import DataError
from lib.rasters.runs import NONE, Order, flat, paint, stretches

Kind = Literal["length", "end", "gap", "alternating"]

LARGEST = 10**18
"""No number of a file is so large, and two such still add up within int64."""


def encode(labels: np.ndarray, classes: int | Iterable[int], order: Order = "F", base: int = 1) -> dict[int, str]:
    """Run lengths of every class of a label map.

    `labels`: (H, W) integers. `classes`: the values to encode, or their number (0..n-1). Returns a text a class,
    empty for a class that is not there.
    """
    wanted = list(range(classes) if isinstance(classes, (int, np.integer)) else classes)
    if not labels.size or not wanted:
        return dict.fromkeys(wanted, "")
    starts, lengths, values = stretches(flat(labels, order))
    lines = _lines(starts + base, lengths)
    first, last = (np.searchsorted(values, wanted, side) for side in ("left", "right"))
    return {value: _text(lines[low:high]) for value, low, high in zip(wanted, first, last, strict=True)}


def decode(text: str, shape: tuple[int, int], order: Order = "F", base: int = 1) -> np.ndarray:
    """The mask of a text of run lengths: (H, W) bool, in the memory layout that `order` names.

    Raises `DataError` when the text is not pairs of whole numbers, or when runs are empty, out of order, overlapping
    or outside the image.
    """
    height, width = shape
    pixels = np.zeros(height * width, bool)
    paint(pixels, parse(text, base, pixels.size), True)
    return pixels.reshape(shape) if order == "C" else pixels.reshape(width, height).T


def text(runs: np.ndarray, kind: Kind = "length", base: int = 1, size: int | None = None) -> str:
    """Runs (n, 2) as text; `size`, the image's pixels, is needed for `alternating`."""
    if kind == "alternating":
        return " ".join(map(str, counts(runs, size).tolist()))
    if not len(runs):
        return ""
    starts, ends = runs.T
    if kind == "gap":
        begin = np.concatenate([starts[:1] + base, starts[1:] - ends[:-1]])
        return _text(_lines(begin, ends - starts))
    return _text(_lines(starts + base, ends - 1 + base if kind == "end" else ends - starts))


def counts(runs: np.ndarray, size: int) -> np.ndarray:
    """The lengths of off and on in turn, beginning with off, over an image of `size` pixels."""
    edges = np.concatenate([[0], runs.reshape(-1), [size]])
    lengths = np.diff(edges)
    return lengths if lengths[-1] or len(lengths) == 1 else lengths[:-1]


def of_counts(lengths: np.ndarray, size: int | None, glimpse: str) -> np.ndarray:
    """Runs (n, 2) from lengths of off and on in turn; `DataError` unless they are all the image's pixels."""
    if (lengths < 0).any():
        raise DataError(f"{glimpse} has a run of length {int(lengths.min())}")
    total = int(lengths.sum())
    if size is not None and total != size:
        raise DataError(f"{glimpse} counts {total} pixels, and the image has {size}")
    ends = np.cumsum(lengths)
    runs = np.stack([ends[0::2][: len(lengths) // 2], ends[1::2]], axis=1) if len(lengths) > 1 else NONE
    return runs[runs[:, 0] < runs[:, 1]]


def parse(text: str, base: int = 1, size: int | None = None, kind: Kind = "length") -> np.ndarray:
    """Runs as (n, 2) int64 half-open intervals of 0-based pixel numbers, checked; `size` bounds them."""
    try:
        numbers = _numbers(text)
    except ValueError:
        raise DataError(f"{glimpse(text)} is not a list of whole numbers{_slip(text)}") from None
    if kind == "alternating":
        return of_counts(numbers, size, glimpse(text))
    if len(numbers) % 2:
        raise DataError(f"{glimpse(text)} has {len(numbers)} numbers; run lengths come in pairs")
    starts, lengths = numbers[::2] - base, numbers[1::2]
    if kind == "end":
        lengths = lengths - base + 1 - starts
    if (lengths <= 0).any():
        raise DataError(f"{glimpse(text)} has a run of length {int(lengths.min())}")
    if len(starts) and starts[0] < 0:
        raise DataError(f"{glimpse(text)} starts at {int(numbers[0])}, and pixels are counted from {base}")
    if kind == "gap":
        starts = _absolute(starts + base * (np.arange(len(starts)) > 0), lengths, text)
    ends = starts + lengths
    if (starts[1:] < ends[:-1]).any():
        place = int(np.argmax(starts[1:] < ends[:-1])) + 1
        raise DataError(f"run {place + 1} of {glimpse(text)} starts before the one before it ends")
    if size is not None and len(ends) and ends[-1] > size:
        raise DataError(f"{glimpse(text)} ends at pixel {int(ends[-1]) - 1 + base} of an image of {size} pixels")
    return np.stack([starts, ends], axis=1)


def _absolute(gaps: np.ndarray, lengths: np.ndarray, text: str) -> np.ndarray:
    """Starts from gaps; `DataError` where the sum would leave int64."""
    if len(gaps) and (float(np.abs(gaps).sum(dtype=float)) + float(lengths.sum(dtype=float))) > LARGEST:
        raise DataError(f"{glimpse(text)} leads out of every image")
    return np.cumsum(gaps) + np.cumsum(lengths) - lengths


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


def _text(lines: np.ndarray) -> str:
    return lines.tobytes().translate(None, b"\0")[:-1].decode("ascii")


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


def _slip(text: str) -> str:
    """How such a text came about, where it shows."""
    if text.strip().startswith(("[", "(")):
        return ": a Python list was printed, write ' '.join(map(str, numbers))"
    if text.strip().lower() in ("nan", "none", "null"):
        return ": pandas wrote a missing value"
    if re.fullmatch(r"[0-9.\s]+", text) and "." in text:
        return ": the numbers were floats"
    if re.search("[0-9][eE][+-]?[0-9]", text):
        return ": a number in scientific notation"
    if re.search("[0-9]{19}", text):
        return ": no image has so many pixels"
    return ": parted by commas" if re.fullmatch(r"[0-9,\s]+", text) and "," in text else ""


def glimpse(text: str) -> str:
    """The beginning of a text, quoted, for a sentence."""
    return repr(text if len(text) <= 40 else text[:37] + "...")
