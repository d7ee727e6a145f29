"""Any image or mask file: what its header says, and its pixels as stored, in strips where they are many.

head = header(path)
for top, pixels in strips(path, head):           # pixels: (h, W, B) of the file's own dtype, RGB order
    ...
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from lib.errors import DataError
from lib.rasters.images import AGAIN, decode, open_header, read_bytes
from lib.rasters.reader import environment, is_tiff, opened, told

LARGE = 64_000_000
"""Pixels from which a TIFF is read strip by strip."""

STRIP = 16_000_000
"""Pixels of a strip."""

ORIENTATION = 0x0112
"""The EXIF tag that says how a camera was held: 1 as stored, 2 to 8 mirrored or turned."""

TO_RGB = {3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGBA}


@dataclass(frozen=True)
class Header:
    """What a file says of itself before its pixels are read."""

    format: str
    shape: tuple[int, int]
    """Height and width as stored."""
    bands: int
    dtype: str
    orientation: int = 1
    palette: tuple[int, ...] | None = None
    """Colours 0xRRGGBB of a palette picture, whose stored numbers are places in it."""
    nodata: float | None = None
    crs: Any = None
    transform: Any = None


def header(path: Path) -> Header:
    """Read a file's header; `DataError` for one that is missing or is no image."""
    if is_tiff(path):
        with told(path), contextlib.closing(opened(path)) as file:
            palette = None
            if file.colorinterp[0].name == "palette":
                table = file.colormap(1)
                palette = tuple(r << 16 | g << 8 | b for r, g, b, *_ in (table[place] for place in sorted(table)))
            located = file.crs is not None or not file.transform.is_identity
            return Header(
                "TIFF", (file.height, file.width), file.count, file.dtypes[0], 1, palette, file.nodata,
                file.crs if located else None, file.transform if located else None,
            )  # fmt: skip
    with open_header(path, path) as picture:
        palette = None
        if picture.mode == "P":
            table = np.frombuffer(bytes(picture.getpalette("RGB") or ()), np.uint8).reshape(-1, 3).astype(int)
            palette = tuple((table[:, 0] << 16 | table[:, 1] << 8 | table[:, 2]).tolist())
        form = "JPEG" if picture.format == "MPO" else str(picture.format)
        turned = picture.getexif().get(ORIENTATION, 1) if form == "JPEG" else 1
        dtype = {"I;16": "uint16", "I;16B": "uint16", "I": "int32", "F": "float32"}.get(picture.mode, "uint8")
        return Header(form, picture.size[::-1], len(picture.getbands()), dtype, turned, palette)


def strips(path: Path, head: Header) -> Iterator[tuple[int, np.ndarray]]:
    """The whole file from the top: the first row's number and (h, W, B) pixels of its own dtype.

    Palette pictures give their numbers, colour pictures red, green, blue. Raises `DataError` for a file that is
    damaged or cut short.
    """
    if head.format != "TIFF":
        yield 0, _decoded(path, head)
        return
    height, width = head.shape
    step = height if height * width <= LARGE else max(1, STRIP // width)
    for top in range(0, height, step):
        yield top, window(path, top, min(height, top + step), 0, width)


def window(path: Path, top: int, bottom: int, left: int, right: int) -> np.ndarray:
    """A part of a file as stored: (h, w, B)."""
    if not is_tiff(path):
        return _decoded(path, header(path))[top:bottom, left:right]
    from rasterio.windows import Window

    with told(path), environment(), contextlib.closing(opened(path)) as file:
        return np.moveaxis(file.read(window=Window(left, top, right - left, bottom - top)), 0, -1)


def small(path: Path, head: Header, side: int) -> np.ndarray:
    """A large TIFF at a longest side of `side`, picked pixel by pixel: (h, w, B)."""
    scale = side / max(head.shape)
    size = tuple(max(1, round(each * scale)) for each in head.shape)
    with told(path), environment(), contextlib.closing(opened(path)) as file:
        return np.moveaxis(file.read(out_shape=(file.count, *size)), 0, -1)


def measured(head: Header, pixels: np.ndarray) -> Header:
    """The header with what the pixels themselves show: a 16-bit colour PNG says so only here."""
    return replace(head, bands=pixels.shape[2], dtype=str(pixels.dtype))


def _decoded(path: Path, head: Header) -> np.ndarray:
    content = read_bytes(path)
    with open_header(path, path) as picture:
        if picture.mode in ("P", "1"):
            try:
                return np.array(picture, np.uint8)[..., None]
            except (OSError, SyntaxError):
                raise DataError(f"{path} is damaged or cut short", AGAIN) from None
    pixels = decode(content, cv2.IMREAD_UNCHANGED, path)
    if pixels.ndim == 2:
        return pixels[..., None]
    bands = pixels.shape[2]
    return cv2.cvtColor(pixels, TO_RGB[bands]) if bands in TO_RGB else pixels
