"""Truth masks from disk, at any size: as predictions are read, but label maps in the competition's own coding.

mask = read_truth(path, competition, (256, 256))     # one picture that holds all classes
mask = truth_of_pair(pair, competition)              # of an image or a part of it, on the image's grid
truth = TruthFolder(folder, competition)             # ID.png, or CLASS/ID.png
truth("5000", (256, 256))
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from lib.competitions import Competition, Pair
from lib.rasters.brought_masks import BroughtMasks
from lib.rasters.labels import open_labels
from lib.rasters.mask_names import class_folders
from lib.rasters.mask_reading import Mask, Note, Reading, Size, resized, unheard
from lib.rasters.masks import read_labels, read_prediction
from lib.rasters.reader import open_image

SUFFIXES = (".png", ".tif", ".tiff")
"""What is a truth mask: a JPEG beside it is its image."""


def read_truth(path: Path, competition: Competition, size: Size | None = None) -> Mask:
    """A truth in the competition's kind of mask, brought to `size` (height, width) by nearest neighbour.

    Where a pixel may have several classes or instances, a `path` in a class's folder stands for the pictures of all
    classes beside it. Raises `DataError` for a value or a colour that the competition's masks do not have.
    """
    reading = Reading(competition, _own_labels, size=size)
    classes = class_folders(path.parent.parent, competition) if competition.kind != "labels" else {}
    if path.parent not in [folder for layers in classes.values() for folder in layers]:
        return reading.of_one(path)
    pictures = {
        index: [folder / path.name for folder in layers if (folder / path.name).is_file()]
        for index, layers in classes.items()
    }
    return reading.of_classes(pictures, path.stem)


def truth_of_pair(pair: Pair, competition: Competition, size: Size | None = None) -> Mask:
    """The truth of an image or a part of it, brought to `size`: of parts, and of labels on another grid than their
    image's, (h, w) uint8 labels on the image's grid; else as `read_truth` reads it."""
    if pair.window is None and competition.masks.resample is None:
        return read_truth(pair.mask, competition, size)
    with open_image(pair.image, competition.images) as own, open_labels(pair.mask, competition, own) as labels:
        return resized(labels.read(*(pair.window or (0, own.shape[0], 0, own.shape[1]))), size)


class TruthFolder(BroughtMasks):
    """The truth masks of a folder by image id, called with a size to bring them to."""

    def __init__(self, folder: Path, competition: Competition) -> None:
        super().__init__(folder, competition, Reading(competition, _own_labels), SUFFIXES)

    def __call__(self, image: str, size: Size | None = None) -> Mask:
        """An image's mask at `size`, as `read_truth` reads it."""
        return self.read(image, replace(self.reading, size=size))


def _own_labels(path: Path, competition: Competition, note: Note = unheard) -> np.ndarray:
    """Labels in the competition's coding. Where classes overlap or instances are told apart, no coding is of its own
    but that of colours, and black and white is a class as well."""
    if competition.kind == "labels" or competition.masks.coding == "colour":
        return read_labels(path, competition)
    return read_prediction(path, competition, note)
