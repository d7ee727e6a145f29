"""TIFF and GeoTIFF masks: where a mask lies on the Earth goes along with it.

place = georeference(path)                       # None for a file without one
content = encode_tiff(pixels, place)             # bytes of a TIFF; a GeoTIFF with the same CRS and transform
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from lib.errors import DataError
from lib.rasters.opening import leave_unheard
from lib.rasters.places import Georeference

if TYPE_CHECKING:
    from rasterio import DatasetReader

SUFFIXES = (".tif", ".tiff", ".gtif", ".gtiff")


def georeference(file: Path | bytes) -> Georeference | None:
    """Where a picture lies, from its file or its content; None for one that does not say it, or is no TIFF."""
    if not isinstance(file, bytes) and Path(file).suffix.lower() not in SUFFIXES:
        return None
    with _opened(file) as found:
        if found.crs is None and found.transform.is_identity:
            return None
        return Georeference(found.crs, found.transform, found.nodata)


def read_planes(path: Path) -> np.ndarray | None:
    """The bit planes (H, W) uint32 of a TIFF that holds them; None for any other file."""
    if path.suffix.lower() not in SUFFIXES:
        return None
    with _opened(path) as found:
        return found.read(1) if found.dtypes == ("uint32",) else None


@contextmanager
def _opened(file: Path | bytes) -> Iterator[DatasetReader]:
    """A TIFF opened by GDAL, without its remark on pictures that lie nowhere."""
    import rasterio  # it takes a third of a second to load, and most masks are PNGs
    from rasterio.errors import RasterioError

    leave_unheard()
    try:
        with rasterio.open(io.BytesIO(file) if isinstance(file, bytes) else file) as found:
            yield found
    except RasterioError as error:
        name = "a picture" if isinstance(file, bytes) else file
        raise DataError(f"{name} is not a readable TIFF: {error}") from None


def encode_tiff(pixels: np.ndarray, place: Georeference | None = None) -> bytes:
    """TIFF bytes of (H, W) uint8/uint16 or (H, W, 3) uint8 RGB pixels, LZW inside; a GeoTIFF where a place is given."""
    if place is None:
        done, content = cv2.imencode(".tif", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR) if pixels.ndim == 3 else pixels)
        if not done:
            raise DataError(f"a mask of shape {pixels.shape} and type {pixels.dtype} cannot be written as TIFF")
        return content.tobytes()
    from rasterio.io import MemoryFile

    bands = pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)
    nodata = place.nodata if place.nodata is not None and _fits(place.nodata, pixels.dtype) else None
    profile = {
        "driver": "GTiff",
        "height": bands.shape[1],
        "width": bands.shape[2],
        "count": bands.shape[0],
        "dtype": pixels.dtype.name,
        "crs": place.crs,
        "transform": place.transform,
        "nodata": nodata,
        "compress": "lzw",
    }
    with MemoryFile() as memory:
        with memory.open(**profile) as file:
            file.write(bands)
        return memory.read()


def _fits(value: float, dtype: np.dtype) -> bool:
    return float(value).is_integer() and 0 <= value <= np.iinfo(dtype).max
