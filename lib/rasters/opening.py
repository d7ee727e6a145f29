"""Files opened by GDAL: TIFF or not, quietly, with little memory, and with errors that name the file.

if is_tiff(path):
    with told(path), environment(), opened(path) as file:
        place = georeference_of(file)
"""

from __future__ import annotations

import contextlib
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from lib.errors import DataError
from lib.rasters.images import AGAIN
from lib.rasters.places import Georeference

TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""The first bytes of TIFF and BigTIFF files."""

CACHE = 64_000_000
"""Bytes of decoded blocks that GDAL keeps; its own default is a twentieth of the machine's memory."""


class Closing(ABC):
    """Something open for reading, which a `with` closes."""

    @abstractmethod
    def close(self) -> None:
        """Close what is open on disk."""

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def is_tiff(path: Path) -> bool:
    """Whether a file begins as a TIFF does; `DataError` when it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(4) in TIFF
    except FileNotFoundError:
        raise DataError(f"{path} is missing") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None


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
        reason = str(error.__cause__ or error) or type(error).__name__
        raise DataError(f"{path} cannot be read: {reason.splitlines()[0]}", AGAIN) from None


def leave_unheard() -> None:
    """From now on rasterio's remark on pictures that lie nowhere is not heard: a plain TIFF is as welcome.

    In no thread: `warnings.catch_warnings` would bring back what other threads have just left.
    """
    from rasterio.errors import NotGeoreferencedWarning

    if warnings.filters[:1] != [("ignore", None, NotGeoreferencedWarning, None, 0)]:
        warnings.simplefilter("ignore", NotGeoreferencedWarning)


def opened(path: Path, **more: Any) -> Any:
    """A file opened by rasterio, for reading."""
    import rasterio

    leave_unheard()
    with environment():
        return rasterio.open(path, **more)


def georeference_of(file: Any) -> Georeference | None:
    """CRS, transform and no-data value of an open file; None where it has neither CRS nor transform."""
    nowhere = file.transform.is_identity or file.transform.determinant == 0
    if file.crs is None and nowhere:
        return None
    return Georeference(file.crs, file.transform, file.nodata)


def palette_of(file: Any) -> np.ndarray | None:
    """The colours of an open file's palette, one for every number that its type holds: (n, 3) uint8; None without."""
    if file.colorinterp[0].name != "palette":
        return None
    table = np.zeros((1 << (8 * np.dtype(file.dtypes[0]).itemsize), 3), np.uint8)
    for number, colour in file.colormap(1).items():
        table[number] = colour[:3]
    return table


def is_one_bit(file: Any) -> bool:
    """Whether an open file's numbers have one bit: 0 and 1 are black and white."""
    return file.tags(1, ns="IMAGE_STRUCTURE").get("NBITS") == "1"
