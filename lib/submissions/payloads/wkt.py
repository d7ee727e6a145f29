"""Polygons of masks as well-known text, along the edges of the pixels, so that the same mask comes back.

    wkt.text(mask)                                # "POLYGON ((0 0, 0 3, …))", or MULTIPOLYGON, in pixels
    wkt.text(mask, grid=Grid.of((3349, 3391), xmax=0.009188, ymin=-0.00904), multi=True)
    wkt.box("POLYGON ((…))", (3349, 3391))        # the pixels whose centre lies inside, (h, w) bool at row, column

Four pixels' neighbours make a polygon; polygons that touch at a corner stay apart, as a valid MULTIPOLYGON needs it.
"""

from __future__ import annotations

import math
import re

import numpy as np
import rasterio.features
import shapely
from shapely.geometry import MultiPolygon, Polygon, shape

from lib.errors import DataError
from lib.rasters.opening import leave_unheard
from lib.submissions.payloads.grid import PIXELS, Grid
from lib.submissions.rle import glimpse

PLACES = 5
"""Decimal places beyond a pixel's size that grid units are written with."""


def text(chosen: np.ndarray, top: int = 0, left: int = 0, grid: Grid = PIXELS, multi: bool = False) -> str:
    """The polygons of an (H, W) bool mask that is not empty and stands at row `top`, column `left` of its image.

    `multi`: a MULTIPOLYGON even for one.
    """
    geometry = outline(chosen, top, left)
    if grid is not PIXELS:
        geometry = shapely.transform(geometry, lambda points: points * (grid.x, grid.y))
    if multi and isinstance(geometry, Polygon):
        geometry = MultiPolygon([geometry])
    places = 0 if grid is PIXELS else PLACES + max(0, math.ceil(-math.log10(min(abs(grid.x), abs(grid.y)))))
    return shapely.to_wkt(geometry, rounding_precision=places, trim=True)


def outline(chosen: np.ndarray, top: int = 0, left: int = 0) -> Polygon | MultiPolygon:
    """The polygons along the pixels' edges of an (H, W) bool mask, traced by GDAL."""
    moved = rasterio.Affine.translation(left, top)
    leave_unheard()
    found = rasterio.features.shapes(chosen.view(np.uint8), mask=chosen, connectivity=4, transform=moved)
    polygons = [shape(outlined) for outlined, _ in found]
    valid = [polygon if polygon.is_valid else shapely.make_valid(polygon) for polygon in polygons]
    return valid[0] if len(valid) == 1 else MultiPolygon(valid)


def parse(text: str, grid: Grid = PIXELS) -> Polygon | MultiPolygon:
    """The polygons of a text, in pixels; `DataError` for a text that is none, or polygons that cross themselves."""
    if not re.match(r"\s*(MULTI)?POLYGON\b", text, re.IGNORECASE):
        raise DataError(f"{glimpse(text)} is neither POLYGON nor MULTIPOLYGON")
    try:
        geometry = shapely.from_wkt(text)
    except shapely.GEOSException as error:
        raise DataError(f"{glimpse(text)} is not well-known text: {error}") from None
    if not geometry.is_valid:
        raise DataError(f"{glimpse(text)} is not valid: {shapely.is_valid_reason(geometry)}")
    if grid is not PIXELS:
        geometry = shapely.transform(geometry, lambda points: points / (grid.x, grid.y))
    return geometry


def box(text: str, size: tuple[int, int], grid: Grid = PIXELS) -> tuple[np.ndarray, int, int]:
    """The pixels whose centre lies inside a text's polygons, in the smallest box (h, w) bool that holds them all.

    Returns the box with its first row and column. Raises `DataError` for polygons outside the image.
    """
    geometry = parse(text, grid)
    if geometry.is_empty:
        return np.zeros((0, 0), bool), 0, 0
    left, top, right, bottom = geometry.bounds
    if left < -1 or top < -1 or right > size[1] + 1 or bottom > size[0] + 1:
        raise DataError(
            f"{glimpse(text)} reaches x {left:g} to {right:g}, y {top:g} to {bottom:g} in pixels of an image of "
            f"{size[1]}x{size[0]}"
        )
    row, column = max(0, math.floor(top)), max(0, math.floor(left))
    shape = max(1, min(size[0], math.ceil(bottom)) - row), max(1, min(size[1], math.ceil(right)) - column)
    moved = rasterio.Affine.translation(column, row)
    return rasterio.features.rasterize([geometry], shape, transform=moved, dtype="uint8").view(bool), row, column
