"""Where pixels lie: georeferences, and affine transforms as 3 x 3 matrices that take (column, row, 1) to (x, y, 1).

place = Georeference(crs, transform, nodata)
scaled(place, (1000, 1000), (500, 500))                     # the same place for an image of half the size
pixels = np.linalg.inv(matrix(fine)) @ matrix(coarse)       # from pixels of one raster to those of another
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Georeference:
    """What ties a raster's pixels to places: CRS, affine transform and the value that means no data."""

    crs: Any
    transform: Any
    nodata: float | None


def matrix(transform: Any) -> np.ndarray:
    """An affine transform as a matrix, (3, 3) float64."""
    return np.array(
        [[transform.a, transform.b, transform.c], [transform.d, transform.e, transform.f], [0, 0, 1]], np.float64
    )


def transform_of(numbers: np.ndarray) -> Any:
    """A matrix as rasterio's affine transform."""
    from affine import Affine

    return Affine(*numbers[:2].reshape(-1).tolist())


def scaling(own: tuple[float, float], seen: tuple[float, float]) -> np.ndarray:
    """The matrix from pixels of an image of height and width `seen` to those of the same image at `own`."""
    return np.diag([own[1] / seen[1], own[0] / seen[0], 1.0])


def moved(place: Georeference | None, top: int, left: int) -> Georeference | None:
    """The georeference of the part of an image that begins at a row and a column."""
    if place is None or (top, left) == (0, 0):
        return place
    step = np.array([[1, 0, left], [0, 1, top], [0, 0, 1]], np.float64)
    return replace(place, transform=transform_of(matrix(place.transform) @ step))


def scaled(place: Georeference | None, own: tuple[int, int], seen: tuple[int, int]) -> Georeference | None:
    """The georeference of an image of height and width `own` when it is brought to `seen`."""
    if place is None or tuple(own) == tuple(seen):
        return place
    return replace(place, transform=transform_of(matrix(place.transform) @ scaling(own, seen)))
