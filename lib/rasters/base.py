"""What every open image can do: its pixels as stored, which of them have data, and what the network is fed of them.

A kind of image says how a window is decoded (`pixels`); the rest follows from that.
"""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Protocol

import numpy as np

from lib.rasters.bands import must_fit
from lib.rasters.opening import Closing
from lib.rasters.places import Georeference, moved, scaled
from lib.rasters.radiometry import Radiometry
from lib.rasters.resize import resized, windowed


class Reader(Protocol):
    """An image whose pixels are asked for by windows."""

    shape: tuple[int, int]

    def read(self, top: int, bottom: int, left: int, right: int) -> np.ndarray:
        """Rows [top, bottom) and columns [left, right): (h, w, B) as the network is fed, uint8 RGB or float32."""


class ImageReader(Closing):
    """An image open for reading, `shape` (height, width) at its own size; a context manager."""

    shape: tuple[int, int]
    path: Path
    dtype: np.dtype
    bands: tuple[int, ...]
    radiometry: Radiometry
    georeference: Georeference | None = None
    may_lack_data: bool = True
    """False: every pixel has data, which is known without looking at it."""

    @abstractmethod
    def pixels(self, top: int, bottom: int, left: int, right: int) -> tuple[np.ndarray, np.ndarray | None]:
        """A window as stored, (h, w, B), and which of its pixels have data, (h, w) bool; None: all of them."""

    def read(self, top: int, bottom: int, left: int, right: int) -> np.ndarray:
        """A window (h, w, B) as the network is fed: uint8, or float32 stretched by the radiometry; no data is the mean.

        Raises `DataError` for a damaged file, and where the radiometry is not one for such values.
        """
        must_fit(self.radiometry, len(self.bands), self.dtype, self.path)
        return self.radiometry.feed(*self.pixels(top, bottom, left, right))

    def raw(self, top: int, bottom: int, left: int, right: int) -> np.ndarray:
        """A window (h, w, B) in the file's own values and dtype."""
        return self.pixels(top, bottom, left, right)[0]

    def valid(self, top: int, bottom: int, left: int, right: int) -> np.ndarray | None:
        """Which pixels of a window have data, (h, w) bool; None where all have."""
        if not self.may_lack_data:
            return None
        valid = self.pixels(top, bottom, left, right)[1]
        return None if valid is None or valid.all() else valid

    def at(self, shape: tuple[int, int]) -> ImageReader:
        """The image at another size: averaged where it shrinks, bilinear where it grows."""
        shape = int(shape[0]), int(shape[1])
        return self if shape == self.shape else Resized(self, shape)


class Resized(ImageReader):
    """An image seen at another size, by windows; closing it leaves the image open."""

    def __init__(self, image: ImageReader, shape: tuple[int, int], origin: ImageReader | None = None) -> None:
        """`image` is what is read, `origin` what the view is of, where a smaller copy of it is read."""
        self.image, self.shape, self.origin = image, shape, origin or image
        self.path, self.dtype, self.bands = image.path, image.dtype, image.bands
        self.radiometry, self.may_lack_data = image.radiometry, image.may_lack_data
        self.georeference = scaled(self.origin.georeference, self.origin.shape, shape)

    def pixels(self, top: int, bottom: int, left: int, right: int) -> tuple[np.ndarray, np.ndarray | None]:
        window = top, bottom, left, right
        return windowed(self.image.pixels, self.image.shape, self.shape, window, bands=len(self.bands))

    def at(self, shape: tuple[int, int]) -> ImageReader:
        return self.origin.at(shape)

    def close(self) -> None:
        if self.image is not self.origin:
            self.image.close()


class Part(ImageReader):
    """A window of an image, as an image; closing it closes the image."""

    def __init__(self, image: ImageReader, window: tuple[int, int, int, int]) -> None:
        """`window`: top, bottom, left, right in the image's own pixels."""
        top, bottom, left, right = window
        self.image, self.window, self.shape = image, window, (bottom - top, right - left)
        self.path, self.dtype, self.bands = image.path, image.dtype, image.bands
        self.radiometry, self.may_lack_data = image.radiometry, image.may_lack_data
        self.georeference = moved(image.georeference, top, left)

    def pixels(self, top: int, bottom: int, left: int, right: int) -> tuple[np.ndarray, np.ndarray | None]:
        above, _, before, _ = self.window
        return self.image.pixels(top + above, bottom + above, left + before, right + before)

    def close(self) -> None:
        self.image.close()


class Pixels(Closing):
    """An image in memory, (H, W, B), as the network is fed."""

    def __init__(
        self, image: np.ndarray, valid: np.ndarray | None = None, georeference: Georeference | None = None
    ) -> None:
        self.image, self.georeference = image, georeference
        self.shape = image.shape[:2]
        self._valid = valid

    def read(self, top: int, bottom: int, left: int, right: int) -> np.ndarray:
        """A view of the image."""
        return self.image[top:bottom, left:right]

    raw = read

    def valid(self, top: int, bottom: int, left: int, right: int) -> np.ndarray | None:
        """Which pixels of a window have data, (h, w) bool; None where all have."""
        return None if self._valid is None else self._valid[top:bottom, left:right]

    def at(self, shape: tuple[int, int]) -> Pixels:
        """The image at another size."""
        if tuple(shape) == self.shape:
            return self
        valid = None if self._valid is None else resized(self._valid.astype(np.float32), shape) >= 0.5
        return Pixels(resized(self.image, shape), valid, scaled(self.georeference, self.shape, shape))

    def close(self) -> None:
        """Nothing is open."""
