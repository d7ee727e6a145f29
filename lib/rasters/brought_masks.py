"""A folder of masks that came from anywhere, read as what the competition's masks are: labels, bits or instances.

masks = BroughtMasks(folder, competition)
masks("5000")        # (H, W) uint8, (H, W) uint32, or a list of instances
masks.notes          # how the files were read, in sentences

Labels: `ID.png`, the classes' values or colours. Bits: `CLASS/ID.png`, nonzero where the class is; a TIFF of 32 bits,
bit c for class c; or `ID.png` as labels. Instances: 16-bit numbers, 0 where there is none, in `ID.png` (one class) or
`CLASS/ID.png`; in 8-bit files, labels or nonzero, the connected components of each class.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from lib import files
from lib.competitions import Competition
from lib.errors import DataError, UsageError
from lib.rasters import bits as bit_planes
from lib.rasters.images import header_size
from lib.rasters.instances import Instance, components, neighbours, numbered
from lib.rasters.mask_names import INDEX, class_folders, file_of, mask_files
from lib.rasters.masks import is_colour, read_pixels, read_prediction
from lib.rasters.reader import Georeference
from lib.rasters.tiff import georeference, read_planes

Mask = np.ndarray | list[Instance]


class BroughtMasks:
    """The masks of a folder by image id; see the module.

    Raises `UsageError` when the folder holds none, `DataError` for pixels that mean nothing. Instances' confidences are
    known in a folder that the kit decoded a file into, else they are 1.
    """

    def __init__(self, folder: Path, competition: Competition) -> None:
        self.folder, self.competition = folder, competition
        self.notes: dict[str, None] = {}
        classes = {} if competition.kind == "labels" or not folder.is_dir() else class_folders(folder, competition)
        self.classes = {index: [_files(path) for path in paths] for index, paths in classes.items()}
        if self.classes:
            folders = [one for layers in self.classes.values() for one in layers]
            self.files = {image: path for one in folders for image, path in one.items()}
            if not self.files:
                raise UsageError(f"{folder} holds no masks", "PNGs named CLASS/ID.png")
        else:
            self.files = mask_files(folder, competition)
        kept = files.read_json(folder / INDEX) if (folder / INDEX).is_file() else {}
        self.confidences: Mapping[str, list[float]] = kept.get("confidences", {})

    @property
    def images(self) -> list[str]:
        """The ids of the images that have a mask."""
        return sorted(self.files)

    def sizes(self) -> dict[str, tuple[int, int]]:
        """Height and width of each mask, from its header."""
        return {image: header_size(self.files[image]) for image in self.images}

    def place(self, image: str) -> Georeference | None:
        """Where a GeoTIFF mask lies on the Earth."""
        path = file_of(image, self.files)
        return georeference(path) if path else None

    def __call__(self, image: str) -> Mask:
        """An image's mask."""
        path = file_of(image, self.files)
        if path is None:
            raise DataError(f"{self.folder} holds no mask of {image}", f"save it as {image}.png")
        if self.competition.kind == "instances":
            found = self._of_classes(image) if self.classes else self._of_one_file(path)
            return self._sized(self._confident(found, image), path)
        if self.competition.kind == "bits":
            return self._bits(image, path)
        return read_prediction(path, self.competition, self._note)

    def _bits(self, image: str, path: Path) -> np.ndarray:
        if not self.classes:
            planes = read_planes(path)
            if planes is not None:
                return planes
            self._note("each mask was read as labels: one class a pixel (several: CLASS/ID.png)")
            return bit_planes.of_labels(read_prediction(path, self.competition, self._note))
        self._note("a folder for each class was found; what is not 0 is of the class")
        planes = {}
        for index, layers in self.classes.items():
            own = [read_pixels(found, colour=False) != 0 for one in layers if (found := file_of(image, one))]
            if own:
                planes[index] = np.logical_or.reduce(own)
        shapes = {plane.shape for plane in planes.values()}
        if len(shapes) > 1:
            raise DataError(f"{self.folder}: the classes' masks of {image} have different sizes: {sorted(shapes)}")
        return bit_planes.of_planes(planes)

    def _of_one_file(self, path: Path) -> list[Instance]:
        pixels = None if is_colour(path) else read_pixels(path, colour=False)
        if pixels is not None and pixels.dtype == np.uint16:
            if len(self.competition.sent) > 1:
                raise DataError(
                    f"{path} has 16 bits, as instance numbers have, and does not say which of "
                    f"{len(self.competition.sent)} classes they are of",
                    "a folder for each class: CLASS/ID.png",
                )
            self._note("16-bit masks were read as instance numbers")
            return list(numbered(pixels, self.competition.sent[0]).values())
        self._note("8-bit masks were read as labels, whose connected components are the instances")
        labels = read_prediction(path, self.competition, self._note)
        return components(labels, self.competition.sent, neighbours(self.competition))

    def _of_classes(self, image: str) -> list[Instance]:
        found: list[tuple[int, Instance]] = []
        for index, layers in self.classes.items():
            for path in filter(None, (file_of(image, one) for one in layers)):
                pixels = read_pixels(path, colour=False)
                if pixels.dtype == np.uint16:
                    self._note("a folder for each class was found; 16-bit masks were read as instance numbers")
                    found += numbered(pixels, index).items()
                else:
                    self._note("a folder for each class was found; components of 8-bit masks are the instances")
                    own = components((pixels != 0).view(np.uint8), [1], neighbours(self.competition))
                    found += [(len(found), Instance(index, each.runs)) for each in own]
        return [each for _, each in sorted(found, key=lambda pair: pair[0])]

    def _confident(self, found: list[Instance], image: str) -> list[Instance]:
        known = self.confidences.get(image)
        if not known or len(known) != len(found):
            return found
        return [Instance(each.index, each.runs, value) for each, value in zip(found, known, strict=True)]

    def _sized(self, found: list[Instance], path: Path) -> list[Instance]:
        size, own = self.competition.submission.size, header_size(path)
        if size and own != tuple(size):
            raise DataError(
                f"the mask {path} is {own[1]}x{own[0]}, and the file needs {size[1]}x{size[0]}",
                "predict at that size: instances are never resized",
            )
        return found

    def _note(self, sentence: str) -> None:
        self.notes[sentence] = None


def _files(folder: Path) -> dict[str, Path]:
    return mask_files(folder) if next(folder.iterdir(), None) else {}


def masks_in(folder: Path, competition: Competition) -> BroughtMasks:
    """The masks of a folder, as a function of the image's id."""
    return BroughtMasks(folder, competition)
