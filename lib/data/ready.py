"""Everything between a data root and the first step: division, statistics, check, cache, tiles, what is drawn.

    ready = make_ready(competition, recipe, root, scratch)          # the session's first process says what it does
    ready = make_ready(competition, recipe, root, scratch, None)    # its ranks find the results
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lib import progress
from lib.competitions import Competition, Pair, find_pairs
from lib.competitions.layout import Window
from lib.data import balance, checks, statistics
from lib.data.cache import Cache
from lib.data.census import Census, census
from lib.data.reading import Reading
from lib.data.sampling import Pool
from lib.data.selftest import self_test
from lib.data.splits import Division, divide
from lib.data.tiles import parse
from lib.rasters.radiometry import IMAGENET, Radiometry
from lib.recipe import Recipe

Say = Callable[[str], None]


@dataclass(frozen=True)
class Ready:
    """A set, ready to be trained on."""

    division: Division
    reading: Reading
    pool: Pool
    class_weights: tuple[float, ...] | None
    """Of the cross-entropy; None: all alike."""

    @property
    def training(self) -> list[Pair]:
        """What is trained on."""
        return self.division.training

    @property
    def held_out(self) -> list[Pair]:
        """What is validated on."""
        return self.division.held_out

    @property
    def radiometry(self) -> Radiometry:
        """The bands' rule."""
        return self.reading.radiometry


def make_ready(
    competition: Competition, recipe: Recipe, root: Path, scratch: Path, say: Say | None = lambda text: print(text)
) -> Ready:
    """Divide the data under `root`, measure it, check every file, and count what its tiles hold.

    Without `say`, for ranks: files were checked before, and what was found lies in `scratch`. Raises `DataError` for
    files that are wrong, `UsageError` for a recipe that does not fit the data.
    """
    pairs = find_pairs(competition.data.train, root)
    if say:
        checks.sizes(pairs, competition)
    radiometry = statistics.measure(pairs, competition.images, recipe.data.radiometry, scratch / "statistics")
    cache = Cache(scratch / "pixels", recipe.data.cache_gigabytes * 1e9)
    reading = Reading(competition, radiometry, cache, _excluded_tiles(pairs, recipe.data.exclude))

    def whole(pair: Pair) -> Census:
        return _census([pair], reading, recipe, scratch)

    def divided() -> Division:
        return divide(pairs, competition, recipe, root, reading.image_shape, lambda pair: whole(pair).counts.sum(0)[:-1])

    early = None if recipe.data.split == "stratified" else divided()  # a recipe that cannot be is told before the pixels are read
    scales = tuple(recipe.data.scale * scale for scale in recipe.data.scales)
    if say:
        kept = checks.check(pairs, reading, scales)
    division = early or divided()
    found = _census(division.training, reading, recipe, scratch)
    pool = Pool(found, recipe.data, competition.names)
    if say:
        self_test(recipe.data.augment, recipe, competition)
        say(f"data: {root}: {len(division.training)} training and {len(division.held_out)} validation images, {division.how}")
        for line in balance.report(found, pool, competition.names):
            say(line)
    return Ready(division, reading, pool, balance.weights(recipe.train.class_weights, found.counts, competition.names))
