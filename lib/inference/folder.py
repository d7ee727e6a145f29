"""Predicts a set of images and keeps each label map as an index PNG, reached through probabilities.

predict_folder(checkpoint, pairs, out, tta="d4")      # out/<id>.png, at the competition's size
masks = saved(out, competition)                       # masks("5000") -> (H, W) uint8
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

import torch

from lib import files
from lib.competitions import Pair
from lib.errors import UsageError
from lib.inference.predict import predict
from lib.inference.restore import restore
from lib.inference.tta import ORIENTATIONS
from lib.models.checkpoint import Checkpoint
from lib.rasters import read_image, write_labels
from lib.validation import closest

INDEX = "predictions.json"


def predict_folder(
    checkpoint: Checkpoint,
    pairs: Iterable[Pair],
    out: Path,
    tta: str | None = None,
    about: dict | None = None,
    tick: Callable[[str], None] = lambda image: None,
) -> None:
    """Write a label map for every image, and last `predictions.json`, which says what made them.

    A competition with a fixed mask size gets its masks at that size; else every mask has its image's own.
    """
    begin = time.monotonic()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = checkpoint.model.to(device)
    done = []
    for pair in pairs:
        image = read_image(pair.image)
        size = checkpoint.competition.submission.size or image.shape[:2]
        labels = restore(predict(model, image, checkpoint.recipe, tta), size)
        write_labels(out / f"{pair.id}.png", labels, checkpoint.competition)
        done.append(pair.id)
        tick(pair.id)
    files.write_json(
        out / INDEX,
        {
            "competition": checkpoint.competition.name,
            "images": done,
            "tta": tta or checkpoint.recipe.infer.tta,
            "seconds": round(time.monotonic() - begin, 2),
            **(about or {}),
        },
    )


def turns_named(tta: str | None) -> None:
    """Raise `UsageError` for a word that names no set of orientations."""
    if tta is not None and tta not in ORIENTATIONS:
        raise UsageError(f"--tta {tta}: there is no such set of orientations", closest(tta, list(ORIENTATIONS)))
