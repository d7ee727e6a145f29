"""Class probabilities on disk, for ensembles made later: a uint8 GeoTIFF an image, a band a class.

    write(path, bands, shape, size, names)          # bands: (top, (C, r, w) floats in 0..1), from the top
    with Stored(path) as stored:
        stored.read(0, 256)                         # (C, 256, w) float32, each within 1/510 of what was written

Files are at the working size, tiled and deflated; tags hold the image's own height and width, the bands' descriptions
the class names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch

from lib.errors import DataError
from lib.rasters.geotiff import in_tiles, write_geotiff
from lib.rasters.reader import Georeference, environment, opened, told


def write(
    path: Path,
    bands: Iterable[tuple[int, torch.Tensor]],
    shape: tuple[int, int],
    size: tuple[int, int],
    names: tuple[str, ...],
    georeference: Georeference | None = None,
) -> None:
    """Write probabilities as they come: `shape` is theirs, `size` the image's. The rounding error is at most 1/510."""
    rows = ((top, as_bytes(band)) for top, band in bands)
    place = Georeference(georeference.crs, georeference.transform, None) if georeference else None
    tags = {"SWATH_HEIGHT": str(size[0]), "SWATH_WIDTH": str(size[1]), "SWATH_FORMAT": "probabilities-1"}
    write_geotiff(path, shape, np.uint8, in_tiles(rows), place, len(names), names, tags)


def as_bytes(probabilities: torch.Tensor) -> np.ndarray:
    """0..1 as 0..255, rounded; converted where the tensor lies, so that a GPU sends a quarter of the bytes."""
    return (probabilities * 255).round_().clamp_(0, 255).to(torch.uint8).cpu().numpy()


class Stored:
    """A file of probabilities, open for reading."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with told(path):
            self._file = opened(path)
        tags = self._file.tags()
        if tags.get("SWATH_FORMAT") != "probabilities-1":
            self._file.close()
            raise DataError(f"{path} does not hold probabilities", "write them with submit.py predict --probabilities")
        self.shape = self._file.height, self._file.width
        self.size = int(tags["SWATH_HEIGHT"]), int(tags["SWATH_WIDTH"])
        self.names = tuple(self._file.descriptions)
        placed = self._file.crs is not None or not self._file.transform.is_identity
        self.georeference = Georeference(self._file.crs, self._file.transform, None) if placed else None

    def bytes(self, top: int, bottom: int) -> np.ndarray:
        """Rows as stored, (C, r, w) uint8."""
        from rasterio.windows import Window

        with told(self.path), environment():
            return self._file.read(window=Window(0, top, self.shape[1], bottom - top))

    def read(self, top: int, bottom: int) -> np.ndarray:
        """Rows as probabilities, (C, r, w) float32."""
        return self.bytes(top, bottom).astype(np.float32) / np.float32(255)

    def __enter__(self) -> Stored:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()


def bands(height: int, rows: int = 512) -> Iterator[tuple[int, int]]:
    """[top, bottom) of bands of `rows` rows."""
    return ((top, min(height, top + rows)) for top in range(0, height, rows))
