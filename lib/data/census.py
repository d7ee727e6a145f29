"""How many pixels of each class every tile holds: counted once, kept by what the files contain.

    found = census(pairs, read, classes=6, side=512, overlap=0.25, cache=scratch / "census", key=coding)
    found.names[0], found.counts[0]         # "M-33-20@r0-512c0-512", (7,) pixels of each class, then those ignored

Masks are read in bands of rows and counted in threads, so a raster of 30,000 x 30,000 needs little memory.
"""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol
from zipfile import BadZipFile

import cv2
import numpy as np

from lib import files
from lib.competitions import IGNORE, Pair
from lib.competitions.layout import Window
from lib.data import tiles
from lib.errors import DataError

BAND = 2**24
"""Pixels that are read at once. OpenCV's histogram counts in float32, which is exact up to here."""

WHOLE = 64 * 2**20
"""Bytes up to which a mask is told by the hash of all it contains."""
END = 2**20
"""Bytes at the beginning and the end of a larger file which tell it, with its size and time; and of most images, whose
pixels without data are ignored, too."""


class Labels(Protocol):
    """What labels are read from; a context manager, too, where something must be closed."""

    shape: tuple[int, int]

    def read(self, top: int, bottom: int, left: int, right: int) -> np.ndarray:
        """(h, w) uint8: class indices, 255 = ignored."""


@dataclass(frozen=True)
class InMemory:
    """A label map (H, W) uint8 as something to read from."""

    labels: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        return self.labels.shape

    def read(self, top: int, bottom: int, left: int, right: int) -> np.ndarray:
        return self.labels[top:bottom, left:right]


@dataclass(frozen=True)
class Tile:
    """A tile of a pair's image, in pixels of the image at its own size."""

    pair: int
    """The pair's place in the census's list."""
    window: Window
    core: Window
    """The part that no other tile of the pair has: overlaps are divided in their middle."""


@dataclass(frozen=True)
class Census:
    """The tiles of some pairs, pair by pair and row by row, and what they hold."""

    pairs: tuple[Pair, ...]
    tiles: tuple[Tile, ...]
    counts: np.ndarray
    """(T, C + 1) int64: pixels of each class in each tile, then those that are ignored."""
    pair_counts: np.ndarray
    """(P, C + 1) int64: the same of each pair, every pixel once however tiles overlap."""

    @property
    def totals(self) -> np.ndarray:
        """(C + 1,) int64: the same of all pairs."""
        return self.pair_counts.sum(axis=0)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The tiles' names (lib/data/tiles.py)."""
        return tuple(tiles.name(tiles.image_of(self.pairs[tile.pair]), tile.window) for tile in self.tiles)


def census(
    pairs: list[Pair],
    read: Callable[[Pair], Labels],
    classes: int,
    side: int,
    overlap: float = 0.0,
    cache: Path | None = None,
    key: object = "",
    track: Callable[[int, int], None] | None = None,
) -> Census:
    """Divide every pair, or its part, into tiles of `side` pixels of the image itself, and count each.

    Counts of earlier calls are taken from the folder `cache` where mask and image hold the same content, the labels'
    size, the tiles and the `key` (how labels are coded, as text) are the same. `track(done, of)` hears of each file.
    Raises `DataError` that names the mask for a label that no class has.
    """
    files_of: dict[tuple[Path, Path | None], list[int]] = defaultdict(list)
    for place, pair in enumerate(pairs):
        files_of[pair.image, pair.mask].append(place)

    def job(places: list[int]) -> list[tuple[list[Window], list[Window], np.ndarray, np.ndarray]]:
        return _counted([pairs[place] for place in places], read, classes, side, overlap, cache, str(key))

    parts: dict[int, tuple] = {}
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for done, (places, found) in enumerate(zip(files_of.values(), pool.map(job, files_of.values()), strict=True)):
            parts.update(zip(places, found, strict=True))
            if track:
                track(done + 1, len(files_of))
    found = [parts[place] for place in range(len(pairs))]
    listed = [
        Tile(place, *both)
        for place, (windows, cores, _, _) in enumerate(found)
        for both in zip(windows, cores, strict=True)
    ]
    none = np.zeros((0, classes + 1), np.int64)
    counts = np.concatenate([none, *(part[2] for part in found)])
    totals = np.concatenate([none, *(part[3][None] for part in found)])
    return Census(tuple(pairs), tuple(listed), counts, totals)


def count(labels: np.ndarray, classes: int) -> np.ndarray:
    """(C + 1,) int64: pixels of each class in a label map of at most 2^24 pixels, then those that are ignored.

    Raises `DataError` for another label.
    """
    seen = cv2.calcHist([labels], [0], None, [256], [0, 256]).ravel().astype(np.int64)
    if seen[classes:IGNORE].any():
        raise DataError(f"label {classes + int(seen[classes:IGNORE].argmax())}, where there are {classes} classes")
    return np.append(seen[:classes], seen[IGNORE])


