"""What each way of bringing fine labels onto an image's grid does to the classes: a table.

with open_image(image_path) as image:
    table = compare(mask_path, competition, image)
print("\\n".join(table.lines()))

                   fine labels   nearest   majority   weighted
forest                  61.20 %   61.18 %    63.02 %    58.90 %
transport-network        1.10 %    1.08 %     0.21 %     3.95 %
(ignored)                0.50 %    0.50 %     0.44 %     0.41 %
pixels that differ: nearest and majority 4.12 %, nearest and weighted 7.30 %, majority and weighted 5.01 %
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np

from lib.competitions import IGNORE, Competition
from lib.competitions.pixels import Resampling
from lib.rasters.aligned import Aligned
from lib.rasters.labels import open_labels

METHODS: tuple[Resampling, ...] = get_args(Resampling)

SIDE = 512
"""Side of the windows that are compared at a time."""


@dataclass(frozen=True)
class Comparison:
    """Shares of all pixels, a number for each class and a last one for what is ignored."""

    names: tuple[str, ...]
    fine: tuple[float, ...]
    """In the labels on their own grid, where the image lies."""
    shares: dict[str, tuple[float, ...]]
    """By way of resampling."""
    differ: dict[tuple[str, str], int]
    """How many of the image's pixels two ways give different labels."""
    pixels: int
    """Pixels of the image that were compared."""

    def lines(self) -> list[str]:
        """As text, a class a line."""
        names = (*self.names, "(ignored)")
        columns = {"fine labels": self.fine, **self.shares}
        first = max(map(len, names))
        wide = {head: max(len(head), 8) + 2 for head in columns}
        found = [" " * first + "".join(f"{head:>{wide[head]}}" for head in columns)]
        for number, name in enumerate(names):
            cells = (f"{values[number]:.2%}".rjust(wide[head]) for head, values in columns.items())
            found.append(f"{name:<{first}}" + "".join(cells))
        pairs = (f"{one} and {other} {count / max(1, self.pixels):.2%}" for (one, other), count in self.differ.items())
        return [*found, f"pixels that differ: {', '.join(pairs)}"]


def compare(
    path: Path, competition: Competition, image: Any, weights: Sequence[float] | None = None, most: int | None = None
) -> Comparison:
    """Bring a mask onto the grid of `image`, an open reader, in every way, by windows, and count.

    `weights`: one for each class; default: as `Aligned` takes them. `most`: no more windows of `SIDE` pixels than
    these, spread evenly; default: all. Raises `DataError` as `open_labels` does.
    """
    classes, shape = len(competition.classes), tuple(image.shape)
    with open_labels(path, competition) as labels:
        ways = {method: Aligned(labels, shape, image.georeference, method, classes, weights) for method in METHODS}
        counts = {method: np.zeros(256, np.int64) for method in METHODS}
        differ = dict.fromkeys(itertools.combinations(METHODS, 2), 0)
        fine, pixels = np.zeros(256, np.int64), 0
        for window in _spread(list(_windows((0, shape[0], 0, shape[1]))), most):
            pixels += (window[1] - window[0]) * (window[3] - window[2])
            found = {method: way.read(*window) for method, way in ways.items()}
            for method, part in found.items():
                counts[method] += np.bincount(part.reshape(-1), minlength=256)
            for one, other in differ:
                differ[one, other] += int(np.count_nonzero(found[one] != found[other]))
            covered = ways["nearest"].covered(*window, 0)
            for part in _windows(covered) if covered else ():
                fine += np.bincount(labels.read(*part).reshape(-1), minlength=256)
    shares = {method: _shares(found, classes) for method, found in counts.items()}
    return Comparison(competition.names, _shares(fine, classes), shares, differ, pixels)


def _shares(counts: np.ndarray, classes: int) -> tuple[float, ...]:
    return tuple((np.append(counts[:classes], counts[IGNORE]) / max(1, counts.sum())).tolist())


def _spread(windows: list[tuple[int, int, int, int]], most: int | None) -> list[tuple[int, int, int, int]]:
    """No more than `most` of them, evenly spread."""
    if most is None or len(windows) <= most:
        return windows
    return [windows[place] for place in np.linspace(0, len(windows) - 1, most).astype(int)]


def _windows(area: tuple[int, int, int, int]):
    """The windows of `SIDE` that an area (top, bottom, left, right) is made of."""
    for top, left in itertools.product(range(area[0], area[1], SIDE), range(area[2], area[3], SIDE)):
        yield top, min(area[1], top + SIDE), left, min(area[3], left + SIDE)
