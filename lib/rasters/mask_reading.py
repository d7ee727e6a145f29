"""A mask of the competition's kind from its pictures: one picture, or a picture for each class.

reading = Reading(competition, read_prediction)      # how label maps are read
reading.of_one(path)                                 # labels, bits or instances
reading.of_classes({3: [path], 5: [other]}, "5000")  # by class; several pictures of a class are taken together

Labels: the classes' values or colours; of pictures of a class each, what is not 0 has the class, and a pixel that no
class has is `competition.unclaimed`. Bits: what is not 0 has the class; a TIFF of 32 bits, bit c for class c; labels.
Instances: numbers, 0 where there is none; or the connected components of labels, or of what is not 0. Pictures of 16
bits hold numbers, and those of 8 bits whose values say so: in a class's picture, more than one value beside 0; in a
picture of all classes of which one is sent, a value that no class has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from lib.competitions import IGNORE, Competition
from lib.errors import DataError
from lib.rasters import bits
from lib.rasters.coding import Coding
from lib.rasters.instances import Instance, components, neighbours, numbered
from lib.rasters.masks import is_colour, read_numbers
from lib.rasters.tiff import read_planes

Mask = np.ndarray | list[Instance]
"""(H, W) uint8 labels, (H, W) uint32 bits, or instances."""

Size = tuple[int, int]
Note = Callable[[str], None]

FOLDERS = "a folder for each class was found; "


def unheard(sentence: str) -> None:
    """A note that nobody wants."""


@dataclass(frozen=True)
class Reading:
    """How masks are read. Pixels come to `size` (height, width), where it is given, by nearest neighbour."""

    competition: Competition
    labels: Callable[[Path, Competition, Note], np.ndarray]
    """A picture of labels: (H, W) uint8, 255 for no class."""
    note: Note = unheard
    size: Size | None = None

    def of_one(self, path: Path) -> Mask:
        """The mask of a picture that holds all classes; `DataError` for pixels that mean nothing."""
        if self.competition.kind == "labels":
            return self._labels(path)
        if self.competition.kind == "instances":
            return self._instances(path)
        planes = read_planes(path)
        if planes is not None:
            return resized(planes, self.size)
        self.note("each mask was read as labels: one class a pixel (several: CLASS/ID.png)")
        return bits.of_labels(self._labels(path))

    def of_classes(self, pictures: Mapping[int, Sequence[Path]], image: str) -> Mask:
        """The mask of pictures that hold a class each, at least one of them.

        Raises `DataError` for pictures of different sizes, and for labels where two classes claim a pixel.
        """
        stored = {index: [self._stored(path) for path in paths] for index, paths in pictures.items() if paths}
        shapes = {layer.shape for layers in stored.values() for layer in layers}
        if len(shapes) > 1:
            raise DataError(f"the classes' masks of {image} have different sizes: {sorted(shapes)}")
        if self.competition.kind == "instances":
            return self._numbered(stored)
        self.note(f"{FOLDERS}what is not 0 is of the class")
        planes = {index: np.logical_or.reduce([layer != 0 for layer in layers]) for index, layers in stored.items()}
        return bits.of_planes(planes) if self.competition.kind == "bits" else self._claimed(planes, image)

    def _claimed(self, planes: Mapping[int, np.ndarray], image: str) -> np.ndarray:
        """Planes as a label map."""
        found = np.full(next(iter(planes.values())).shape, IGNORE, np.uint8)
        for index, plane in planes.items():
            twice = plane & (found != IGNORE)
            if twice.any():
                row, column = np.unravel_index(np.argmax(twice), twice.shape)
                names = self.competition.names
                raise DataError(
                    f"{names[found[row, column]]} and {names[index]} both claim {np.count_nonzero(twice)} pixels of "
                    f"{image} (first at row {row}, column {column}), and here a pixel has one class",
                    "let the classes' masks not overlap, or save label maps as ID.png",
                )
            found[plane] = index
        found[found == IGNORE] = self.competition.unclaimed
        return found

    def _instances(self, path: Path) -> list[Instance]:
        sent = self.competition.sent
        pixels = None if is_colour(path) else resized(read_numbers(path), self.size)
        if pixels is not None and pixels.dtype == np.uint16:
            if len(sent) > 1:
                raise DataError(
                    f"{path} has 16 bits, as instance numbers have, and does not say which of "
                    f"{len(sent)} classes they are of",
                    "a folder for each class: CLASS/ID.png",
                )
            self.note("16-bit masks were read as instance numbers")
            return list(numbered(pixels, sent[0]).values())
        if pixels is not None and len(sent) == 1 and not _values(pixels) <= self._known():
            self.note("8-bit masks with values that no class has were read as instance numbers")
            return list(numbered(pixels, sent[0]).values())
        self.note("8-bit masks were read as labels, whose connected components are the instances")
        return components(self._labels(path), sent, neighbours(self.competition))

    def _known(self) -> set[int]:
        """The values that labels have."""
        return {value for value, _ in Coding.of_prediction(self.competition, "index").table} | {1, IGNORE}

    def _numbered(self, stored: Mapping[int, Sequence[np.ndarray]]) -> list[Instance]:
        """Instances of pictures of one class each, in the order of their numbers, which go on from class to class."""
        found: list[tuple[int, Instance]] = []
        for index, layers in stored.items():
            for pixels in layers:
                if pixels.dtype == np.uint16 or len(_values(pixels) - {0}) > 1:
                    self.note(f"{FOLDERS}its masks were read as instance numbers")
                    found += numbered(pixels, index).items()
                else:
                    self.note(f"{FOLDERS}components of its masks are the instances")
                    own = components((pixels != 0).view(np.uint8), [1], neighbours(self.competition))
                    found += [(len(found), Instance(index, each.runs)) for each in own]
        return [each for _, each in sorted(found, key=lambda pair: pair[0])]

    def _labels(self, path: Path) -> np.ndarray:
        return resized(self.labels(path, self.competition, self.note), self.size)

    def _stored(self, path: Path) -> np.ndarray:
        """A picture's numbers; a JPEG, which changes them, is a `DataError`."""
        is_colour(path)
        return resized(read_numbers(path), self.size)


def _values(pixels: np.ndarray) -> set[int]:
    """The values of a picture of 8 bits."""
    return set(np.flatnonzero(cv2.calcHist([pixels], [0], None, [256], [0, 256])).tolist())


def resized(mask: np.ndarray, size: Size | None) -> np.ndarray:
    """A mask (H, W) of any integer type at another size, by nearest neighbour; itself when it has that size."""
    if size is None or mask.shape == tuple(size):
        return mask
    stored = mask.view(np.int32) if mask.dtype == np.uint32 else mask
    return cv2.resize(stored, tuple(size)[::-1], interpolation=cv2.INTER_NEAREST).view(mask.dtype)
