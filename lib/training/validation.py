"""Validation: every held-out image at its original size, scored as one set by the competition's own rule."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from lib.competitions import Competition
from lib.inference.decision import Decision
from lib.inference.labels import labels_of
from lib.inference.predictor import Member, Predictor
from lib.models import Segmenter
from lib.rasters.reader import Pixels
from lib.recipe import Recipe
from lib.scoring import Count, Score, Tally, image_scores, score, take
from lib.training.agreement import Agreement
from lib.training.limit import SessionEnds


class Looker(Protocol):
    """Looks at an image's probabilities on their way to its mask, from the first to the last."""

    def see(self, top: int, left: int, probabilities: torch.Tensor) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Validation:
    """The whole set's result."""

    score: Score
    table: np.ndarray | None
    """(C, C + 1) int64 pixels, rows: truth; the last column: given to no class. None where classes overlap."""
    image_scores: list[tuple[int, float | None]]
    """Number among the held-out images, and the rule's score of it alone."""
    counts: list[tuple[int, Count]]
    """Number among the held-out images, and all that any rule asks about it."""


@torch.no_grad()
def validate(
    model: Segmenter,
    images: Iterable[tuple[int, np.ndarray, np.ndarray]],
    competition: Competition,
    recipe: Recipe,
    together: Agreement,
    ids: Sequence[str] | None = None,
    look: Callable[[int, tuple[int, int], tuple[int, int]], Looker | None] = lambda *image: None,
) -> Validation:
    """Score a model on this rank's share of the images; every rank gets the whole set's result.

    Images are predicted by the functions that make a submission, and scored by those that score one: where the rule
    tells instances apart, connected components of the masks are instances. `ids` are those of all held-out images, for
    rules that group them. `images` yields a number, the image at the working size and its labels at their own; it may
    break off with `SessionEnds`, and when it does on one rank, that is raised on all of them. `look` is asked for a
    looker at an image of this number, working size and original size.
    """
    together.same_buffers(model)
    training = model.training
    model.eval()
    predictor = Predictor([Member(model, recipe)], "none", (1.0,))
    decision = Decision.plain(len(competition.classes))
    share, stopped = [], False
    try:
        for index, image, truth in images:
            looker = look(index, image.shape[:2], truth.shape)
            labels = labels_of(predictor, Pixels(image), truth.shape, decision, looker and looker.see)
            share.append((index, take(truth, labels, competition)))
            if looker:
                looker.close()
    except SessionEnds:
        stopped = True
    model.train(training)
    if together.any(stopped):
        raise SessionEnds
    counted = sorted((item for part in together.gather(share) for item in part), key=lambda item: item[0])
    order = [index for index, _ in counted]
    tally = Tally.of([count for _, count in counted], competition, ids and [ids[index] for index in order])
    return Validation(
        score=score(tally, competition),
        table=None if tally.tables is None else tally.tables.sum(axis=0),
        image_scores=list(zip(order, image_scores(tally, competition), strict=True)),
        counts=counted,
    )
