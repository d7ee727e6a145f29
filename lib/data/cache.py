"""Decoded pixels on the session's scratch disk: an image is decoded once, and every worker of every rank maps the file.

    cache = Cache(folders.scratch / "pixels", most=20e9)
    cache.add(name, shape, channels, dtype, bands)        # bands yields (top, image rows, label rows)
    image, labels = cache.get(name)                       # arrays (H, W, B) and (H, W) on disk, or None

A crop of a mapped array costs the pages that it touches, which the system keeps in memory for all processes at once.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from lib import files

Band = tuple[int, np.ndarray, np.ndarray]
"""The first row, image rows (h, W, B) and label rows (h, W)."""

Entry = tuple[np.ndarray, np.ndarray]

FREE = 0.7
"""The share of the disk's free space that may be filled."""

OPEN = 200
"""Entries that a process keeps mapped: each holds two open files, of which a system allows about a thousand."""


class Cache:
    """A folder of decoded images with their labels; entries that were not used for longest make room for new ones."""

    def __init__(self, folder: Path, most: float) -> None:
        """`most`: bytes that the folder may hold, and no more than a share of what is free on its disk."""
        self.folder = Path(folder)
        self.most = most
        self._used: set[str] = set()
        self._promised = 0
        self._lock = threading.Lock()
        self._mapped: OrderedDict[str, Entry] = OrderedDict()

    def __getstate__(self) -> dict[str, Any]:
        """A loader's worker maps for itself."""
        return {"folder": self.folder, "most": self.most}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)

    def get(self, name: str) -> Entry | None:
        """An entry's image (H, W, B) and labels (H, W) uint8, read from disk where touched; None without one."""
        if name in self._mapped:
            self._mapped.move_to_end(name)
            return self._mapped[name]
        image, labels = self._paths(name)
        try:
            entry = np.load(image, mmap_mode="r"), np.load(labels, mmap_mode="r")
        except (OSError, ValueError):
            return None
        self._mapped[name] = entry
        if len(self._mapped) > OPEN:
            self._mapped.popitem(last=False)
        return entry

    def add(self, name: str, shape: tuple[int, int], channels: int, dtype: Any, bands: Iterable[Band]) -> bool:
        """Write an entry, whole or not at all; False when there is no room for it.

        `bands` cover the image from the top. An entry that is there is kept, and `bands` is not looked at.
        """
        image, labels = self._paths(name)
        with self._lock:
            self._used.add(name)
            if labels.is_file() and image.is_file():
                with contextlib.suppress(OSError):
                    os.utime(labels)
                return True
            size = shape[0] * shape[1] * (channels * np.dtype(dtype).itemsize + 1)
            if not self._make_room(size):
                return False
            self._promised += size
        try:
            self._write(name, shape, channels, dtype, bands)
        finally:
            with self._lock:
                self._promised -= size
        return True

    def _write(self, name: str, shape: tuple[int, int], channels: int, dtype: Any, bands: Iterable[Band]) -> None:
        with files.told(self.folder):
            growing = Path(tempfile.mkdtemp(prefix=".growing-", dir=self.folder))
        try:
            with files.told(self.folder):
                paths = [growing / path.name for path in self._paths(name)]
                image = np.lib.format.open_memmap(paths[0], "w+", dtype, (*shape, channels))
                labels = np.lib.format.open_memmap(paths[1], "w+", np.uint8, shape)
            for top, rows, row_labels in bands:
                image[top : top + len(rows)] = rows
                labels[top : top + len(rows)] = row_labels
            del image, labels  # written
            for path, target in zip(paths, self._paths(name), strict=True):
                os.replace(path, target)
        finally:
            shutil.rmtree(growing, ignore_errors=True)

    def _make_room(self, size: int) -> bool:
        """Whether `size` bytes more may be written, after entries of others were deleted for them."""
        self.folder.mkdir(parents=True, exist_ok=True)
        entries = sorted(self.folder.glob("*.labels.npy"), key=_changed)
        held = {path: _bytes(path) + _bytes(self._image_of(path)) for path in entries}
        free = shutil.disk_usage(self.folder).free * FREE - self._promised
        room = min(self.most - sum(held.values()) - self._promised, free)
        for path in entries:
            if room >= size:
                break
            if path.name.removesuffix(".labels.npy") in self._used:
                continue
            room += held[path]
            path.unlink(missing_ok=True)
            self._image_of(path).unlink(missing_ok=True)
        return room >= size

    def _paths(self, name: str) -> tuple[Path, Path]:
        return self.folder / f"{name}.image.npy", self.folder / f"{name}.labels.npy"

    @staticmethod
    def _image_of(labels: Path) -> Path:
        return labels.with_name(labels.name.replace(".labels.", ".image."))


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
