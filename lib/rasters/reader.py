"""Images read window by window, at their own size or at a working size.

with open_image(path) as image:
    image.shape                                  # (height, width)
    image.read(top, bottom, left, right)         # (bottom - top, right - left, 3) uint8 RGB
    image.at((h, w)).read(0, 256, 0, w)          # the same image resized to h x w, read by windows of that size

A TIFF is read through rasterio, so that only the window is in memory; JPEG and PNG are decoded whole.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from lib.errors import DataError
from lib.rasters.images import AGAIN, CONVERT, read_image

TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""The first bytes of TIFF and BigTIFF files."""

CACHE = 64_000_000
"""Bytes of decoded blocks that GDAL keeps; its own default is a twentieth of the machine's memory."""


class Reader(Protocol):
    """An image whose pixels are asked for by windows."""

    shape: tuple[int, int]

    def read(self, top: int, bottom: int, left: int, right: int) -> np.ndarray:
        """Rows [top, bottom) and columns [left, right): (h, w, 3) uint8 RGB."""


@dataclass(frozen=True)
class Georeference:
    """What ties a raster's pixels to places: CRS, affine transform and the value that means no data."""

    crs: Any
    transform: Any
    nodata: float | None


class Pixels:
    """An image in memory."""

    georeference: Georeference | None = None

    def __init__(self, image: np.ndarray) -> None:
        self.image = image
        self.shape = image.shape[:2]

    def read(self, top: int, bottom: int, left: int, right: int) -> np.ndarray:
        """A view of the image."""
        return self.image[top:bottom, left:right]


class Raster:
    """A TIFF on disk, open for reading; not for several threads at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with told(path):
            self._file = opened(path)
        bands, kinds = self._file.count, set(self._file.dtypes)
        palette = self._file.colorinterp[0].name == "palette"
        if kinds != {"uint8"} or bands == 2 or palette:
            self._file.close()
            what = "a palette" if palette else f"{bands} bands of {'/'.join(sorted(kinds))}"
            raise DataError(f"{path} has {what}; images are 8-bit grey or RGB", CONVERT)
        self.bands = (1, 2, 3) if bands > 2 else (1, 1, 1)
        self.shape = self._file.height, self._file.width

    @property
    def georeference(self) -> Georeference | None:
        """CRS and transform; None where the file has neither."""
        if self._file.crs is None and self._file.transform.is_identity:
            return None
        return Georeference(self._file.crs, self._file.transform, self._file.nodata)

    def read(self, top: int, bottom: int, left: int, right: int) -> np.ndarray:
        """A window of the file's own pixels."""
        return self._read((left, top, right - left, bottom - top), (bottom - top, right - left))

    def at(self, shape: tuple[int, int]) -> Reader:
        """The raster at another size: averaged where it shrinks, bilinear where it grows."""
        return self if shape == self.shape else _Resized(self, shape)

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Raster:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _read(self, window: tuple[float, float, float, float], shape: tuple[int, int], resampling: str = "nearest"):
        """`window`: left, top, width, height in the file's pixels; `shape`: rows and columns that come back."""
        from rasterio.enums import Resampling
        from rasterio.windows import Window

        distinct = sorted(set(self.bands))
        with told(self.path), environment():
            pixels = self._file.read(
                distinct,
                window=Window(*window),
                out_shape=(len(distinct), *shape),
                resampling=Resampling[resampling],
            )
        if len(distinct) == 1:
            return np.repeat(pixels[0, ..., None], 3, axis=-1)
        return np.ascontiguousarray(np.moveaxis(pixels, 0, -1))


class _Resized:
    """A raster seen at another size."""

    MARGIN = 2
    """Pixels of the target read beyond the window: resampling looks at its neighbours."""

    def __init__(self, raster: Raster, shape: tuple[int, int]) -> None:
        self.raster, self.shape = raster, shape
        self.resampling = "average" if shape[0] < raster.shape[0] else "bilinear"

    def read(self, top: int, bottom: int, left: int, right: int) -> np.ndarray:
        rows = max(0, top - self.MARGIN), min(self.shape[0], bottom + self.MARGIN)
        columns = max(0, left - self.MARGIN), min(self.shape[1], right + self.MARGIN)
        high, wide = (own / seen for own, seen in zip(self.raster.shape, self.shape, strict=True))
        size = rows[1] - rows[0], columns[1] - columns[0]
        window = columns[0] * wide, rows[0] * high, size[1] * wide, size[0] * high
        pixels = self.raster._read(window, size, self.resampling)
        return pixels[top - rows[0] : bottom - rows[0], left - columns[0] : right - columns[0]]


def open_image(path: Path) -> Pixels | Raster:
    """An image to be read by windows: a `Raster` for a TIFF of whatever name, else `Pixels`, decoded whole.

    Raises `DataError` for a file that is missing, damaged, or not 8-bit grey or RGB; of a TIFF's more than three bands
    the first three are read.
    """
    return Raster(path) if is_tiff(path) else _InMemory(read_image(path))


class _InMemory(Pixels):
    def __enter__(self) -> Pixels:
        return self

    def __exit__(self, *error: object) -> None:
        pass


def is_tiff(path: Path) -> bool:
    """Whether a file begins as a TIFF does; `DataError` when it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(4) in TIFF
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None


def working_shape(shape: tuple[int, int], scale: float) -> tuple[int, int]:
    """Height and width of an image at the working size, as training resizes it."""
    return max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))


def environment() -> Any:
    """A context in which GDAL keeps little memory of its own."""
    import rasterio

    return rasterio.Env(GDAL_CACHEMAX=CACHE)


@contextlib.contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn what rasterio says of a file into a `DataError` that names it."""
    from rasterio.errors import RasterioError

    try:
        yield
    except (RasterioError, OSError) as error:
        raise DataError(f"{path} cannot be read: {str(error).splitlines()[0]}", AGAIN) from None


def opened(path: Path) -> Any:
    """A file opened by rasterio, for reading."""
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning

    with warnings.catch_warnings(), environment():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)  # a plain TIFF is as welcome
        return rasterio.open(path)
