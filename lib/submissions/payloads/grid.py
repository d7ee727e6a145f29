"""The units in which polygons are written: pixels, or the grid of a competition.

Grid.of((3349, 3391), xmax=0.009188, ymin=-0.00904)
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Grid:
    """Units in which polygons are written: x' = x · `x`, y' = y · `y`, x and y in pixels."""

    x: float = 1.0
    y: float = 1.0

    @classmethod
    def of(cls, size: tuple[int, int], xmax: float, ymin: float) -> Grid:
        """DSTL's units: an image of (height, width) pixels spans W·W/(W+1) of `xmax`, and H·H/(H+1) of `ymin`.

        Source: the competition's page on data processing, "x' = x · (W · (W / (W + 1))) / Xmax" of the reverse way.
        """
        height, width = size
        return cls(xmax * (width + 1) / width**2, ymin * (height + 1) / height**2)


PIXELS = Grid()
"""Polygons in pixels."""