def _counted(
    pairs: list[Pair],
    read: Callable[[Pair], Labels],
    classes: int,
    side: int,
    overlap: float,
    cache: Path | None,
    key: str,
) -> list[tuple[list[Window], list[Window], np.ndarray, np.ndarray]]:
    """Tiles, cores, (T, C + 1) counts and (C + 1,) totals of each of some parts of one image."""
    with _opened(read(pairs[0])) as labels:
        cuts = [[cut(labels.shape, side, overlap, pair.window) for cut in (tiles.grid, tiles.cores)] for pair in pairs]
        store = None
        if cache is not None:
            sources = _content(pairs[0].mask, WHOLE), _content(pairs[0].image, 2 * END)
            told = (*sources, labels.shape, key, classes, [windows for windows, _ in cuts])
            store = Path(cache) / f"{hashlib.sha256(repr(told).encode()).hexdigest()[:32]}.npz"
        tables = _kept(store, [len(windows) for windows, _ in cuts], classes)
        if tables is None:
            try:
                tables = [_tally(labels, windows, classes) for windows, _ in cuts]
            except DataError as error:
                raise DataError(f"{pairs[0].mask}: {error.reason}", error.hint) from None
            if store is not None:
                with files.replacing(store) as file:
                    np.savez(file, counts=np.concatenate([one for one, _ in tables]), totals=[two for _, two in tables])
    return [(*cut, *table) for cut, table in zip(cuts, tables, strict=True)]


def _kept(store: Path | None, lengths: list[int], classes: int) -> list[tuple[np.ndarray, np.ndarray]] | None:
    """What an earlier call left; None where there is nothing, or nothing that can be used."""
    if store is None or not store.is_file():
        return None
    try:
        with open(store, "rb") as file, np.load(file, allow_pickle=False) as kept:
            counts, totals = kept["counts"], kept["totals"]
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None
    shapes = counts.shape, totals.shape
    if shapes != ((sum(lengths), classes + 1), (len(lengths), classes + 1)) or counts.dtype != np.int64:
        return None
    return list(zip(np.split(counts, np.cumsum(lengths)[:-1]), totals, strict=True))


def _tally(labels: Labels, windows: list[Window], classes: int) -> tuple[np.ndarray, np.ndarray]:
    """(T, C + 1) of the tiles of a grid, and (C + 1,) of their union.

    The tiles' edges cut the image into cells. Each cell is counted once, and tiles are sums of cells.
    """
    rows = sorted({row for window in windows for row in window[:2]})
    columns = sorted({column for window in windows for column in window[2:]})
    cells = np.zeros((len(rows), len(columns), classes + 1), np.int64)
    for top, bottom in _bands(rows, columns[-1] - columns[0]):
        strip = np.ascontiguousarray(labels.read(top, bottom, columns[0], columns[-1]))
        inside = np.searchsorted(rows, top, side="right") - 1
        for first, last in zip(rows[inside:-1], rows[inside + 1 :], strict=True):
            if first >= bottom:
                break
            lines = strip[max(first, top) - top : min(last, bottom) - top]
            for place, left in enumerate(columns[:-1]):
                cell = lines[:, left - columns[0] : columns[place + 1] - columns[0]]
                cells[inside, place] += count(cell, classes)
            inside += 1
    sums = np.zeros((len(rows), len(columns), classes + 1), np.int64)
    sums[1:, 1:] = cells[:-1, :-1].cumsum(axis=0).cumsum(axis=1)
    tops, bottoms = (np.searchsorted(rows, [window[edge] for window in windows]) for edge in (0, 1))
    lefts, rights = (np.searchsorted(columns, [window[edge] for window in windows]) for edge in (2, 3))
    counts = sums[bottoms, rights] - sums[tops, rights] - sums[bottoms, lefts] + sums[tops, lefts]
    return counts, sums[-1, -1]


def _bands(rows: list[int], width: int) -> Iterator[tuple[int, int]]:
    """Bands of at most `BAND` pixels (but never less than a row) from the first to the last of some rows."""
    height = max(1, BAND // width)
    for top in range(rows[0], rows[-1], height):
        yield top, min(top + height, rows[-1])


def _content(path: Path | None, whole: int) -> tuple:
    """What tells a file from another: name, size, and the hash of what it contains.

    A file of more than `whole` bytes is told by its beginning, its end and the time of its last change.
    """
    if path is None or not path.is_file():
        return ("no file",)
    size = path.stat().st_size
    if size <= whole:
        return path.name, size, files.sha256(path)
    with open(path, "rb") as file:
        ends = hashlib.sha256(file.read(END))
        file.seek(-END, os.SEEK_END)
        ends.update(file.read())
    return path.name, size, path.stat().st_mtime_ns, ends.hexdigest()


@contextmanager
def _opened(labels: Labels) -> Iterator[Labels]:
    """The labels, closed behind the block where they can be."""
    with labels if isinstance(labels, AbstractContextManager) else nullcontext():
        yield labels
