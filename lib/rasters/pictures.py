"""JPEG, PNG and other pictures that must be decoded whole; JPEGs at a reduced scale where a smaller size is wanted.

with Picture(path) as image:
    image.read(0, 512, 0, 512)                          # decodes at the first read
    image.at((612, 612)).read(0, 612, 0, 612)           # of a JPEG of 2448 x 2448, a quarter is decoded
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from lib.competitions.pixels import Images
from lib.rasters.bands import PLAIN, Found, chosen_bands
from lib.rasters.base import ImageReader
from lib.rasters.headers import png_bands
from lib.rasters.images import decode, open_header, read_bytes
from lib.rasters.orientation import exif_orientation, turned, turned_shape
from lib.rasters.radiometry import IMAGENET, Radiometry
from lib.rasters.resize import resized_valid

REDUCED = {
    1: (cv2.IMREAD_COLOR, cv2.IMREAD_GRAYSCALE),
    2: (cv2.IMREAD_REDUCED_COLOR_2, cv2.IMREAD_REDUCED_GRAYSCALE_2),
    4: (cv2.IMREAD_REDUCED_COLOR_4, cv2.IMREAD_REDUCED_GRAYSCALE_4),
    8: (cv2.IMREAD_REDUCED_COLOR_8, cv2.IMREAD_REDUCED_GRAYSCALE_8),
}
"""How OpenCV decodes a colour or a grey JPEG at 1/n: only that part of each 8 x 8 block's cosine transform is done."""

FINER = 3
"""How many times finer than the size wanted a JPEG's reduced scale is at least, unless whole pixels of it make one: of
fewer, whose borders are not those of the pixels wanted, the average would differ from the whole picture's."""

ORDER = {3: (2, 1, 0), 4: (2, 1, 0, 3)}
"""OpenCV's order of channels."""


class Picture(ImageReader):
    """A picture on disk; its header alone is read until pixels are asked for.

    Raises `DataError` for a file that is missing or no picture, for a band that it lacks, and for one that is not 8-bit
    grey or RGB where `images.bands` does not choose; damage is told when it is decoded.
    """

    def __init__(
        self,
        path: Path,
        images: Images = PLAIN,
        radiometry: Radiometry = IMAGENET,
    ) -> None:
        self.path, self.images, self.radiometry = Path(path), images, radiometry
        with open_header(path, path) as header:
            size, mode, self.kind = (header.height, header.width), header.mode, header.format
        self.found = (
            png_bands(path) if self.kind == "PNG" else Found(1 if mode in ("1", "L") else 3, np.dtype(np.uint8))
        )
        self.dtype = self.found.dtype
        self.bands = chosen_bands(self.found, images, path)
        self.may_lack_data = self.kind == "PNG" or images.nodata is not None
        self.orientation = exif_orientation(path) if images.orientation == "exif" else 1
        self.shape = turned_shape(size, self.orientation)
        self._whole: tuple[np.ndarray, np.ndarray | None] | None = None

    def pixels(self, top: int, bottom: int, left: int, right: int) -> tuple[np.ndarray, np.ndarray | None]:
        if self._whole is None:
            self._whole = self.decoded()
        image, valid = self._whole
        return image[top:bottom, left:right], None if valid is None else valid[top:bottom, left:right]

    def at(self, shape: tuple[int, int]) -> ImageReader:
        """The picture at another size, held in memory at that size from the first read on."""
        shape = int(shape[0]), int(shape[1])
        return self if shape == self.shape else _Smaller(self, shape)

    def close(self) -> None:
        """Forget the decoded pixels; another read decodes them again."""
        self._whole = None

    def reduction(self, shape: tuple[int, int]) -> int:
        """By how much a JPEG's sides may be divided while it is decoded, when it is wanted at `shape`: 1, 2, 4 or 8."""
        if self.kind != "JPEG":
            return 1
        for by in (8, 4, 2):
            sides = [(own / by, seen) for own, seen in zip(self.shape, shape, strict=True)]
            if all(side % seen == 0 for side, seen in sides) or all(side >= FINER * seen for side, seen in sides):
                return by
        return 1

    def decoded(self, by: int = 1) -> tuple[np.ndarray, np.ndarray | None]:
        """All pixels, upright, (H, W, B), and which have data; of a JPEG, sides divided by `by`, rounded up."""
        content = read_bytes(self.path)
        if self.kind == "JPEG":
            flag = REDUCED[by][self.found.count == 1]
            stored = decode(content, flag | cv2.IMREAD_IGNORE_ORIENTATION, self.path)
        else:
            stored = decode(content, cv2.IMREAD_UNCHANGED, self.path)
        stored = stored[..., None] if stored.ndim == 2 else stored
        alpha = stored[..., 3] if stored.shape[2] == 4 and self.kind == "PNG" else None
        image = self._chosen(stored)
        valid = self._valid(image, alpha)
        image = np.ascontiguousarray(turned(image, self.orientation))
        return image, None if valid is None else np.ascontiguousarray(turned(valid, self.orientation))

    def _chosen(self, stored: np.ndarray) -> np.ndarray:
        """The chosen bands of OpenCV's channels (blue, green, red, alpha)."""
        have = stored.shape[2]
        if self.bands == (1, 2, 3) and have >= 3 and self.found.count >= 3:
            return cv2.cvtColor(stored, cv2.COLOR_BGR2RGB if have == 3 else cv2.COLOR_BGRA2RGB)
        if self.bands == (1, 1, 1) and have == 1:
            return cv2.cvtColor(stored, cv2.COLOR_GRAY2RGB)
        order = ORDER.get(have, (0,))
        if self.found.count <= 2:  # grey, with transparency or without, may come as colour
            order = (0, have - 1)
        return np.ascontiguousarray(stored[..., [order[band - 1] for band in self.bands]])

    def _valid(self, image: np.ndarray, alpha: np.ndarray | None) -> np.ndarray | None:
        """No data is where all bands have the competition's value for it, else what is wholly transparent."""
        if self.images.nodata is not None:
            valid = (image != self.images.nodata).any(axis=-1)
        elif alpha is not None and self.found.alpha not in self.bands and alpha.any():
            valid = alpha != 0
        else:
            return None
        return None if valid.all() else valid


class _Smaller(ImageReader):
    """A picture at another size, in memory at that size once it is read."""

    def __init__(self, picture: Picture, shape: tuple[int, int]) -> None:
        self.picture, self.shape = picture, shape
        self.path, self.dtype, self.bands = picture.path, picture.dtype, picture.bands
        self.radiometry, self.may_lack_data = picture.radiometry, picture.may_lack_data
        self._whole: tuple[np.ndarray, np.ndarray | None] | None = None

    def pixels(self, top: int, bottom: int, left: int, right: int) -> tuple[np.ndarray, np.ndarray | None]:
        if self._whole is None:
            by = self.picture.reduction(self.shape)
            known = self.picture._whole if by == 1 else None
            image, valid = known or self.picture.decoded(by)
            own = tuple(side / by for side in self.picture.shape)
            self._whole = resized_valid(image, valid, self.shape, own)
        image, valid = self._whole
        return image[top:bottom, left:right], None if valid is None else valid[top:bottom, left:right]

    def at(self, shape: tuple[int, int]) -> ImageReader:
        return self.picture.at(shape)

    def close(self) -> None:
        self._whole = None
