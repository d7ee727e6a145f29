"""A file's pixels as stored, whatever it is of: whole, in strips, a window, a small view, or a part of a big raster.

head = read_header(path)
for top, pixels in strips(path, head):           # pixels: (h, W, B) of the file's own dtype, RGB order
    ...
window(path, head, 0, 512, 0, 512), small(path, head, 2048), glance(path, head)
colours = in_colours(pixels, head)               # (h, w, 3) uint8, as a colour mask is read

A palette picture gives its numbers, a colour picture red, green, blue and, where it has some, transparency. Pixels are
not turned as a camera's orientation says. All raise `DataError` for a file that is damaged or cut short.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from lib.errors import DataError
from lib.rasters.headers import Header
from lib.rasters.images import AGAIN, decode, open_header, read_bytes
from lib.rasters.opening import environment, opened, told
from lib.rasters.packing import channels

LARGE = 64_000_000
"""Pixels from which a TIFF is read strip by strip."""

STRIP = 16_000_000
"""Pixels of a strip."""

MOST_PIXELS = 2**24
"""At a glance, a TIFF with more is read with every n-th row and column…"""

HUGE = 2**28
"""…and one with more, whose every block that would touch, by windows spread evenly over it."""

SPREAD = 4
"""Rows and columns of such windows."""

TO_RGB = {(3, 3): cv2.COLOR_BGR2RGB, (4, 4): cv2.COLOR_BGRA2RGBA, (4, 3): cv2.COLOR_BGRA2RGB}
"""From OpenCV's bands to those that a header says."""


def strips(path: Path, head: Header) -> Iterator[tuple[int, np.ndarray]]:
    """The whole file from the top: the first row's number and (h, W, B) pixels; one strip but of a large TIFF."""
    if head.format != "TIFF":
        yield 0, _decoded(path, head)
        return
    height, width = head.shape
    step = height if head.size <= LARGE else max(1, STRIP // width)
    with told(path), opened(path) as file:
        for top in range(0, height, step):
            with environment():
                part = _part(file, top, min(height, top + step), 0, width)
            yield top, part


def window(path: Path, head: Header, top: int, bottom: int, left: int, right: int) -> np.ndarray:
    """Rows [top, bottom) and columns [left, right): (h, w, B)."""
    if head.format != "TIFF":
        return _decoded(path, head)[top:bottom, left:right]
    with _raster(path) as file:
        return _part(file, top, bottom, left, right)


def small(path: Path, head: Header, side: int) -> np.ndarray:
    """A TIFF at a longest side of `side`, its own where that is smaller, picked pixel by pixel: (h, w, B)."""
    scale = min(1, side / max(head.shape))
    with _raster(path) as file:
        return _picked(file, tuple(max(1, round(each * scale)) for each in head.shape))


def glance(path: Path, head: Header) -> np.ndarray:
    """All pixels, (H, W, B); of a TIFF with more than `MOST_PIXELS` every n-th row and column, of a huge one without
    smaller copies in it (overviews) windows side by side."""
    if head.format != "TIFF":
        return _decoded(path, head)
    height, width = head.shape
    with _raster(path) as file:
        if head.size <= HUGE or file.overviews(1):
            step = max(1, math.ceil(math.sqrt(head.size / MOST_PIXELS)))
            return _picked(file, (math.ceil(height / step), math.ceil(width / step)))
        side = math.isqrt(MOST_PIXELS) // SPREAD
        high, wide = min(side, height // SPREAD), min(side, width // SPREAD)
        tops = [round(at) for at in np.linspace(0, height - high, SPREAD)]
        lefts = [round(at) for at in np.linspace(0, width - wide, SPREAD)]
        rows = [[_part(file, top, top + high, left, left + wide) for left in lefts] for top in tops]
    return np.concatenate([np.concatenate(row, axis=1) for row in rows])


def in_colours(pixels: np.ndarray, head: Header) -> np.ndarray:
    """Pixels (h, w, B) as a colour mask is read, (h, w, 3) uint8: a palette's colours, one band as grey, of 16 bits the
    upper eight, 1 bit as black and white; other types cut to 0..255."""
    if head.palette is not None:
        table = np.zeros((max(256, len(head.palette)), 3), np.uint8)
        table[: len(head.palette)] = channels(np.array(head.palette))
        return table[pixels[..., 0]]
    bands = pixels[..., :3] if pixels.shape[2] >= 3 else np.repeat(pixels[..., :1], 3, axis=2)
    if bands.dtype == np.uint16:
        bands = (bands >> 8).astype(np.uint8)
    elif bands.dtype != np.uint8:
        bands = np.clip(np.nan_to_num(bands), 0, 255).astype(np.uint8)
    return bands * np.uint8(255) if head.one_bit else np.ascontiguousarray(bands)


def measured(head: Header, pixels: np.ndarray) -> Header:
    """The header with the type that the pixels have: of some pictures of 16 bits it says 8."""
    return replace(head, bands=pixels.shape[2], dtype=str(pixels.dtype))


def _decoded(path: Path, head: Header) -> np.ndarray:
    if head.palette is not None or head.one_bit:
        with open_header(path, path) as picture:
            try:
                return np.array(picture, np.uint8)[..., None]
            except (OSError, SyntaxError):
                raise DataError(f"{path} is damaged or cut short", AGAIN) from None
    pixels = decode(read_bytes(path), cv2.IMREAD_UNCHANGED, path)
    if pixels.ndim == 2:
        return pixels[..., None]
    if head.bands <= 2:  # grey, with transparency or without, may come as colour
        return np.ascontiguousarray(pixels[..., [0, -1][: head.bands]])
    bands = pixels.shape[2]
    return cv2.cvtColor(pixels, TO_RGB[bands, min(bands, head.bands)])


@contextlib.contextmanager
def _raster(path: Path) -> Iterator[Any]:
    with told(path), environment(), opened(path) as file:
        yield file


def _part(file: Any, top: int, bottom: int, left: int, right: int) -> np.ndarray:
    from rasterio.windows import Window

    return np.moveaxis(file.read(window=Window(left, top, right - left, bottom - top)), 0, -1)


def _picked(file: Any, shape: tuple[int, int]) -> np.ndarray:
    return np.moveaxis(file.read(out_shape=(file.count, *shape)), 0, -1)
