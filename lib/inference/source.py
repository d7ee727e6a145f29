"""An image made ready for the model: at the working size, in memory where it fits, else read as it is needed.

with prepare(pair, predictor) as prepared:
    prepared.reader.read(0, 512, 0, 512)         # (512, 512, B) of the working image, as the models are fed
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from lib.competitions import Pair
from lib.competitions.pixels import Images
from lib.rasters.base import ImageReader, Part
from lib.rasters.radiometry import Radiometry
from lib.rasters.reader import Georeference, Pixels, Raster, Reader, open_image, working_shape

LARGE = 64_000_000
"""Pixels from which on a raster is read by windows and its mask grows on disk."""


class Reads(Protocol):
    """What says how images are read: a `Predictor`."""

    scale: float
    images: Images
    radiometry: Radiometry


@dataclass(frozen=True)
class Prepared:
    """An image ready to be predicted; leaving its `with` closes it."""

    reader: Reader
    """At the working size."""
    shape: tuple[int, int]
    """Height and width of the image itself."""
    georeference: Georeference | None
    large: ImageReader | None
    """The open file of an image that is too large to be held."""

    def __enter__(self) -> Prepared:
        return self

    def __exit__(self, *error: object) -> None:
        if self.large:
            self.large.close()


def prepare(pair: Pair, how: Reads, large: int = LARGE) -> Prepared:
    """Open an image; what is not a raster of more than `large` pixels is read and resized as training does it.

    Raises `DataError` for a file that cannot be read.
    """
    opened = open_image(pair.image, how.images, how.radiometry)
    image = Part(opened, pair.window) if pair.window else opened
    shape = image.shape
    working = working_shape(shape, how.scale)
    if isinstance(opened, Raster) and shape[0] * shape[1] > large:
        return Prepared(image.at(working), shape, image.georeference, image)
    with image:
        pixels = Pixels(image.at(working).read(0, working[0], 0, working[1]))
        return Prepared(pixels, shape, image.georeference, None)
