"""Truth masks from disk, at any size: as predictions are read, but label maps in the competition's own coding.

mask = read_truth(path, competition, (256, 256))     # one picture that holds all classes
truth = TruthFolder(folder, competition)             # ID.png, or CLASS/ID.png
truth("5000", (256, 256))
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from lib.competitions import Competition
from lib.rasters.brought_masks import BroughtMasks
from lib.rasters.mask_names import class_folders
from lib.rasters.mask_reading import Mask, Note, Reading, Size, unheard
from lib.rasters.masks import read_labels, read_prediction

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
