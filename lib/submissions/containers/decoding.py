"""One image's rows into its mask: what their cells say, united into labels, bits or instances.

decoder = Decoder(competition, path)
parts = decoder.parts(["a.jpg_1", "17 3"], (256, 1600), PIXELS)
mask = decoder.mask(parts, "a", (256, 1600))
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lib.competitions import Competition
from lib.competitions.patterns import fields
from lib.errors import DataError
from lib.rasters import runs as rn
from lib.rasters.instances import Instance
from lib.submissions.containers.table_index import is_size
from lib.submissions.keys import Key, Keys
from lib.submissions.layout import Layout, Mask, Size
from lib.submissions.payloads import patches
from lib.submissions.payloads.grid import PIXELS, Grid
from lib.submissions.payloads.payload import Payload


@dataclass(frozen=True, eq=False)
class Part:
    """One mask of a file: its class, its runs in the payload's order, its confidence; `name` is its row's."""

    index: int
    runs: np.ndarray
    name: str
    confidence: float = 1.0


def grid_of(image: str, size: Size | None, competition: Competition, layout: Layout) -> Grid:
    """The units of an image's polygons; `DataError` when the competition has units and nobody says them."""
    csv = competition.submission.csv
    if csv is None or csv.grid is None:
        return PIXELS
    if image not in layout.extents or size is None:
        raise DataError(
            f"polygons of {image} are written in units of {csv.grid}, which does not say them or is not here",
            f"give --data DIR, the folder with {csv.grid}" + ("" if size else ", and --size HxW"),
        )
    return Grid.of(size, *layout.extents[image])


