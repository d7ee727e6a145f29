"""Tiles of training and validation images, ranked by how far a model contradicts their labels.

    division = Division.of(held_out, excluded)                          # pairs, some of them parts of images
    found = judge(predictor, competition, pairs, division, side=512)    # Judgement: tiles, and images that failed
    worst = found.worst(share=0.05)                                     # {"validation": [...], "training": [...]}

Tiles are ranked by their loss. With 33 wrong tiles planted among 447 of the built-in sample (classes swapped, labels
moved by 15 pixels, or painted over) and a model trained on them for five epochs, the 33 tiles of the largest loss held
29 of them; those of the smallest IoU held 25, as did those most often contradicted by a sure prediction (the count of
"confident learning": Northcutt et al., 2021, doi:10.1613/jair.1.12125). IoU swings with classes of a few pixels.

A model has seen the labels of its training images and has partly learned even the wrong ones, so their disagreement is
understated: tiles are ranked among those of their own part.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lib.competitions import Competition, Pair
from lib.competitions.layout import Window
from lib.data import tiles
from lib.errors import DataError
from lib.inference.disagreement import Compared, Tile, at_size, compare, working_labels
from lib.inference.predictor import Predictor
from lib.inference.source import Prepared, prepare

VALIDATION, TRAINING, EXCLUDED = PARTS = ("validation", "training", "excluded")
"""Held out by the run · seen by its model with its labels · left out of training by `data.exclude`."""

UNUSED = "unused"
"""What official lists keep for the test, or name nowhere: never judged."""

LEAST = 0.05
"""Tiles with a smaller share of labelled pixels are listed and not ranked: a few pixels decide on them."""


@dataclass(frozen=True)
class Judged:
    """A tile with its name, the image it lies in and what the run used it for."""

    name: str
    image: str
    part: str
    tile: Tile

    @property
    def ranked(self) -> bool:
        """Whether enough of the tile has labels."""
        return self.tile.labelled >= LEAST


@dataclass(frozen=True)
class Division:
    """What a run used which image, or which part of one, for."""

    whole: Mapping[Path, str]
    """Images of which all is of a part."""
    windows: Mapping[Path, Sequence[tuple[Window, str]]]
    """Parts of images."""
    rest: str = TRAINING
    """What is named nowhere."""

    @classmethod
    def of(cls, held_out: Iterable[Pair], excluded: Iterable[Pair], trained: Iterable[Pair] | None = None) -> Division:
        """From images and parts of them; where they are in several lists the last one of training, validation and
        excluded counts. `trained`: None means all that the other lists do not name."""
        whole: dict[Path, str] = {}
        windows: dict[Path, list[tuple[Window, str]]] = {}
        for part, pairs in ((TRAINING, trained or ()), (VALIDATION, held_out), (EXCLUDED, excluded)):
            for pair in pairs:
                if pair.window is None:
                    whole[pair.image] = part
                else:
                    windows.setdefault(pair.image, []).append((pair.window, part))
        return cls(whole, windows, TRAINING if trained is None else UNUSED)

    def part(self, image: Path, window: Window) -> str:
        """The part that a tile belongs to: where at least half of it does."""
        for own, part in reversed(self.windows.get(image, ())):
            if 2 * _shared(own, window) >= tiles.area(window):
                return part
        return self.whole.get(image, self.rest)

    def holds(self, part: str, image: Path) -> bool:
        """Whether any tile of the image may be of the part."""
        mixed = any(own == part for _, own in self.windows.get(image, ()))
        return mixed or self.whole.get(image, self.rest) == part


@dataclass
class Judgement:
    """All tiles of a set; what became of each class; the images that could not be read, with the reason."""

    tiles: list[Judged] = field(default_factory=list)
    tables: dict[str, np.ndarray] = field(default_factory=dict)
    """By part, (C, C + 1) float64 over its tiles: pixels by labelled and predicted class, then the sum of the loss."""
    failed: dict[str, str] = field(default_factory=dict)

    def add(self, judged: Iterable[tuple[Judged, np.ndarray]]) -> None:
        """Take tiles and their tables."""
        for each, table in judged:
            self.tiles.append(each)
            self.tables[each.part] = self.tables.get(each.part, 0) + table

    def ranked(self, part: str) -> list[Judged]:
        """A part's tiles that are ranked, the most contradicted first."""
        found = [each for each in self.tiles if each.part == part and each.ranked]
        return sorted(found, key=lambda each: (-each.tile.loss, each.name))

    def worst(self, share: float, most: int | None = None) -> dict[str, list[Judged]]:
        """Of validation and of training, the worst `share` of the ranked tiles, rounded up, or the worst `most`."""
        found = {part: self.ranked(part) for part in (VALIDATION, TRAINING)}
        return {part: own[: math.ceil(share * len(own)) if most is None else most] for part, own in found.items()}


