"""An image made ready for the model: at the working size, in memory where it fits, else read as it is needed.

with prepare(pair, scale=0.5) as prepared:
    prepared.reader.read(0, 512, 0, 512)         # (512, 512, 3) uint8 of the working image
"""

from __future__ import annotations

from dataclasses import dataclass

from lib.competitions import Pair
from lib.data.datasets import to_working_size
from lib.rasters.reader import Georeference, Pixels, Raster, Reader, open_image, working_shape

LARGE = 64_000_000
"""Pixels from which on a raster is read by windows and its mask grows on disk."""


@dataclass(frozen=True)
class Prepared:
    """An image ready to be predicted; leaving its `with` closes it."""

    reader: Reader
    """At the working size."""
    shape: tuple[int, int]
    """Height and width of the image itself."""
    georeference: Georeference | None
    large: Raster | None
    """The open file of an image that is too large to be held."""

    def __enter__(self) -> Prepared:
        return self

    def __exit__(self, *error: object) -> None:
        if self.large:
            self.large.close()


def prepare(pair: Pair, scale: float, large: int = LARGE) -> Prepared:
    """Open an image; what is not a raster of more than `large` pixels is decoded and resized as training does it.

    Raises `DataError` for a file that cannot be read.
    """
    image = open_image(pair.image)
    if isinstance(image, Raster):
        georeference, shape = image.georeference, image.shape
        if shape[0] * shape[1] > large:
            return Prepared(image.at(working_shape(shape, scale)), shape, georeference, image)
        with image:
            image = Pixels(image.read(0, shape[0], 0, shape[1]))
        return Prepared(Pixels(to_working_size(image.image, scale)), shape, georeference, None)
    whole = image.read(0, image.shape[0], 0, image.shape[1])
    return Prepared(Pixels(to_working_size(whole, scale)), image.shape, None, None)
