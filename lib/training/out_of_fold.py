"""What a fold's best weights make of the images that it held out: counts for the score, probabilities to look at again.

    predict_held_out(run, images, folders)       # folds/2/counts.npz, oof/<id>.tif for each image that fold 2 held out

It is the validation of the best epoch once more, by the very same function: without orientations, at the working size.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from lib import files
from lib.folders import OOF, Folders
from lib.inference import probabilities
from lib.models import checkpoint
from lib.scoring import counts_file
from lib.training.loop import Training
from lib.training.validation import validate

COUNTS = "counts.npz"
"""In a fold's folder: the counts of the images that it held out, in the order of its summary."""


def predict_held_out(run: Training, images: Iterable, folders: Folders) -> None:
    """Predict the images that a fold held out with its best weights; every rank its share of them.

    `images` as `Training.go` takes them. Raises `SessionEnds` when the session ends first; the next one begins anew.
    """
    run.together.any(False)  # rank 0 has written the best weights
    checkpoint.fill(run.model, checkpoint.read(run.keeper.path)[1], run.keeper.path)
    ids, names = run.held_out, run.competition.names
    folder = folders.outputs / OOF
    if run.fabric.is_global_zero:
        print(f"predicting the {len(ids)} images that were held out, with the best weights", flush=True)
    with ThreadPoolExecutor(1, "oof") as writer, run.limit.saving():
        writing = Writing(writer, folder, ids, names) if folders.fold.keeps else None
        found = validate(
            run.model,
            run.while_there_is_time(images),
            run.competition,
            run.recipe,
            run.together,
            ids,
            *([writing.looker] if writing else []),
        )
        if writing:
            writing.settle()
    run.together.any(False)  # every rank's files are there
    if run.fabric.is_global_zero:
        counts_file.write(folders.working / COUNTS, [count for _, count in found.counts])


class Writing:
    """Files of probabilities, written behind the model: one waits while the next image is predicted."""

    def __init__(self, writer: ThreadPoolExecutor, folder: Path, ids: Sequence[str], names: Sequence[str]) -> None:
        self._writer, self._folder, self._ids, self._names = writer, folder, ids, tuple(names)
        self._last: Future | None = None

    def looker(self, index: int, shape: tuple[int, int], size: tuple[int, int]) -> Stack:
        """What collects the probabilities of an image: its number, working size and original size."""
        return Stack(self, files.inside(self._folder, f"{self._ids[index]}.tif"), shape, size, self._names)

    def write(self, stack: Stack) -> None:
        """Write what was collected."""
        self.settle()
        self._last = self._writer.submit(stack.write)

    def settle(self) -> None:
        """Wait until everything is written; raises what went wrong."""
        if self._last is not None:
            self._last.result()
            self._last = None


class Stack:
    """An image's probabilities (C, h, w) as uint8."""

    def __init__(
        self, writing: Writing, path: Path, shape: tuple[int, int], size: tuple[int, int], names: tuple[str, ...]
    ) -> None:
        self._writing, self._path, self._shape, self._size, self._names = writing, path, shape, size, names
        self._planes = np.zeros((len(names), *shape), np.uint8)

    def see(self, top: int, left: int, rows: torch.Tensor) -> None:
        """Take probabilities (C, r, w) whose first pixel lies there."""
        self._planes[:, top : top + rows.shape[1], left : left + rows.shape[2]] = probabilities.as_bytes(rows)

    def close(self) -> None:
        """All were seen."""
        self._writing.write(self)

    def write(self) -> None:
        """Write the file, whole or not at all."""
        bands = (
            (top, torch.from_numpy(self._planes[:, top:bottom]).float() / 255)
            for top, bottom in probabilities.bands(self._shape[0])
        )
        probabilities.write(self._path, bands, self._shape, self._size, self._names)


def bytes_of(shapes: Iterable[tuple[int, int]], classes: int) -> int:
    """What the probabilities of images of these working sizes take, before they are packed."""
    return sum(classes * height * width for height, width in shapes)
