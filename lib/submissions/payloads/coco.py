"""COCO's compressed run lengths: counts of off and on in turn, column by column, as differences in base 32.

    coco.compress(rle.counts(runs, 12))           # b"32…", what pycocotools calls counts
    coco.decompress(b"…", pixels=12)              # the counts back, int64
    coco.packed(content)                          # the same through zlib and base64, as the cell of a CSV

Each number is the difference to the number two places before it (from the fourth on), in groups of five bits, the
lowest first: bit 5 of a character says that another follows, the last group's bit 4 is the sign.
(cocodataset/cocoapi, common/maskApi.c: rleToString, rleFrString.)
"""

from __future__ import annotations

import base64
import binascii
import zlib

import numpy as np

from lib.errors import DataError
from lib.submissions.rle import glimpse

ZERO, GROUPS = 48, 8
"""The character of an empty group; groups that a number may have (an image has fewer than 2^39 pixels)."""


LARGEST = 2**28
"""Bytes that a text may unpack to, however large its image is."""


def compress(counts: np.ndarray) -> bytes:
    """Counts (n,) int64 as COCO's string."""
    rest = counts.astype(np.int64)
    rest[3:] -= counts[1:-2]
    groups = np.zeros((len(rest), GROUPS), np.uint8)
    open_still = np.ones(len(rest), bool)
    for place in range(GROUPS):
        low = rest & 31
        rest >>= 5
        more = np.where(low & 16, rest != -1, rest != 0)
        groups[open_still, place] = (low + ZERO + 32 * more)[open_still]
        open_still &= more
        if not open_still.any():
            break
    return groups.tobytes().translate(None, b"\0")


def decompress(content: bytes) -> np.ndarray:
    """The counts (n,) int64 of COCO's string; `DataError` for characters that it does not have, or a cut string."""
    codes = np.frombuffer(content, np.uint8).astype(np.int64) - ZERO
    if not len(codes):
        return codes
    if codes.min() < 0 or codes.max() > 63:
        raise DataError(f"{glimpse(content.decode('latin-1'))} is not COCO's compressed run lengths")
    last = np.flatnonzero(codes < 32)
    if not len(last) or last[-1] != len(codes) - 1:
        raise DataError(f"{glimpse(content.decode('latin-1'))} is cut short")
    first = np.concatenate([[0], last[:-1] + 1])
    place = np.arange(len(codes)) - np.repeat(first, last - first + 1)
    if place.max() >= GROUPS:
        raise DataError(f"{glimpse(content.decode('latin-1'))} holds a number that no image needs")
    numbers = np.add.reduceat((codes & 31) << (5 * place), first)
    numbers -= np.where(codes[last] & 16, np.int64(1) << (5 * (place[last] + 1)), 0)
    numbers[1::2] = np.cumsum(numbers[1::2])
    numbers[2::2] = np.cumsum(numbers[2::2])
    return numbers


def packed(content: bytes) -> str:
    """COCO's string through zlib and base64, as Kaggle's instance competitions ask for it."""
    return base64.b64encode(zlib.compress(content, zlib.Z_BEST_COMPRESSION)).decode("ascii")


def unpacked(text: str, pixels: int | None) -> bytes:
    """What `packed` packed; `DataError` for anything else, and for more than an image of so many `pixels` can need."""
    most = min(LARGEST, LARGEST if pixels is None else (pixels + 2) * GROUPS)
    try:
        stream = zlib.decompressobj()
        content = stream.decompress(base64.b64decode(text, validate=True), most)
    except (binascii.Error, ValueError, zlib.error):
        raise DataError(f"{glimpse(text)} is not base64 of zlib") from None
    if stream.unconsumed_tail:
        raise DataError(f"{glimpse(text)} unpacks to more than {most:,} bytes: refused")
    if not stream.eof:
        raise DataError(f"{glimpse(text)} is cut short")
    return content