See = Callable[[Sequence[Judged], Prepared, Compared], None]
"""Is shown an image's tiles while its pixels are at hand."""


def judge(
    predictor: Predictor,
    competition: Competition,
    pairs: Sequence[Pair],
    division: Division,
    side: int,
    only: Sequence[str] = PARTS,
    see: See = lambda *image: None,
    track: Callable[[list[Pair]], Iterable[Pair]] = iter,
) -> Judgement:
    """Predict images and compare them with their labels; the next image is read while the model works on one.

    `only`: the parts whose tiles are wanted. An image that cannot be read, or whose mask cannot, costs no other.
    """
    found = Judgement()
    todo = [pair for pair in pairs if any(division.holds(part, pair.image) for part in only)]
    for pair, coming in _ahead(competition, predictor, todo, track):
        try:
            prepared, labels = coming()
            with prepared:
                compared = compare(predictor, prepared, labels, len(competition.classes), side)
                known = [_judged(pair, tile, division) for tile in compared.tiles]
                own = [each for each in zip(known, compared.tables, strict=True) if each[0].part in only]
                see([each for each, _ in own], prepared, compared)
        except DataError as error:
            found.failed[pair.id] = error.reason
        else:
            found.add(own)
    return found


def crop(
    tile: Tile, prepared: Prepared, compared: Compared, context: float = 0.25
) -> tuple[np.ndarray, np.ndarray, np.ndarray, Window]:
    """A tile with `context` of its side around it, at the working size: pixels as the model sees them (h, w, B), labels
    and prediction (h, w) uint8, and the tile's own place in the crop."""
    top, bottom, left, right = tile.window
    height, width = prepared.shape
    down, across = round((bottom - top) * context), round((right - left) * context)
    around = max(0, top - down), min(height, bottom + down), max(0, left - across), min(width, right + across)
    begin, end, first, last = at_size(around, prepared.shape, prepared.reader.shape)
    own = at_size(tile.window, prepared.shape, prepared.reader.shape)
    place = own[0] - begin, own[1] - begin, own[2] - first, own[3] - first
    part = slice(begin, end), slice(first, last)
    return prepared.reader.read(begin, end, first, last), compared.labels[part], compared.prediction[part], place


def _judged(pair: Pair, tile: Tile, division: Division) -> Judged:
    return Judged(tiles.name(pair.id, tile.window), pair.id, division.part(pair.image, tile.window), tile)


def _shared(one: Window, other: Window) -> int:
    """Pixels that two windows have in common."""
    rows = min(one[1], other[1]) - max(one[0], other[0])
    columns = min(one[3], other[3]) - max(one[2], other[2])
    return max(0, rows) * max(0, columns)


def _ahead(
    competition: Competition, predictor: Predictor, todo: list[Pair], track: Callable[[list[Pair]], Iterable[Pair]]
) -> Iterator[tuple[Pair, Callable[[], tuple[Prepared, np.ndarray]]]]:
    """Every pair with what gives its image and labels; the next one's are being read meanwhile."""

    def read(pair: Pair) -> tuple[Prepared, np.ndarray]:
        prepared = prepare(pair, predictor)
        try:
            return prepared, working_labels(pair, competition, prepared)
        except BaseException:
            prepared.__exit__()
            raise

    with ThreadPoolExecutor(1, "images") as pool:
        coming = pool.submit(read, todo[0]) if todo else None
        for number, pair in enumerate(track(todo)):
            now = coming
            coming = pool.submit(read, todo[number + 1]) if number + 1 < len(todo) else None
            yield pair, now.result
