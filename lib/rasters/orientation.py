"""How a camera was held: the EXIF orientation of JPEG, PNG and TIFF files, applied to pixels, windows and places.

number = exif_orientation(path)                        # 1..8; 1: upright
upright = turned(pixels, number)                       # (H, W, …) → upright
stored = stored_window((0, 10, 0, 20), shape, number)  # the window of the file that holds a window of the upright image

The numbers are those of the Exif standard (JEITA CP-3451, tag 0x0112), the same as TIFF 6.0's Orientation.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lib.rasters.images import JPEG, PNG, open_header
from lib.rasters.opening import TIFF
from lib.rasters.places import matrix, transform_of
from lib.rasters.tiff_tags import ORIENTATION, tiff_tags

TRANSPOSED = (5, 6, 7, 8)
"""Rows of the file are columns of the image."""

ROWS_FLIPPED, COLUMNS_FLIPPED = (3, 4, 7, 8), (2, 3, 6, 7)
"""Upright images whose rows, whose columns, run backwards once they are transposed."""


def exif_orientation(path: Path) -> int:
    """The orientation that a file's tag says, 1 to 8; 1 for a file without one. Pixels are not decoded.

    Raises `DataError` for a file that is no picture.
    """
    with open(path, "rb") as file:
        start = file.read(8)
        if start[:4] in TIFF:
            found = (tiff_tags(path) or {}).get(ORIENTATION)
        elif start == PNG:
            found = _of_png(file)
        elif start.startswith(JPEG):
            with open_header(path, path) as header:
                found = header.getexif().get(ORIENTATION)
        else:
            found = 1
    return found if found in range(1, 9) else 1


def turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Stored pixels (H, W, …) upright; a view of them, (W, H, …) where the camera lay on its side."""
    if orientation in TRANSPOSED:
        pixels = pixels.swapaxes(0, 1)
    rows = slice(None, None, -1 if orientation in ROWS_FLIPPED else 1)
    return pixels[rows, :: -1 if orientation in COLUMNS_FLIPPED else 1]


def turned_shape(shape: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Height and width of a stored picture once it is upright."""
    return (shape[1], shape[0]) if orientation in TRANSPOSED else (shape[0], shape[1])


def stored_window(
    window: tuple[int, int, int, int], shape: tuple[int, int], orientation: int
) -> tuple[int, int, int, int]:
    """Top, bottom, left, right in the file of a window of the upright image, whose height and width are `shape`."""
    top, bottom, left, right = window
    if orientation in ROWS_FLIPPED:
        top, bottom = shape[0] - bottom, shape[0] - top
    if orientation in COLUMNS_FLIPPED:
        left, right = shape[1] - right, shape[1] - left
    return (left, right, top, bottom) if orientation in TRANSPOSED else (top, bottom, left, right)


def turned_transform(transform: Any, shape: tuple[int, int], orientation: int) -> Any:
    """A stored raster's affine transform for its upright image of height and width `shape`."""
    turn = np.array([[0, 1, 0], [1, 0, 0], [0, 0, 1]] if orientation in TRANSPOSED else np.eye(3), np.float64)
    if orientation in ROWS_FLIPPED:
        turn = turn @ [[1, 0, 0], [0, -1, shape[0]], [0, 0, 1]]
    if orientation in COLUMNS_FLIPPED:
        turn = turn @ [[-1, 0, shape[1]], [0, 1, 0], [0, 0, 1]]
    return transform_of(matrix(transform) @ turn)


def _of_png(file: Any) -> int | None:
    """The tag in a PNG's eXIf chunk, which may stand before or after the pixels."""
    while len(head := file.read(8)) == 8:
        size, kind = struct.unpack(">I4s", head)
        if kind == b"eXIf":
            exif = Image.Exif()
            exif.load(b"Exif\0\0" + file.read(size))
            return exif.get(ORIENTATION)
        file.seek(size + 4, 1)
    return None
