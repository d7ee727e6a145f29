"""Predicts a set of images and keeps each label map as an index PNG, reached through probabilities.

predict_folder(checkpoint, competition, pairs, out, tta="d4")      # out/<id>.png, at the competition's size
masks = masks_in(out, competition)                                 # masks("5000") -> (H, W) uint8
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import torch

from lib.competitions import Competition, Pair
from lib.inference.predict import predict
from lib.inference.restore import restore
from lib.models.checkpoint import Checkpoint
from lib.rasters import mask_folder, read_image


def predict_folder(
    checkpoint: Checkpoint,
    competition: Competition,
    pairs: list[Pair],
    out: Path,
    tta: str | None = None,
    about: dict | None = None,
    track: Callable[[list[Pair]], Iterable[Pair]] = iter,
) -> None:
    """Write a label map for every image, and last `predictions.json`, which says what made them.

    Raises `UsageError` before any work when `out` holds files of the same names that are not predictions.
    A competition with a fixed mask size gets its masks at that size; else every mask has its image's own.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = checkpoint.model.to(device)

    def predicted() -> Iterator[tuple[str, np.ndarray]]:
        for pair in track(pairs):
            image = read_image(pair.image)
            size = competition.submission.size or image.shape[:2]
            yield pair.id, restore(predict(model, image, checkpoint.recipe, tta), size)

    ids = [pair.id for pair in pairs]
    made = {"competition": competition.name, "tta": tta or checkpoint.recipe.infer.tta} | (about or {})
    mask_folder.write(out, competition, ids, predicted(), made)
