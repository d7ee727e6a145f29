"""Masks read window by window as class indices, on their own grid or on their image's.

with open_image(image_path) as image, open_labels(mask_path, competition, image) as labels:
    labels.shape                                  # the image's
    labels.read(0, 512, 0, 512)                   # (512, 512) uint8, 255 = ignored
    labels.at((h, w)).read(0, 256, 0, w)          # at another size, by nearest neighbour

Where masks lie on another grid than their images, `masks.resample` says how they come onto it (lib/rasters/aligned.py).
"""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from lib.competitions import Competition
from lib.errors import DataError
from lib.rasters.coding import Coding, from_pixels
from lib.rasters.headers import header_size
from lib.rasters.mask_tiff import TiffMask
from lib.rasters.masks import read_labels
from lib.rasters.opening import Closing, is_tiff
from lib.rasters.places import Georeference

GLANCE = 2048
"""Sides of a glance at a mask."""

PIXELS = 16_000_000
"""Pixels that are held at a time where labels are brought to another size."""


class Labels(Closing):
    """A mask open for reading, `shape` (height, width); a context manager. Not for several threads at once."""

    shape: tuple[int, int]
    georeference: Georeference | None = None
    near: int = 0
    """How many of the pixels read so far had a colour that is near a class's own, not the same."""

    @abstractmethod
    def read(self, top: int, bottom: int, left: int, right: int) -> np.ndarray:
        """Rows [top, bottom) and columns [left, right) as class indices: (h, w) uint8, 255 ignored.

        Raises `DataError` for a damaged file and for a value or colour that no class has.
        """

    def glance(self) -> np.ndarray:
        """Every so many rows and columns: (h, w) uint8, no side longer than `GLANCE`."""
        rows, columns = (max(1, -(-side // GLANCE)) for side in self.shape)
        return self.read(0, self.shape[0], 0, self.shape[1])[rows // 2 :: rows, columns // 2 :: columns]

    def at(self, shape: tuple[int, int]) -> Labels:
        """The labels at another size, by nearest neighbour."""
        shape = int(shape[0]), int(shape[1])
        return self if shape == self.shape else Nearest(self, shape)

    def _count(self, near: int) -> None:
        self.near += near


class WholeLabels(Labels):
    """A mask that must be decoded whole, at the first read."""

    def __init__(self, path: Path, competition: Competition) -> None:
        self.path, self.competition = Path(path), competition
        self.shape = header_size(path)
        self._whole: np.ndarray | None = None

    def read(self, top: int, bottom: int, left: int, right: int) -> np.ndarray:
        if self._whole is None:
            self._whole = read_labels(self.path, self.competition, self._count)
        return self._whole[top:bottom, left:right]

    def close(self) -> None:
        self._whole = None


class TiffLabels(Labels):
    """A TIFF mask of which only a window is in memory."""

    def __init__(self, path: Path, competition: Competition) -> None:
        coding = Coding.of(competition)
        self.path = Path(path)
        self._mask = TiffMask(path, coding.kind == "colour")
        self.shape, self.georeference = self._mask.shape, self._mask.georeference
        self._coding = coding.without(self._mask.nodata)

    def read(self, top: int, bottom: int, left: int, right: int) -> np.ndarray:
        pixels = self._mask.read(top, bottom, left, right)
        return from_pixels(pixels, self._coding, self.path, self._count, (top, left))

    def glance(self) -> np.ndarray:
        height, width = self.shape
        pixels = self._mask.read(0, height, 0, width, (min(height, GLANCE), min(width, GLANCE)))
        return from_pixels(pixels, self._coding, self.path)

    def close(self) -> None:
        self._mask.close()


class Nearest(Labels):
    """Labels at another size: each pixel is the one at its centre, as OpenCV's INTER_NEAREST_EXACT takes it."""

    def __init__(self, labels: Labels, shape: tuple[int, int]) -> None:
        self.labels, self.shape = labels, shape
        self._rows, self._columns = (_nearest(*sides) for sides in zip(labels.shape, shape, strict=True))

    @property
    def near(self) -> int:
        return self.labels.near

    def read(self, top: int, bottom: int, left: int, right: int) -> np.ndarray:
        rows, columns = self._rows[top:bottom], self._columns[left:right]
        found = np.empty((len(rows), len(columns)), np.uint8)
        if not found.size:
            return found
        begin, end = int(columns[0]), int(columns[-1]) + 1
        step = max(1, int(PIXELS * len(rows) / max(PIXELS, (end - begin) * (int(rows[-1]) + 1 - int(rows[0])))))
        for first in range(0, len(rows), step):
            some = rows[first : first + step]
            part = self.labels.read(int(some[0]), int(some[-1]) + 1, begin, end)
            found[first : first + step] = part[some - some[0]][:, columns - begin]
        return found

    def at(self, shape: tuple[int, int]) -> Labels:
        return self.labels.at(shape)

    def close(self) -> None:
        """The labels at their own size stay open."""


def open_labels(path: Path, competition: Competition, image: Any = None) -> Labels:
    """A mask as labels by windows, on the grid of `image`, an open reader of its image; without one, on its own.

    Only the header is read here. Raises `DataError` for a mask whose size is not its image's where `masks.resample`
    does not say how to bring it there, and for one that lies elsewhere than its image.
    """
    labels = (TiffLabels if is_tiff(path) else WholeLabels)(path, competition)
    if image is None:
        return labels
    try:
        return _on_grid(labels, competition, image)
    except BaseException:
        labels.close()
        raise


def _on_grid(labels: Labels, competition: Competition, image: Any) -> Labels:
    from lib.rasters.aligned import Aligned, same_grid

    shape, method = tuple(image.shape), competition.masks.resample
    if labels.shape != shape and method is None:
        own, seen = (f"{size[1]}x{size[0]}" for size in (labels.shape, shape))
        raise DataError(
            f"{labels.path} is {own} (width x height), its image is {seen}",
            "a mask must have its image's size; labels on another grid are brought onto the image's when the "
            'competition\'s file says how: masks.resample = "majority" (or "nearest", "weighted")',
        )
    if method is None or same_grid(labels, shape, image.georeference):
        return labels
    return Aligned(labels, shape, image.georeference, method, len(competition.classes))


def _nearest(own: int, wanted: int) -> np.ndarray:
    """The pixel of an axis of `own` that each of `wanted` pixels takes."""
    places = np.arange(own, dtype=np.int32).view(np.float32)[:, None]
    return cv2.resize(places, (1, wanted), interpolation=cv2.INTER_NEAREST_EXACT).view(np.int32)[:, 0]
