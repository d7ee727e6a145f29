"""A folder of masks that came from anywhere, read as what the competition's masks are: labels, bits or instances.

masks = BroughtMasks(folder, competition)
masks("5000")        # (H, W) uint8, (H, W) uint32, or a list of instances
masks.notes          # how the files were read, in sentences

A mask is `ID.png`, or a picture for each class, `CLASS/ID.png`; `lib.rasters.mask_reading` says what their values mean.
Where a pixel has one class, folders of classes are looked for only when no mask lies in the folder itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from lib import files
from lib.competitions import Competition
from lib.errors import DataError, UsageError
from lib.rasters.headers import header_size
from lib.rasters.instances import Instance
from lib.rasters.mask_names import SUFFIXES, class_folders, confidences_of, file_of, listed, mask_files
from lib.rasters.mask_reading import Mask, Reading, Size
from lib.rasters.masks import read_prediction
from lib.rasters.places import Georeference
from lib.rasters.tiff import georeference

__all__ = ["BroughtMasks", "Mask", "masks_in"]


class BroughtMasks:
    """The masks of a folder by image id; see the module.

    `reading`: how the pictures are read; default: as predictions. `suffixes`: what is a mask. Raises `UsageError` when
    the folder holds none, `DataError` for pixels that mean nothing. Instances' confidences are known where the kit has
    predicted them or decoded them from a file, else they are 1.
    """

    def __init__(
        self,
        folder: Path,
        competition: Competition,
        reading: Reading | None = None,
        suffixes: tuple[str, ...] = SUFFIXES,
    ) -> None:
        self.folder, self.competition = folder, competition
        self.notes: dict[str, None] = {}
        self.reading = reading or Reading(competition, read_prediction, self._note)
        flat = competition.kind == "labels" and listed(folder, suffixes)
        classes = {} if flat else class_folders(folder, competition)
        self.classes = {
            index: [mask_files(path, suffixes=suffixes) if listed(path, suffixes) else {} for path in paths]
            for index, paths in classes.items()
        }
        if self.classes:
            folders = [one for layers in self.classes.values() for one in layers]
            self.files = {image: path for one in folders for image, path in one.items()}
            if not self.files:
                raise UsageError(f"{folder} holds no masks", "PNGs named CLASS/ID.png")
        else:
            self.files = mask_files(folder, competition, suffixes)

    @property
    def images(self) -> list[str]:
        """The ids of the images that have a mask."""
        return sorted(self.files)

    def sizes(self) -> dict[str, Size]:
        """Height and width of each mask, from its header."""
        return {image: header_size(self.files[image]) for image in self.images}

    def must_fit(self, sizes: Mapping[str, Size | None]) -> None:
        """Raise `DataError` for instances in a picture of another size than `sizes` says: their runs would be skewed.

        Masks of other kinds know their size themselves.
        """
        if self.competition.kind != "instances":
            return
        for image, size in sizes.items():
            path = file_of(image, self.files)
            own = header_size(path) if path else size
            if size and own != tuple(size):
                raise DataError(
                    f"the mask of {image} is {own[1]}x{own[0]}, and the file needs {size[1]}x{size[0]}",
                    "predict at that size: instances are never resized",
                )

    def place(self, image: str) -> Georeference | None:
        """Where a GeoTIFF mask lies on the Earth."""
        path = file_of(image, self.files)
        return georeference(path) if path else None

    def __call__(self, image: str) -> Mask:
        """An image's mask."""
        return self.read(image, self.reading)

    def read(self, image: str, reading: Reading) -> Mask:
        """An image's mask by a way of reading; `DataError` when the image has none."""
        path = file_of(image, self.files)
        if path is None:
            raise DataError(f"{self.folder} holds no mask of {image}", f"save it as {image}.png")
        if not self.classes:
            found = reading.of_one(path)
        else:
            pictures = {
                index: [path for path in (file_of(image, layer) for layer in layers) if path]
                for index, layers in self.classes.items()
            }
            found = reading.of_classes(pictures, image)
        return self._confident(found, image) if self.competition.kind == "instances" else found

    def _confident(self, found: list[Instance], image: str) -> list[Instance]:
        path = files.inside(self.folder, confidences_of(image))
        known = files.read_json(path) if path.is_file() else []
        if len(known) != len(found):
            return found
        return [Instance(each.index, each.runs, value) for each, value in zip(found, known, strict=True)]

    def _note(self, sentence: str) -> None:
        self.notes[sentence] = None


def masks_in(folder: Path, competition: Competition) -> BroughtMasks:
    """The masks of a folder, as a function of the image's id."""
    return BroughtMasks(folder, competition)
