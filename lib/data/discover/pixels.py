"""Headers and pixels of any picture that a data set may hold, read as they are stored; of big rasters a part.

header = read_header(path)                    # Header(height=512, width=512, bands=13, dtype="int16", ...)
values, counts, edges = runs(stored(path))    # which values, how many pixels each, how many at the border
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lib.errors import DataError
from lib.rasters.images import AGAIN, open_header
from lib.rasters.reader import environment, is_tiff, opened, told

MOST_PIXELS = 2**24
"""A TIFF with more is read with every n-th row and column…"""

HUGE = 2**28
"""…and one with more, whose every block that would touch, by windows spread evenly over it."""

SPREAD = 4
"""Rows and columns of such windows."""

BORDER = 2
"""Pixels that count as a picture's border."""


@dataclass(frozen=True)
class Header:
    """What a file says of itself."""

    height: int
    width: int
    bands: int
    dtype: str
    is_tiff: bool
    is_jpeg: bool = False
    has_palette: bool = False
    has_alpha: bool = False
    nodata: float | None = None
    orientation: int = 1
    """A camera's orientation tag; 5 to 8 lie on their side."""
    crs: str | None = None
    bounds: tuple[float, ...] | None = None
    """Left, bottom, right, top; None without a transform."""

    @property
    def size(self) -> tuple[int, int]:
        return self.height, self.width

    @property
    def upright(self) -> tuple[int, int]:
        """Height and width after the orientation tag is applied."""
        return self.size[::-1] if self.orientation > 4 else self.size


def read_header(path: Path) -> Header:
    """A picture's header; `DataError` for a file that is none."""
    if is_tiff(path):
        with told(path), opened(path) as file:
            interpretations = [each.name for each in file.colorinterp]
            placed = not file.transform.is_identity
            return Header(
                file.height,
                file.width,
                file.count,
                file.dtypes[0],
                True,
                has_palette=interpretations[0] == "palette",
                has_alpha="alpha" in interpretations,
                nodata=file.nodata,
                crs=file.crs and file.crs.to_string(),
                bounds=tuple(file.bounds) if placed else None,
            )
    with open_header(path, path) as file:
        bands = len(file.getbands())
        dtype = {"I;16": "uint16", "I;16B": "uint16", "I": "int32", "F": "float32"}.get(file.mode, "uint8")
        return Header(
            file.height,
            file.width,
            bands,
            dtype,
            False,
            is_jpeg=file.format == "JPEG",
            has_palette=file.mode == "P",
            has_alpha="A" in file.getbands(),
            orientation=file.getexif().get(0x0112, 1) or 1,
        )


def stored(path: Path, colour: bool = False) -> np.ndarray:
    """The pixels as stored: (H, W) or (H, W, B); `colour`: a palette's colours instead of its numbers.

    Of a TIFF with more than `MOST_PIXELS` pixels every n-th row and column; of a huge one without smaller copies in it
    (overviews) windows side by side.
    """
    if is_tiff(path):
        with told(path), environment(), opened(path) as file:
            pixels = _of_raster(file)
            if colour and file.colorinterp[0].name == "palette":
                table = np.zeros((256, 3), np.uint8)
                for index, entry in file.colormap(1).items():
                    table[index] = entry[:3]
                return table[pixels[..., 0]]
            return pixels[..., 0] if pixels.shape[-1] == 1 else pixels
    with open_header(path, path) as file:
        try:
            return np.asarray(file.convert("RGB") if colour and file.mode in ("P", "1", "L", "RGBA") else _plain(file))
        except (OSError, SyntaxError):
            raise DataError(f"{path} is damaged or cut short", AGAIN) from None


def _of_raster(file: Any) -> np.ndarray:
    """(H, W, B) of an open raster, `MOST_PIXELS` pixels or less."""
    from rasterio.windows import Window

    height, width = file.shape
    if height * width <= HUGE or file.overviews(1):
        step = max(1, math.ceil(math.sqrt(height * width / MOST_PIXELS)))
        shape = math.ceil(height / step), math.ceil(width / step)
        return np.moveaxis(file.read(out_shape=(file.count, *shape)), 0, -1)
    side = math.isqrt(MOST_PIXELS) // SPREAD
    high, wide = min(side, height // SPREAD), min(side, width // SPREAD)
    tops = [round(at) for at in np.linspace(0, height - high, SPREAD)]
    lefts = [round(at) for at in np.linspace(0, width - wide, SPREAD)]
    rows = [[file.read(window=Window(left, top, wide, high)) for left in lefts] for top in tops]
    return np.moveaxis(np.concatenate([np.concatenate(row, axis=2) for row in rows], axis=1), 0, -1)


def _plain(file: Image.Image) -> Image.Image:
    return file.convert("RGB") if file.mode in ("RGBA", "LA", "CMYK", "YCbCr") else file


def packed(pixels: np.ndarray) -> np.ndarray:
    """RGB pixels (H, W, 3+) uint8 as numbers 0xRRGGBB, (H, W) int64."""
    wide = pixels[..., :3].astype(np.int64)
    return wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]


def runs(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which values stand in a picture, how many pixels each has, and how many of those lie at its border.

    Three arrays (N,), the values in order. Labels lie in runs, and counting runs is faster than sorting pixels.
    """
    values = packed(pixels) if pixels.ndim == 3 else pixels
    found, counts = _counted(values)
    inner, inside = _counted(values[BORDER:-BORDER, BORDER:-BORDER])
    edges = counts.copy()
    edges[np.searchsorted(found, inner)] -= inside
    return found, counts, edges


def _counted(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    flat = values.ravel()
    if flat.dtype.kind == "f":
        flat = flat[np.isfinite(flat)]
    if not flat.size:
        return flat, np.zeros(0, np.int64)
    starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1])
    lengths = np.diff(np.append(starts, flat.size))
    found, places = np.unique(flat[starts], return_inverse=True)
    return found, np.bincount(places, weights=lengths).astype(np.int64)
