"""Image and labels of a pair at a working size, by windows: from the cache where they lie in it, else from their files.

    reading = Reading(competition, radiometry, Cache(folder, most=20e9))
    reading.keep(pair, scale=0.5)                          # decode it once, into the cache
    image, labels = reading.window(pair, 0.5, (0, 512, 0, 512))

Windows are counted in pixels at the working size, from the corner of the pair's own part of the image. Labels of pixels
without data are ignored, and so are those of excluded tiles.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from lib import files
from lib.competitions import IGNORE, Competition, Pair
from lib.competitions.layout import Window
from lib.data.aligned_labels import AlignedLabels
from lib.data.cache import Band, Cache
from lib.rasters.opening import Closing
from lib.rasters.radiometry import Radiometry
from lib.rasters.reader import Raster, open_image, working_shape

VERSION = 1
"""Raised whenever the same files would be decoded to other pixels."""

ROWS = 16_000_000
"""Values of an image that are read at a time where more of it is wanted."""

OPEN = 3
"""Files that stay open in a process that reads them by windows."""

LARGE = 1 << 30
"""Bytes of a decoded image from which on it is read by windows, if its format allows that."""


class Reading:
    """How a competition's pairs are read; goes along to a loader's workers."""

    def __init__(
        self,
        competition: Competition,
        radiometry: Radiometry,
        cache: Cache | None = None,
        excluded: Iterable[Pair] = (),
    ) -> None:
        """`excluded`: parts of images whose labels are not to be learnt."""
        self.competition = competition
        self.radiometry = radiometry
        self.cache = cache
        self.aligned = AlignedLabels(cache.folder.with_name("labels"), competition) if cache else None
        self.excluded: dict[Path, list[Window]] = {}
        self.exclude(excluded)
        self._open: OrderedDict[tuple[Path, float], _Opened] = OrderedDict()
        self._names: dict[tuple[Path, Path | None, float], str] = {}
        self._shapes: dict[Path, tuple[int, int]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_open": OrderedDict()}

    def exclude(self, parts: Iterable[Pair]) -> None:
        """Ignore the labels of parts of images from now on."""
        for part in parts:
            self.excluded.setdefault(part.image, []).append(part.window)

    def image_shape(self, pair: Pair) -> tuple[int, int]:
        """Height and width of the whole image at its own size."""
        if pair.image not in self._shapes:
            with open_image(pair.image, self.competition.images, self.radiometry) as image:
                self._shapes[pair.image] = image.shape
        return self._shapes[pair.image]

    def area(self, pair: Pair, scale: float) -> Window:
        """The pair's part of its image, in pixels of the image at the working size."""
        own = self.image_shape(pair)
        return _scaled(pair.window or (0, own[0], 0, own[1]), own, scale)

    def shape(self, pair: Pair, scale: float) -> tuple[int, int]:
        """Height and width of the pair's part at the working size."""
        top, bottom, left, right = self.area(pair, scale)
        return bottom - top, right - left

    def keep(self, pair: Pair, scale: float) -> bool:
        """Decode a pair's whole image into the cache; False where it is better read from its file, or has no room."""
        if self.cache is None:
            return False
        self.aligned.make(pair)
        name = self._name(pair, scale)
        if self.cache.get(name) is not None:
            return True
        with _Opened(pair, self, scale) as opened:
            height, width = opened.shape
            channels, dtype = self.radiometry.channels, self.radiometry.dtype
            if opened.by_windows and height * width * channels * np.dtype(dtype).itemsize > LARGE:
                return False
            return self.cache.add(name, (height, width), channels, dtype, opened.bands())

    def window(self, pair: Pair, scale: float, window: Window) -> tuple[np.ndarray, np.ndarray]:
        """Image (h, w, B), as the network is fed, and labels (h, w) uint8; not to be written to."""
        area = self.area(pair, scale)
        place = window[0] + area[0], window[1] + area[0], window[2] + area[2], window[3] + area[2]
        kept = self.cache and self.cache.get(self._name(pair, scale))
        if kept:
            top, bottom, left, right = place
            image, labels = kept[0][top:bottom, left:right], kept[1][top:bottom, left:right]
        else:
            image, labels = self._opened(pair, scale).read(*place)
        return image, self._without_excluded(labels, pair, scale, place)

    def image(self, pair: Pair, scale: float) -> np.ndarray:
        """The pair's part of the image (h, w, B) at the working size; may lie in the cache."""
        height, width = self.shape(pair, scale)
        return self.window(pair, scale, (0, height, 0, width))[0]

    def truth(self, pair: Pair) -> np.ndarray:
        """Labels (H, W) uint8 of the pair's part at its own size, as a submission is scored against them: what has no
        data and what is excluded from training counts as it is."""
        with _Opened(pair, self, 1.0) as opened:
            return opened.all_labels(*self.area(pair, 1.0))

    def labels(self, pair: Pair) -> Labels:
        """The labels that are learnt of a pair's whole image at its own size, as a reader to be closed."""
        return Labels(self, pair)

    def within(self, pair: Pair, scale: float, window: Window) -> Window:
        """A window of the image, in its own pixels, as one of the pair's part at the working size; never empty."""
        top, bottom, left, right = _scaled(window, self.image_shape(pair), scale)
        area = self.area(pair, scale)
        rows, columns = (top - area[0], bottom - area[0]), (left - area[2], right - area[2])
        return *_clipped(rows, area[1] - area[0]), *_clipped(columns, area[3] - area[2])

    def place(self, pair: Pair, scale: float, row: int, column: int) -> tuple[int, int]:
        """The pixel of the pair's part at the working size in which a pixel of the image itself lies."""
        top, _, left, _ = self.within(pair, scale, (row, row + 1, column, column + 1))
        return top, left

    def _without_excluded(self, labels: np.ndarray, pair: Pair, scale: float, place: Window) -> np.ndarray:
        inside = []
        for excluded in self.excluded.get(pair.image, ()):
            top, bottom, left, right = _scaled(excluded, self.image_shape(pair), scale)
            rows, columns = (top - place[0], bottom - place[0]), (left - place[2], right - place[2])
            if rows[1] > 0 and columns[1] > 0 and rows[0] < labels.shape[0] and columns[0] < labels.shape[1]:
                inside.append((slice(max(0, rows[0]), rows[1]), slice(max(0, columns[0]), columns[1])))
        if inside:
            labels = labels.copy()
            for each in inside:
                labels[each] = IGNORE
        return labels

    def _opened(self, pair: Pair, scale: float) -> _Opened:
        key = pair.image, scale
        if key not in self._open:
            self._open[key] = _Opened(pair, self, scale)
            while len(self._open) > OPEN:
                self._open.popitem(last=False)[1].close()
        self._open.move_to_end(key)
        return self._open[key]

    def _name(self, pair: Pair, scale: float) -> str:
        """What tells a cache entry from others: the files as they are now, and what decides on the pixels."""
        key = pair.image, pair.mask, scale
        if key not in self._names:
            states = [(str(path), files.state_of(path)) for path in key[:2] if path]
            told = self.competition.model_dump(mode="json", include={"images", "masks", "classes", "ignore"})
            text = json.dumps([VERSION, states, told, self.radiometry.as_dict(), scale])
            self._names[key] = hashlib.sha256(text.encode()).hexdigest()[:32]
        return self._names[key]


