"""Labels on another grid, brought onto an image's grid window by window, through rasterio.

    labels = Aligned(fine, image.shape, image.georeference, "weighted", classes=12)
    labels.read(0, 512, 0, 512)           # (512, 512) uint8; only the fine labels below are read

Both grids lie by their georeferences where both have one, whatever their CRS; else both cover the same area. A pixel
takes

- nearest: the label at its centre;
- majority: the label that covers most of it (GDAL's `mode`), ignored ones too;
- weighted: the class whose area in it, times the class's weight, is largest; ignored where more than half of it is.
  By default a class's weight is 1/√(its share of all labelled pixels), so that a class of a hundredth of the area wins
  where it covers a tenth of what a common one does: thin and rare things stay.

Where no label lies, a pixel is ignored.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lib.competitions import IGNORE
from lib.competitions.pixels import Resampling
from lib.errors import DataError
from lib.rasters.labels import Labels
from lib.rasters.places import Georeference, matrix, scaling, transform_of

FINE = 4_000_000
"""Pixels of the labels that are worked on at a time."""

MARGIN = 2
"""Pixels of the labels read beyond what a window covers."""

GRID = "EPSG:3857"
"""Stands for the labels' own pixels as a plane: any projection does, as nothing is projected."""

AWAY = np.array([[1, 0, 1024], [0, -1, -1024], [0, 0, 1]], np.float64)
"""Takes that plane away from the identity, which GDAL takes for no place at all."""


class Aligned(Labels):
    """Labels on the grid of an image of this shape and georeference; closing it closes the labels."""

    def __init__(
        self,
        labels: Labels,
        shape: tuple[int, int],
        georeference: Georeference | None,
        method: Resampling,
        classes: int,
        weights: Sequence[float] | None = None,
    ) -> None:
        """`weights`: one for each of the `classes`, for `method` weighted; default: from a glance at the labels.

        Raises `DataError` where the labels and the image have no pixel in common.
        """
        self.labels, self.shape, self.georeference, self.method = labels, shape, georeference, method
        self.classes = classes
        self._weights = None if weights is None else np.asarray(weights, np.float64)
        mine, other = georeference, labels.georeference
        self._projected = None
        if mine is None or other is None:
            self._to_labels = scaling(labels.shape, shape)
        elif mine.crs is None or other.crs is None or mine.crs == other.crs:
            self._to_labels = _snapped(np.linalg.inv(matrix(other.transform)) @ matrix(mine.transform))
        else:
            self._projected = mine, other
        if self.covered(0, shape[0], 0, shape[1], 0) is None:
            path = getattr(labels, "path", "the mask")
            raise DataError(
                f"{path} lies elsewhere than its image: no pixel of it is on the image's grid",
                "compare the two files' places with gdalinfo, or bring the right mask",
            )

    @property
    def near(self) -> int:
        return self.labels.near

    @property
    def weights(self) -> np.ndarray:
        """The weight of each class, (classes,) float64."""
        if self._weights is None:
            self._weights = class_weights(self.labels.glance(), self.classes)
        return self._weights

    def read(self, top: int, bottom: int, left: int, right: int) -> np.ndarray:
        found = np.full((bottom - top, right - left), IGNORE, np.uint8)
        for rows in _halves(top, bottom, left, right, self._area):
            one, other, begin, end = rows
            found[one - top : other - top, begin - left : end - left] = self._block(*rows)
        return found

    def covered(self, top: int, bottom: int, left: int, right: int, margin: int = MARGIN):
        """The labels' window (top, bottom, left, right) below a window of the image; None where none lie there."""
        corners = np.array([[left, right, left, right], [top, top, bottom, bottom], [1, 1, 1, 1]], np.float64)
        if self._projected:
            columns, rows = self._projected_box(corners)
        else:
            columns, rows = (self._to_labels @ corners)[:2]
        height, width = self.labels.shape
        above, below = max(0, int(np.floor(rows.min())) - margin), min(height, int(np.ceil(rows.max())) + margin)
        begin, end = max(0, int(np.floor(columns.min())) - margin), min(width, int(np.ceil(columns.max())) + margin)
        return (above, below, begin, end) if above < below and begin < end else None

    def close(self) -> None:
        self.labels.close()

    def _projected_box(self, corners: np.ndarray) -> np.ndarray:
        """The corners, in the labels' pixels, of a box around a window of the image that has another CRS."""
        from rasterio.warp import transform_bounds

        mine, other = self._projected
        xs, ys = (matrix(mine.transform) @ corners)[:2]
        west, south, east, north = transform_bounds(mine.crs, other.crs, xs.min(), ys.min(), xs.max(), ys.max())
        box = np.array([[west, east, west, east], [south, south, north, north], [1, 1, 1, 1]])
        return (np.linalg.inv(matrix(other.transform)) @ box)[:2]

    def _area(self, *window: int) -> int:
        """How many of the labels' pixels lie below a window."""
        there = self.covered(*window)
        return (there[1] - there[0]) * (there[3] - there[2]) if there else 0

    def _block(self, top: int, bottom: int, left: int, right: int) -> np.ndarray:
        """A window that few enough labels lie below."""
        found = np.full((bottom - top, right - left), IGNORE, np.uint8)
        there = self.covered(top, bottom, left, right)
        if there is None:
            return found
        fine = self.labels.read(*there)
        places = self._places(there, top, left)
        if self.method != "weighted":
            return _warped(fine, found, "mode" if self.method == "majority" else "nearest", places)
        present = np.flatnonzero(np.bincount(fine.reshape(-1), minlength=256))
        if self._projected is None and _whole(self._to_labels):
            shares = self._counted(fine, there, present, (top, left), found.shape)
        else:
            shares = np.stack(
                [
                    _warped((fine == value).view(np.uint8), np.zeros(found.shape, np.float32), "average", places)
                    for value in present
                ],
                axis=-1,
            )
        weights = np.array([0 if value == IGNORE else self.weights[value] for value in present])
        best = present[np.argmax(shares * weights, axis=-1)].astype(np.uint8)
        total, ignored = shares.sum(axis=-1), shares[..., present == IGNORE].sum(axis=-1)
        return np.where((total > 0) & (ignored * 2 <= total), best, np.uint8(IGNORE))

    def _counted(
        self,
        fine: np.ndarray,
        there: tuple[int, int, int, int],
        present: np.ndarray,
        origin: tuple[int, int],
        shape: tuple[int, int],
    ) -> np.ndarray:
        """How many pixels of each value that is present lie in each of a window's pixels, (h, w, values), where every
        one lies in one alone."""
        grid, (height, width) = self._to_labels, shape
        rows = (np.arange(there[0], there[1]) - int(grid[1, 2])) // int(grid[1, 1]) - origin[0]
        columns = (np.arange(there[2], there[3]) - int(grid[0, 2])) // int(grid[0, 0]) - origin[1]
        down, across = (rows >= 0) & (rows < height), (columns >= 0) & (columns < width)
        place = np.zeros(256, np.intp)
        place[present] = np.arange(len(present))
        keys = place[fine[down][:, across]]
        keys += (rows[down] * (width * len(present)))[:, None] + columns[across] * len(present)
        counts = np.bincount(keys.reshape(-1), minlength=height * width * len(present))
        return counts.reshape(height, width, len(present))

    def _places(self, there: tuple[int, int, int, int], top: int, left: int) -> dict[str, Any]:
        """Where the labels' window and the image's begin, as rasterio takes it."""
        own, mine = _shift(there[2], there[0]), _shift(left, top)
        if self._projected:
            image, labels = self._projected
            return {
                "src_transform": transform_of(matrix(labels.transform) @ own),
                "src_crs": labels.crs,
                "dst_transform": transform_of(matrix(image.transform) @ mine),
                "dst_crs": image.crs,
            }
        place = {"src_transform": transform_of(AWAY @ own), "src_crs": GRID}
        return place | {"dst_transform": transform_of(AWAY @ self._to_labels @ mine), "dst_crs": GRID}


