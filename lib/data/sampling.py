"""Which tile the next crop comes from: by area, and more often where rare classes are.

pool = Pool(census, recipe.data, competition.names)
tile, rare = pool.draw(rng)                     # a place in census.tiles; the class to be centred on, or None
row, column = centre(labels, rare, rng)         # one of its pixels in the tile's labels
row, column = anywhere(census.tiles[tile].core, rng)    # where there is none: as likely as any other pixel
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate

import numpy as np

from lib.competitions.layout import Window
from lib.data import balance, tiles
from lib.data.census import Census
from lib.errors import DataError
from lib.recipe import DataRecipe


class Pool:
    """The tiles that are drawn from, each with its probability.

    - A tile that holds no known pixel is never drawn.
    - Of the tiles whose known pixels are all of one `uninformative` class, the share `thin` is kept: which ones follows
      from their names.
    - The others are drawn in proportion to the known pixels of their cores, so that every known pixel is as likely to
      be a crop's centre; `oversample` times as often where a rare class covers `content` of the tile.
    - The share `rare` of the draws asks for a rare class instead, each as often as the others, in a tile drawn in
      proportion to its pixels of that class.
    """

    def __init__(self, census: Census, data: DataRecipe, names: Sequence[str]) -> None:
        """Raises `UsageError` for a class that there is not, `DataError` when no tile is left to draw from."""
        counts = census.counts.astype(np.float64)
        whole, known = counts.sum(axis=1), counts[:, :-1].sum(axis=1)
        self.contents = counts / whole[:, None]
        """(T, C + 1) float64: each tile's classes, then its ignored pixels, as shares."""
        rare = balance.rare(census.totals, data.rare_classes, names)
        dull = balance.indices("data.uninformative", data.uninformative, names)
        single = (counts[:, :-1] > 0).sum(axis=1) == 1
        plain = single & (counts[:, dull] > 0).any(axis=1)
        kept = np.array([not plain[place] or _chance(census.names[place]) < data.thin for place in range(len(counts))])
        own = np.array([tiles.area(tile.core) / tiles.area(tile.window) for tile in census.tiles])
        rich = (self.contents[:, rare] >= data.content).any(axis=1)
        chances = known * own * kept * np.where(rich, data.oversample, 1)
        self.without_label = int((known == 0).sum())
        """Tiles that hold no label."""
        self.thinned = int((~kept).sum())
        """Tiles of one uninformative class that are left out."""
        if not chances.any():
            raise DataError(
                f"none of the {len(counts)} tiles of the training images can be drawn from: {self.without_label} hold "
                f"no label, {self.thinned} are thinned out",
                "look at the masks, or raise data.thin",
            )
        self.chances = chances / chances.sum()
        """(T,) float64: how likely each tile is in a draw that asks for no class."""
        holding = {index: counts[:, index] * kept for index in rare}
        self.by_class = {index: each / each.sum() for index, each in holding.items() if each.any()}
        """For each rare class, (T,) float64: how likely each tile is in a draw that asks for it."""
        self.rare = tuple(self.by_class)
        """The rare classes that can be asked for."""
        self.share = data.rare if self.rare else 0.0
        self._steps = list(accumulate(self.chances.tolist()))
        self._steps_of = {index: list(accumulate(each.tolist())) for index, each in self.by_class.items()}

    def draw(self, rng: np.random.Generator) -> tuple[int, int | None]:
        """A tile's place in the census, and the rare class that the crop is to be centred on, or None."""
        ask, which, where = rng.random(3).tolist()
        if ask < self.share:
            index = self.rare[int(which * len(self.rare))]
            return _place(self._steps_of[index], where), index
        return _place(self._steps, where), None

    def expected(self) -> np.ndarray:
        """(C + 1,) float64: shares of the classes, then of ignored pixels, in the tiles that are drawn.

        A crop that is centred on a rare class holds more of it than its tile does on average: of rare classes this
        says rather too little.
        """
        often = (1 - self.share) * self.chances
        for each in self.by_class.values():
            often = often + self.share / len(self.rare) * each
        return often @ self.contents


def centre(labels: np.ndarray, index: int, rng: np.random.Generator) -> tuple[int, int]:
    """Row and column of a pixel of class `index` in a label map (H, W), each as likely; of any pixel if it has none.

    Labels that were made smaller by nearest neighbour may have lost a small object.
    """
    places = np.flatnonzero(labels == index)
    place = places[rng.integers(len(places))] if len(places) else rng.integers(labels.size)
    row, column = divmod(int(place), labels.shape[1])
    return row, column


def anywhere(window: Window, rng: np.random.Generator) -> tuple[int, int]:
    """Row and column of a pixel of the window, each as likely."""
    top, bottom, left, right = window
    return int(rng.integers(top, bottom)), int(rng.integers(left, right))


def _place(steps: list[float], where: float) -> int:
    """The entry whose part of the summed chances `where`, in [0, 1), falls into; never one without a chance."""
    return min(bisect_right(steps, where * steps[-1]), bisect_left(steps, steps[-1]))


def _chance(name: str) -> float:
    """A number in [0, 1) that follows from a name alone."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) / 2**64
