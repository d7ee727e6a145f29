"""One look at a pair of files: each is decoded once, and what all checks need of it is kept, a few kilobytes.

records = look_at(pairs, track)        # in threads, in the order of the pairs
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from lib import files
from lib.data.doctor import alignment, counting, leakage
from lib.data.doctor.counting import Values
from lib.data.doctor.statistics import Bands
from lib.errors import DataError
from lib.rasters.headers import Header, read_header
from lib.rasters.stored import LARGE, in_colours, measured, small, strips

Track = Callable[[Sequence, str], Iterable]
"""Passes items on and shows how many are done: `track(items, words)`."""

SIDE = 16
"""Side of the grey picture by which images are compared."""

VIEW = 2048
"""Longest side of the view of a very large raster from which pictures are compared."""


@dataclass
class Picture:
    """An image file and what was seen in it."""

    path: Path
    head: Header | None = None
    error: str | None = None
    sha256: str = ""
    grey: np.ndarray | None = None
    """(16, 16) float32: means of the grey picture, 0..255 by its own range; None where there is nothing to compare."""
    bands: Bands | None = None
    edges: leakage.Edges | None = None


@dataclass
class Mask:
    """A mask file and what was seen in it."""

    path: Path
    head: Header | None = None
    error: str | None = None
    sha256: str = ""
    values: Values = field(default_factory=Values)

    @property
    def readable(self) -> bool:
        """Whether its pixels could be read."""
        return self.head is not None and self.error is None


@dataclass
class Record:
    """An image, its mask, and how well they lie on each other."""

    id: str
    group: str
    image: Picture
    mask: Mask | None = None
    part: str | None = None
    """training, validation or test, where that is known."""
    fit: alignment.Fit | None = None
    stray: bool = False
    """A mask without an image: `image` stands for nothing, and is not looked at."""

    @property
    def shown(self) -> Path | None:
        """The image's path, where there is an image."""
        return None if self.stray else self.image.path


def look_at(todo: Sequence[Record], track: Track, threshold: int | None = None) -> list[Record]:
    """Fill records in; a file that cannot be read leaves its error in its record. `threshold`: the competition's,
    behind which the colours of masks are counted."""
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        futures = [pool.submit(_look, record, threshold) for record in todo]
        try:
            return [future.result() for future in track(futures, "looking")]
        finally:
            pool.shutdown(cancel_futures=True)


def _look(record: Record, threshold: int | None) -> Record:
    grey = None if record.stray else _look_at_image(record.image)
    borders = _look_at_mask(record.mask, threshold) if record.mask else None
    if grey is not None and borders is not None and grey.shape == borders.shape:
        record.fit = alignment.fit(grey, borders)
    return record


def _look_at_image(picture: Picture) -> np.ndarray | None:
    """Fill in what an image holds; returns its grey picture where it is not too large to be compared."""
    try:
        head = read_header(picture.path)
        picture.head, picture.sha256 = head, files.sha256(picture.path)
        view = None
        for _, pixels in strips(picture.path, head):
            head = measured(head, pixels)
            picture.bands = picture.bands or Bands(pixels.shape[2], pixels.dtype, head.nodata)
            picture.bands.see(pixels)
            view = pixels
        large = head.size > LARGE
        if large and head.format == "TIFF":
            view = small(picture.path, head, VIEW)
        picture.head = head
        grey = grey_of(view, head)
        if grey.std() >= 1:
            picture.grey = cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
        if not large:
            picture.edges = leakage.Edges.of(grey)
            return grey
    except (DataError, OSError) as error:
        picture.error = _reason(error, picture.path)
    return None


def _look_at_mask(mask: Mask, threshold: int | None) -> np.ndarray | None:
    """Fill in what a mask holds; returns where its labels border on others, (H, W) bool."""
    try:
        mask.head = read_header(mask.path)
        mask.sha256 = files.sha256(mask.path)
        found, borders = [], None
        for top, pixels in strips(mask.path, mask.head):
            if threshold and pixels.dtype == np.uint8 and pixels.shape[2] >= 3:
                pixels = np.where(pixels >= threshold, np.uint8(255), np.uint8(0))
            values, borders = counting.count(pixels, top)
            found.append(values)
            mask.head = measured(mask.head, pixels)
        mask.values = counting.total(found)
        return borders if len(found) == 1 else None
    except (DataError, OSError) as error:
        mask.error = _reason(error, mask.path)
    return None


def grey_of(pixels: np.ndarray, head: Header) -> np.ndarray:
    """An image (h, w, B) as one band, (h, w) uint8; numbers of more than 8 bits by their own range."""
    if head.palette is not None or head.one_bit:
        pixels = in_colours(pixels, head)
    bands = pixels[..., : 3 if pixels.shape[2] >= 3 else 1]
    if bands.dtype == np.uint8:
        bands = np.ascontiguousarray(bands)
        return cv2.cvtColor(bands, cv2.COLOR_RGB2GRAY) if bands.shape[2] == 3 else bands[..., 0]
    plane = bands.astype(np.float32).mean(axis=2)
    known = np.isfinite(plane) & (True if head.nodata is None else (bands != head.nodata).all(axis=2))
    if not known.any():
        return np.zeros(plane.shape, np.uint8)
    low, high = np.percentile(plane[known][:: max(1, plane.size // 100_000)], (1, 99))
    plane = np.clip((plane - low) * (255 / max(high - low, 1e-6)), 0, 255)
    plane[~known] = 0
    return plane.astype(np.uint8)


def _reason(error: Exception, path: Path) -> str:
    words = getattr(error, "reason", None) or str(error)
    return words.removeprefix(str(path)).strip(" :") or type(error).__name__