class Labels(Closing):
    """The labels of a whole image at its own size: what has no data and what is excluded is ignored."""

    def __init__(self, reading: Reading, pair: Pair) -> None:
        self._reading, self._pair = reading, pair
        self._opened = _Opened(pair, reading, 1.0)
        self.shape = self._opened.shape

    def read(self, top: int, bottom: int, left: int, right: int) -> np.ndarray:
        """A window (h, w) uint8."""
        labels = self._opened.labels(top, bottom, left, right)
        return self._reading._without_excluded(labels, self._pair, 1.0, (top, bottom, left, right))

    def close(self) -> None:
        self._opened.close()


class _Opened(Closing):
    """The files of a pair, open at a working size."""

    def __init__(self, pair: Pair, reading: Reading, scale: float) -> None:
        self._stack, competition = ExitStack(), reading.competition
        image = self._stack.enter_context(open_image(pair.image, competition.images, reading.radiometry))
        self.shape = working_shape(image.shape, scale)
        self.by_windows = isinstance(image, Raster)
        self._image = image.at(self.shape)
        self._labels = None
        if pair.mask is not None:
            kept = reading.aligned or AlignedLabels(Path(), competition)
            self._labels = self._stack.enter_context(kept.open(pair, image)).at(self.shape)

    def read(self, top: int, bottom: int, left: int, right: int) -> tuple[np.ndarray, np.ndarray]:
        """A window of the image and of its labels."""
        return self._image.read(top, bottom, left, right), self.labels(top, bottom, left, right)

    def labels(self, top: int, bottom: int, left: int, right: int) -> np.ndarray:
        """A window of the labels; those of pixels without data are ignored."""
        if self._labels is None:
            return np.full((bottom - top, right - left), IGNORE, np.uint8)
        labels = self.all_labels(top, bottom, left, right)
        if not self._image.may_lack_data:
            return labels
        rows = self._rows(right - left)
        for first in range(top, bottom, rows):  # to know of its data, all bands are read
            last = min(first + rows, bottom)
            valid = self._image.valid(first, last, left, right)
            if valid is not None:
                labels = labels if labels.flags.writeable else labels.copy()
                part = labels[first - top : last - top]
                part[~valid] = IGNORE
        return labels

    def all_labels(self, top: int, bottom: int, left: int, right: int) -> np.ndarray:
        """A window of the labels as the mask has them."""
        return self._labels.read(top, bottom, left, right)

    def bands(self) -> Iterator[Band]:
        """All of it, from the top."""
        height, width = self.shape
        rows = self._rows(width)
        for top in range(0, height, rows):
            yield top, *self.read(top, min(top + rows, height), 0, width)

    def _rows(self, width: int) -> int:
        """How many rows of all bands are read at a time."""
        return max(32, ROWS // (width * len(self._image.bands)))

    def close(self) -> None:
        self._stack.close()


def _scaled(window: Window, own: tuple[int, int], scale: float) -> Window:
    """A window of an image of `own` height and width, at the working size; never empty."""
    height, width = working_shape(own, scale)
    top, bottom = (round(edge * height / own[0]) for edge in window[:2])
    left, right = (round(edge * width / own[1]) for edge in window[2:])
    return *_clipped((top, bottom), height), *_clipped((left, right), width)


def _clipped(edges: tuple[int, int], length: int) -> tuple[int, int]:
    """Two edges inside of [0, length], at least a pixel apart."""
    first = min(max(0, edges[0]), length - 1)
    return first, max(first + 1, min(edges[1], length))
