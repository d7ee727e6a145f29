"""What any picture says of itself before its pixels are read.

head = read_header(path)                   # Header("TIFF", (512, 512), bands=13, dtype="int16", …)
header_size(path)                          # (height, width) as stored; quicker
header_size(path, competition.images)      # as `open_image` gives it: upright where that is asked for
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lib.competitions.pixels import Images
from lib.rasters.bands import PLAIN, Found
from lib.rasters.images import PNG, open_header
from lib.rasters.opening import georeference_of, is_one_bit, is_tiff, opened, palette_of, told
from lib.rasters.orientation import exif_orientation, turned_shape
from lib.rasters.packing import pack
from lib.rasters.tiff_tags import LENGTH, WIDTH, tiff_tags

BANDS = {"1": 1, "L": 1, "P": 1, "I": 1, "I;16": 1, "I;16B": 1, "F": 1, "LA": 2, "PA": 2, "RGBA": 4}
"""Bands of the pictures that Pillow gives another mode than colours; all others come as red, green, blue."""

TYPES = {"I;16": "uint16", "I;16B": "uint16", "I": "int32", "F": "float32"}


@dataclass(frozen=True)
class Header:
    """What a file says of itself."""

    format: str
    """As Pillow calls it: `PNG`, `JPEG`, `TIFF`, …"""
    shape: tuple[int, int]
    """Height and width as stored."""
    bands: int
    """As stored: a palette picture has one, its numbers."""
    dtype: str
    alpha: bool = False
    """One of the bands is transparency."""
    one_bit: bool = False
    """Its numbers are 0 and 1, which are black and white."""
    orientation: int = 1
    """A camera's, 1 to 8 (lib/rasters/orientation.py); 1: upright."""
    palette: tuple[int, ...] | None = None
    """Colours 0xRRGGBB of a palette picture, whose stored numbers are places in it."""
    nodata: float | None = None
    crs: Any = None
    transform: Any = None

    @property
    def upright(self) -> tuple[int, int]:
        """Height and width once the orientation is applied."""
        return turned_shape(self.shape, self.orientation)

    @property
    def size(self) -> int:
        """Pixels, all rows times all columns."""
        return self.shape[0] * self.shape[1]

    @property
    def placed(self) -> bool:
        """Whether it says where on the Earth its pixels lie."""
        return self.transform is not None and not self.transform.is_identity


def read_header(path: Path) -> Header:
    """A file's header; `DataError` for one that is missing or is no picture. Pixels are not decoded."""
    return (_of_tiff if is_tiff(path) else _of_picture)(Path(path))


def header_size(path: Path, images: Images = PLAIN) -> tuple[int, int]:
    """Height and width as the file's header says; the pixels are not decoded. `DataError` for what is no picture."""
    if not is_tiff(path):
        with open_header(path, path) as image:
            size = image.height, image.width
    elif (tags := tiff_tags(path)) and LENGTH in tags and WIDTH in tags:
        size = tags[LENGTH], tags[WIDTH]
    else:
        with told(path), opened(path) as file:
            size = file.height, file.width
    return turned_shape(size, exif_orientation(path)) if images.orientation == "exif" else size


def png_bands(path: Path) -> Found:
    """A PNG's bands as its header says, a palette's colours three of them.

    Bit depth and colour type stand in bytes 24 and 25 (PNG specification, 11.2.2); Pillow says 8 bits of colours that
    have 16.
    """
    with open(path, "rb") as file:
        head = file.read(26)
    if not head.startswith(PNG) or len(head) < 26:
        return Found(3, np.dtype(np.uint8))
    depth, colour = head[24], head[25]
    count = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}.get(colour, 3)
    return Found(count, np.dtype(np.uint16 if depth == 16 else np.uint8), count if colour in (4, 6) else None)


def _of_tiff(path: Path) -> Header:
    with told(path), opened(path) as file:
        place, table = georeference_of(file), palette_of(file)
        return Header(
            "TIFF",
            (file.height, file.width),
            file.count,
            file.dtypes[0],
            alpha="alpha" in [each.name for each in file.colorinterp],
            one_bit=is_one_bit(file),
            orientation=exif_orientation(path),
            palette=None if table is None else tuple(map(pack, table.tolist())),
            nodata=file.nodata,
            crs=place and place.crs,
            transform=place and place.transform,
        )


def _of_picture(path: Path) -> Header:
    with open_header(path, path) as picture:
        mode, shape, kind = picture.mode, (picture.height, picture.width), str(picture.format)
        table = picture.getpalette("RGB") or [] if mode == "P" else None
    bands, dtype, alpha = BANDS.get(mode, 3), TYPES.get(mode, "uint8"), mode.endswith("A")
    if kind == "PNG" and table is None:
        found = png_bands(path)
        bands, dtype, alpha = found.count, str(found.dtype), found.alpha is not None
    return Header(
        "JPEG" if kind == "MPO" else kind,  # several JPEGs in a file, of which the first counts
        shape,
        bands,
        dtype,
        alpha,
        one_bit=mode == "1",
        orientation=exif_orientation(path),
        palette=None if table is None else tuple(map(pack, zip(*[iter(table)] * 3, strict=True))),
    )
