"""Validation: every held-out image at its original size, scored as one set by the competition's own rule."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch

from lib.competitions import Competition
from lib.inference import restore
from lib.inference.predict import predict
from lib.models import Segmenter
from lib.recipe import Recipe
from lib.scoring import Score, confusion_with_none, image_score, score
from lib.scoring.confusion import areas_of
from lib.training.agreement import Agreement
from lib.training.limit import SessionEnds


@dataclass(frozen=True)
class Validation:
    """The whole set's result."""

    score: Score
    table: np.ndarray
    """(C, C + 1) int64 pixels, rows: truth; the last column: given to no class."""
    image_scores: list[tuple[int, float | None]]
    """Number among the held-out images, and the rule's score of it alone."""


@torch.no_grad()
def validate(
    model: Segmenter,
    images: Iterable[tuple[int, np.ndarray, np.ndarray]],
    competition: Competition,
    recipe: Recipe,
    together: Agreement,
) -> Validation:
    """Score a model on this rank's share of the images; every rank gets the whole set's result.

    Images are predicted by the functions that make a submission. `images` may break off with `SessionEnds`; when it
    does on one rank, that is raised on all of them.
    """
    together.same_buffers(model)
    training = model.training
    model.eval()
    share, stopped = [], False
    try:
        for index, image, truth in images:
            labels = restore(predict(model, image, recipe, tta="none"), truth.shape)
            share.append((index, confusion_with_none(truth, labels, len(competition.classes))))
    except SessionEnds:
        stopped = True
    model.train(training)
    if together.any(stopped):
        raise SessionEnds
    tables = sorted((item for part in together.gather(share) for item in part), key=lambda item: item[0])
    counts = np.stack([areas_of(table) for _, table in tables])
    return Validation(
        score=score(counts, competition),
        table=sum(table for _, table in tables),
        image_scores=[
            (index, image_score(areas, competition)) for (index, _), areas in zip(tables, counts, strict=True)
        ],
    )