class Decoder:
    """Reads cells by the competition's templates."""

    def __init__(self, competition: Competition, source: Path | str) -> None:
        self.competition, self.source = competition, source
        self.form = competition.submission.csv
        self.keys, self.payload = Keys(competition), Payload.of(competition)
        row = self.form.row
        self.mask_at = next(place for place, cell in enumerate(row) if "mask" in fields(cell))
        self.size_at = [row.index(hole) if hole in row else None for hole in ("{height}", "{width}")]
        self.confidence_at = row.index("{confidence}") if "{confidence}" in row else None

    def parts(self, cells: Sequence[str], size: Size | None, grid: Grid) -> list[Part]:
        """The masks of one row; none where it says that there is none."""
        key, text = self.keys.parse(cells), cells[self.mask_at]
        name = ",".join(cells[place] for place in self.keys.places)
        if None not in self.size_at:
            self._must_be_size([cells[place] for place in self.size_at], size, name)
        if not text.strip() and self.form.empty is False:
            raise DataError(f"{self.source}: {name} is blank, and the scorer fails on an empty row: leave it out")
        if not text.strip() and self.form.empty:
            raise DataError(f"{self.source}: {name} is blank, and an empty mask is written {self.form.empty!r}")
        try:
            if text.strip() == self.form.empty:
                return []
            if self.form.unit == "image":
                return self._items(text, size, name)
            confidence = self._confidence(cells[self.confidence_at]) if self.confidence_at is not None else 1.0
            return [Part(key.index, self.payload.runs(text, size, grid), name, confidence)]
        except DataError as error:
            raise DataError(f"{self.source}: {name}: {error.reason}") from None

    def _must_be_size(self, texts: list[str], size: Size | None, name: str) -> None:
        """Raise `DataError` unless height and width are those of the image, or at least of some image."""
        said = "x".join(texts[::-1])
        if not all(re.fullmatch("[0-9]{1,9}", text) for text in texts) or not is_size(*map(int, texts)):
            raise DataError(f"{self.source}: {name} says {said}, which is no width and height of an image")
        if size and [str(side) for side in size] != texts:
            raise DataError(f"{self.source}: {name} says {said}, and the image has {size[1]}x{size[0]}")

    def patch(self, cells: Sequence[str]) -> tuple[Key, bool]:
        """Which patch a row is about, and whether it is of the class."""
        text = cells[self.mask_at].strip()
        if text not in ("0", "1"):
            raise DataError(f"{self.source}: {cells[0]}: {text!r} is neither 0 nor 1")
        return self.keys.parse(cells), text == "1"

    def mask(self, parts: list[Part], image: str, size: Size) -> Mask:
        """Masks of one image as the competition's kind."""
        return assembled(parts, image, self.competition, self.payload.order, size, self.source)

    def patched(self, rows: list[tuple[Key, bool]], size: Size) -> np.ndarray:
        """Decided patches as labels (H, W) uint8."""
        side = self.form.patch
        decided = np.zeros((-(-size[0] // side), -(-size[1] // side)), bool)
        for key, value in rows:
            if key.y % side or key.x % side or key.y >= size[0] or key.x >= size[1]:
                raise DataError(
                    f"{self.source}: no patch of {key.image} begins at x {key.x}, y {key.y}: they are of {side}x{side} "
                    f"pixels, and the image of {size[1]}x{size[0]}"
                )
            decided[key.y // side, key.x // side] = value
        chosen = patches.spread(decided, size, side)
        return np.where(chosen, self.competition.sent[0], self.competition.unclaimed).astype(np.uint8)

    def _items(self, text: str, size: Size | None, name: str) -> list[Part]:
        templates, words = self.form.item.split(), text.split()
        if len(words) % len(templates):
            raise DataError(f"{len(words)} words, and an instance has {len(templates)}: {self.form.item}")
        parts = []
        for start in range(0, len(words), len(templates)):
            index, confidence, runs = self.competition.sent[0], 1.0, rn.NONE
            for template, word in zip(templates, words[start : start + len(templates)], strict=True):
                if template == "{class}":
                    index = self._class(word)
                elif template == "{confidence}":
                    confidence = self._confidence(word)
                elif template == "{mask}":
                    runs = self.payload.runs(word, size)
                elif word != template:
                    raise DataError(f"{word!r} stands where {template!r} belongs: {self.form.item}")
            parts.append(Part(index, runs, name, confidence))
        return parts

    def _class(self, word: str) -> int:
        values = {str(self.competition.values[index]): index for index in self.competition.sent}
        if word not in values:
            raise DataError(f"{word!r} is no class's number")
        return values[word]

    def _confidence(self, word: str) -> float:
        try:
            confidence = float(word)
        except ValueError:
            confidence = float("nan")
        if not 0 <= confidence <= 1:
            raise DataError(f"the confidence {word!r} is not between 0 and 1")
        return confidence


def assembled(
    parts: list[Part], image: str, competition: Competition, order: rn.Order, size: Size, source: Path | str
) -> Mask:
    """Masks of one image as labels, bits or instances; labels that overlap are a `DataError`."""
    if competition.kind == "instances":
        return [Instance(part.index, rn.turned(part.runs, size, order, "C"), part.confidence) for part in parts]
    if competition.kind == "bits":
        flat = np.zeros(size[0] * size[1], np.int32)
        for part in parts:
            plane = np.zeros(flat.size, bool)
            rn.paint(plane, part.runs, True)
            flat[plane] |= np.uint32(1 << part.index).view(np.int32)
        return rn.unflat(flat, size, order).view(np.uint32)
    parts = by_class(parts) if competition.submission.csv and competition.submission.csv.repeats else parts
    must_not_overlap(parts, image, source)
    flat = np.full(size[0] * size[1], competition.unclaimed, np.uint8)
    for part in parts:
        rn.paint(flat, part.runs, part.index)
    return rn.unflat(flat, size, order)


def by_class(parts: list[Part]) -> list[Part]:
    """The masks of each class united into one."""
    classes = {part.index: part.name for part in parts}
    return [
        Part(index, rn.united([part.runs for part in parts if part.index == index]), name)
        for index, name in classes.items()
    ]


def must_not_overlap(parts: list[Part], image: str, source: Path | str) -> None:
    """Raise `DataError` when a pixel stands in two masks."""
    found = rn.clash([part.runs for part in parts])
    if found:
        one, other, count = found
        names = parts[one].name, parts[other].name
        raise DataError(f"{source}: {names[0]} and {names[1]} both claim pixels of {image}: {count} runs overlap")
