"""Labels that lie on another grid than their image, brought onto it once and kept on the scratch disk.

    kept = AlignedLabels(scratch / "labels", competition)
    kept.make(pair)                              # by windows, on every core; the work of an earlier call is found again
    with kept.open(pair, image) as labels:       # a reader: from the kept file, else straight from the mask
        labels.read(0, 512, 0, 512)

Of labels ten times finer, a window of 512 pixels has 26 million: that is paid once, not for every crop. Images that
share a mask and a grid, such as two dates of one place, share the file.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from lib import files
from lib.competitions import Competition, Pair
from lib.rasters.labels import Labels, open_labels
from lib.rasters.reader import open_image

SIDE = 512
"""Side of the windows that are brought onto the grid at a time."""

VERSION = 1


class AlignedLabels:
    """A folder of label maps, each as its image's grid has it."""

    def __init__(self, folder: Path, competition: Competition) -> None:
        self.folder, self.competition = Path(folder), competition
        self._locks: dict[Path, Any] = defaultdict(threading.Lock)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_locks": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["folder"], state["competition"])

    def make(self, pair: Pair) -> None:
        """Bring a pair's labels onto its image's grid, where they lie on another; whole or not at all.

        Raises `DataError` for files that cannot be read.
        """
        if self.competition.masks.resample is None or pair.mask is None:
            return
        with open_image(pair.image, self.competition.images) as image:
            target = self._path(pair, image)
            with self._locks[target], open_labels(pair.mask, self.competition, image) as labels:
                if hasattr(labels, "method") and not target.is_file():  # else they have the image's grid
                    self._write(pair, target, image.shape)

    def open(self, pair: Pair, image: Any) -> Labels:
        """A pair's labels on the grid of `image`, its open reader."""
        if self.competition.masks.resample is not None:
            path = self._path(pair, image)
            if path.is_file():
                return Kept(path)
        return open_labels(pair.mask, self.competition, image)

    def _write(self, pair: Pair, target: Path, shape: tuple[int, int]) -> None:
        with files.told(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=".growing-", suffix=".npy", dir=self.folder)
            os.close(handle)
        try:
            with files.told(self.folder):
                grown = np.lib.format.open_memmap(name, "w+", np.uint8, shape)
            tops, cores = range(0, shape[0], SIDE), os.cpu_count() or 1

            def share(number: int) -> None:
                """Every so many rows of windows: a reader is for one thread."""
                with (
                    open_image(pair.image, self.competition.images) as image,
                    open_labels(pair.mask, self.competition, image) as labels,
                ):
                    for top in tops[number::cores]:
                        bottom = min(top + SIDE, shape[0])
                        for left in range(0, shape[1], SIDE):
                            right = min(left + SIDE, shape[1])
                            grown[top:bottom, left:right] = labels.read(top, bottom, left, right)

            with ThreadPoolExecutor(cores) as pool:
                list(pool.map(share, range(cores)))
            grown.flush()
            os.replace(name, target)
        finally:
            Path(name).unlink(missing_ok=True)

    def _path(self, pair: Pair, image: Any) -> Path:
        """What the labels depend on: the mask as it is now, the image's grid, how masks are read."""
        place = image.georeference
        grid = [list(image.shape), place and [str(place.crs), list(place.transform)]]
        told = self.competition.model_dump(mode="json", include={"masks", "classes", "ignore"})
        text = json.dumps([VERSION, str(pair.mask), files.state_of(pair.mask), grid, told])
        return self.folder / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.npy"


class Kept(Labels):
    """Labels of such a file, of which only what is touched is read."""

    def __init__(self, path: Path) -> None:
        self._map = np.load(path, mmap_mode="r")
        self.shape = self._map.shape

    def read(self, top: int, bottom: int, left: int, right: int) -> np.ndarray:
        return self._map[top:bottom, left:right]

    def close(self) -> None:
        """The file is let go with the object."""
