"""Everything between a data root and the first step: division, statistics, check, cache, tiles, what is drawn.

ready = make_ready(competition, recipe, root, scratch, say=print)   # the session's first process says what it does
ready = make_ready(competition, recipe, root, scratch)              # its ranks find what it has left in `scratch`
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lib.competitions import Competition, Pair, find_pairs
from lib.data import balance, checks, statistics
from lib.data.cache import Cache
from lib.data.census import Census, census
from lib.data.reading import Reading
from lib.data.sampling import Pool
from lib.data.selftest import self_test
from lib.data.splits import Division, divide
from lib.rasters.radiometry import Radiometry
from lib.recipe import Recipe

Say = Callable[[str], None]

LOOKED_AT = 4
"""Label maps that the augmentation is tried on."""


@dataclass(frozen=True)
class Ready:
    """A set, ready to be trained on."""

    division: Division
    reading: Reading
    census: Census
    """The tiles of the training pairs."""
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


def make_ready(competition: Competition, recipe: Recipe, root: Path, scratch: Path, say: Say | None = None) -> Ready:
    """Divide the data under `root`, measure it, check every file, and count what its tiles hold.

    Without `say`, for ranks: files were checked before, and what was found lies in `scratch`. Raises `DataError` for
    files that are wrong, `UsageError` for a recipe that does not fit the data.
    """
    data = recipe.data
    pairs = find_pairs(competition.data.train, root)
    if say:
        say(f"data: {root}: {len({pair.image for pair in pairs})} images with masks")
    radiometry = statistics.measure(pairs, competition.images, data.radiometry, scratch / "statistics")
    cache = Cache(scratch / "pixels", data.cache_gigabytes * 1e9)
    reading = Reading(competition, radiometry, cache)
    side = max(1, round((data.tile or data.crop) / data.scale))

    def counted(some: list[Pair]) -> Census:
        key = competition.model_dump_json(include={"images", "masks", "classes", "ignore"})
        key += repr(sorted((str(path), windows) for path, windows in reading.excluded.items()))
        return census(some, reading.labels, len(competition.classes), side, data.overlap, scratch / "census", key)

    @functools.cache
    def pixels_of_classes() -> dict[str, np.ndarray]:
        return {pair.id: counts[:-1] for pair, counts in zip(pairs, counted(pairs).pair_counts, strict=True)}

    def divided() -> Division:
        return divide(pairs, competition, recipe, root, reading.image_shape, lambda pair: pixels_of_classes()[pair.id])

    early = None if data.split == "stratified" else divided()  # what cannot be is told before any pixel is read
    if say:
        kept = checks.check(pairs, reading, tuple(data.scale * scale for scale in data.scales))
    division = early or divided()
    reading.exclude(division.excluded)
    found = counted(division.training)
    pool = Pool(found, data, competition.names)
    if say:
        eight_bit = radiometry.low is None
        self_test(data.augment, recipe, _some_labels(found, reading), radiometry.channels, eight_bit)
        count = len({pair.image for pair in pairs})
        say(f"      {'all' if kept == count else kept} decoded once, into {cache.folder}; {division.how}")
        for line in balance.report(found.totals, pool.expected(), competition.names, pool.rare):
            say(f"      {line}")
    weights = balance.weights(recipe.train.class_weights, found.totals, competition.names)
    return Ready(division, reading, found, pool, None if weights is None else tuple(weights.tolist()))


def _some_labels(found: Census, reading: Reading) -> list[np.ndarray]:
    """The label maps of a few tiles of the training set."""
    chosen = [found.tiles[int(place)] for place in np.linspace(0, len(found.tiles) - 1, LOOKED_AT)]
    maps = []
    for tile in chosen:
        with reading.labels(found.pairs[tile.pair]) as labels:
            maps.append(np.ascontiguousarray(labels.read(*tile.window)))
    return maps
