"""Images read window by window, at their own size or at a working size.

with open_image(path, competition.images, radiometry) as image:
    image.shape                                  # (height, width)
    image.read(top, bottom, left, right)         # (h, w, B) as the network is fed: uint8 RGB, or float32 in 0..1
    image.raw(top, bottom, left, right)          # (h, w, B) in the file's own values
    image.valid(top, bottom, left, right)        # (h, w) bool: which pixels have data; None: all
    image.at((h, w)).read(0, 256, 0, w)          # the same image resized to h x w, read by windows of that size

A TIFF is read through rasterio, so that only the window is in memory; JPEG and PNG are decoded whole.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lib.competitions.pixels import Images
from lib.rasters.bands import PLAIN
from lib.rasters.base import ImageReader, Pixels, Reader, Resized
from lib.rasters.opening import TIFF, environment, is_tiff, opened, told
from lib.rasters.orientation import exif_orientation
from lib.rasters.pictures import Picture
from lib.rasters.places import Georeference
from lib.rasters.radiometry import IMAGENET, Radiometry
from lib.rasters.raster import Raster

__all__ = [
    "TIFF",
    "Georeference",
    "ImageReader",
    "Picture",
    "Pixels",
    "Raster",
    "Reader",
    "Resized",
    "environment",
    "exif_orientation",
    "is_tiff",
    "open_image",
    "opened",
    "read_image",
    "told",
    "working_shape",
]


def open_image(
    path: Path,
    images: Images = PLAIN,
    radiometry: Radiometry = IMAGENET,
) -> Picture | Raster:
    """An image to be read by windows: a `Raster` for a TIFF of whatever name, else a `Picture`, decoded at first read.

    Only the header is read here. Raises `DataError` for a file that is missing or no image, for a band that it lacks,
    and for one that is not 8-bit grey or RGB where `images.bands` does not choose. Of more than three 8-bit bands the
    first three are read.
    """
    return (Raster if is_tiff(path) else Picture)(path, images, radiometry)


def read_image(
    path: Path,
    images: Images = PLAIN,
    radiometry: Radiometry = IMAGENET,
) -> np.ndarray:
    """A whole image as the network is fed: (H, W, B), by default (H, W, 3) uint8 RGB as stored.

    Raises `DataError` as `open_image` does, and for a file that is damaged or cut short.
    """
    with open_image(path, images, radiometry) as image:
        return image.read(0, image.shape[0], 0, image.shape[1])


def working_shape(shape: tuple[int, int], scale: float) -> tuple[int, int]:
    """Height and width of an image at the working size, as training resizes it."""
    return max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))