def same_grid(labels: Labels, shape: tuple[int, int], georeference: Georeference | None) -> bool:
    """Whether labels lie pixel for pixel on the grid of an image of this shape and georeference."""
    if labels.shape != tuple(shape):
        return False
    mine, other = georeference, labels.georeference
    if mine is None or other is None:
        return True
    if mine.crs is not None and other.crs is not None and mine.crs != other.crs:
        return False
    return bool(np.allclose(np.linalg.inv(matrix(other.transform)) @ matrix(mine.transform), np.eye(3), atol=1e-3))


def class_weights(labels: np.ndarray, classes: int) -> np.ndarray:
    """1/√(a class's share of the labelled pixels), (classes,) float64; what is not seen counts as one pixel."""
    counts = np.maximum(np.bincount(labels.reshape(-1), minlength=256)[:classes], 1)
    return np.sqrt(counts.sum() / counts)


def _warped(fine: np.ndarray, found: np.ndarray, way: str, places: dict[str, Any]) -> np.ndarray:
    """`fine` brought onto `found`'s grid, which keeps what it has where nothing lies."""
    from rasterio.enums import Resampling as Way
    from rasterio.warp import reproject

    reproject(fine, found, **places, resampling=Way[way], init_dest_nodata=False, tolerance=0)
    return found


def _halves(top: int, bottom: int, left: int, right: int, area: Any):
    """A window in parts, each with at most `FINE` pixels by `area`, or one pixel small."""
    if bottom <= top or right <= left:
        return
    if area(top, bottom, left, right) <= FINE or (bottom - top == 1 and right - left == 1):
        yield top, bottom, left, right
    elif bottom - top >= right - left:
        middle = (top + bottom) // 2
        yield from _halves(top, middle, left, right, area)
        yield from _halves(middle, bottom, left, right, area)
    else:
        middle = (left + right) // 2
        yield from _halves(top, bottom, left, middle, area)
        yield from _halves(top, bottom, middle, right, area)


def _whole(numbers: np.ndarray) -> bool:
    """Whether a grid's pixels are made of whole pixels of the labels, north up."""
    straight = numbers[0, 1] == numbers[1, 0] == 0 and min(numbers[0, 0], numbers[1, 1]) >= 1
    return bool(straight and (numbers == np.rint(numbers)).all())


def _shift(columns: float, rows: float) -> np.ndarray:
    return np.array([[1, 0, columns], [0, 1, rows], [0, 0, 1]], np.float64)


def _snapped(numbers: np.ndarray) -> np.ndarray:
    """Numbers a millionth away from whole ones as whole ones: the rounding of coordinates of places."""
    whole = np.rint(numbers)
    return np.where(np.abs(numbers - whole) < 1e-6, whole, numbers)
