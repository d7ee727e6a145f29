"""What a decision gets right on held-out images, counted: whole masks at their size, or a sample of their pixels.

    taken(item, competition, decision)                           # lib.scoring.Count: all that any rule asks for
    counts, changes = measured(item, competition, decision)      # (C, 3) areas, and what minimum areas would change
    graded(item, competition, decision)[2]                       # a Count for each minimum area of class 2
    p, truth = sample(item, competition, step=4)                 # (C, n) probabilities, (n,) truth
    counted(p, truth, decision)                                  # (C, 3) areas: hits, truth, predicted

Biases and thresholds are searched on the sample, which is a regular grid at the working size; everything that is told
is measured on whole masks.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from lib.competitions import Competition, Pair
from lib.inference.areas import without_small
from lib.inference.blend import averaged, must_hold
from lib.inference.components import AREAS, changes_of
from lib.inference.decision import Decider, Decision
from lib.inference.probabilities import Stored
from lib.rasters import read_labels
from lib.rasters.mask_reading import Mask, resized
from lib.rasters.truth_masks import read_truth, truth_of_pair
from lib.scoring import Count, areas, take


@dataclass(frozen=True)
class Item:
    """A held-out image, or a part of one, with its truth, and the files of its probabilities with their weights."""

    pair: Pair
    """Images of one group tell little about each other's fair score."""
    stored: tuple[tuple[Path, float], ...]

    @property
    def id(self) -> str:
        return self.pair.id


def counted(p: np.ndarray, truth: np.ndarray, decision: Decision) -> np.ndarray:
    """(C, 3) areas of a decision on probabilities (C, n), without minimum areas."""
    if decision.multilabel:
        levels = np.array(decision.threshold, np.float32)[:, None]
        bits = np.arange(len(p), dtype=np.uint32)[:, None]
        return _bit_areas((truth >> bits) & 1 > 0, p >= levels)
    labels = (p * np.array(decision.bias, np.float32)[:, None]).argmax(0).astype(np.uint8)
    return areas(truth, labels, len(p))


def sample(item: Item, competition: Competition, step: int) -> tuple[np.ndarray, np.ndarray]:
    """Every `step`-th row and column of an image's probabilities (C, n) float32, and the truth there (n,)."""
    with ExitStack() as stack:
        stored = _opened(item, competition, stack)
        shape, rows = averaged(stored)
        p = torch.cat([band[:, -top % step :: step, ::step] for top, band in _numbered(rows)], dim=1).numpy()
    truth = truth_of(item, competition)
    down, across = (
        ((np.arange(0, working, step) + 0.5) * own / working).astype(int)
        for working, own in zip(shape, truth.shape, strict=True)
    )
    return p.reshape(len(p), -1), truth[np.ix_(down, across)].reshape(-1)


def measured(item: Item, competition: Competition, decision: Decision) -> tuple[np.ndarray, np.ndarray]:
    """(C, 3) areas of an image's whole mask at its size, and (C, len(AREAS), C, 3) what minimum areas would change.

    The areas are those of the decision with its own minimum areas, which are among `AREAS`.
    """
    truth, mask = _sides(item, competition, decision)
    classes = len(competition.classes)
    changes = np.stack([changes_of(truth, mask, index, classes) for index in range(classes)])
    counts = areas(truth, mask, classes)
    for index, least in enumerate(decision.min_area):
        counts = counts + (changes[index, AREAS.index(least)] if least else 0)
    return counts, changes


def graded(item: Item, competition: Competition, decision: Decision) -> dict[int, list[Count]]:
    """Counts of an image's whole mask with each of `AREAS` as a class's minimum area, the other classes having none."""
    truth, mask = _sides(item, competition, decision)
    truth, none = _beside(truth, item, competition, mask.shape), (0,) * len(competition.classes)
    plain = take(truth, mask, competition, mask.shape)
    found = {}
    for index in competition.sent:
        trials = [without_small(mask, (*none[:index], least, *none[index + 1 :])) for least in AREAS[1:]]
        found[index] = [plain, *(take(truth, trial, competition, mask.shape) for trial in trials)]
    return found


def taken(item: Item, competition: Competition, decision: Decision) -> Count:
    """An image's whole mask by a decision, beside its truth, as a submission's is counted."""
    truth, mask = _sides(item, competition, decision)
    truth = _beside(truth, item, competition, mask.shape)
    return take(truth, without_small(mask, decision.min_area), competition, mask.shape)


def pixels(item: Item, competition: Competition) -> int:
    """Pixels of an image at the working size."""
    with ExitStack() as stack:
        ((first, _), *_) = _opened(item, competition, stack)
        return first.shape[0] * first.shape[1]


def truth_of(item: Item, competition: Competition) -> np.ndarray:
    """An image's truth at its own size: (H, W) uint8 labels, or uint32 bit planes where classes overlap."""
    if competition.kind == "instances":
        return read_labels(item.pair.mask, competition)
    return truth_of_pair(item.pair, competition)


def _sides(item: Item, competition: Competition, decision: Decision) -> tuple[np.ndarray, np.ndarray]:
    """The truth and the mask of a decision, without minimum areas, both at the mask's size."""
    with ExitStack() as stack:
        stored = _opened(item, competition, stack)
        shape, rows = averaged(stored)
        size = competition.submission.size or stored[0][0].size
        decider = Decider(decision, shape, size)
        mask = np.concatenate([decider.feed(band) for band in rows])
    return resized(truth_of(item, competition), mask.shape), mask


def _beside(truth: np.ndarray, item: Item, competition: Competition, size: tuple[int, int]) -> Mask:
    """The truth as the competition tells it: where it tells instances apart, as they are."""
    return read_truth(item.pair.mask, competition, size) if competition.kind == "instances" else truth


def _bit_areas(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """(C, 3) areas of boolean planes (C, n)."""
    return np.stack([(truth & predicted).sum(1), truth.sum(1), predicted.sum(1)], axis=1).astype(np.int64)


def _opened(item: Item, competition: Competition, stack: ExitStack) -> list[tuple[Stored, float]]:
    stored = [(stack.enter_context(Stored(path)), weight) for path, weight in item.stored]
    for each, _ in stored:
        must_hold(each, competition)
    return stored


def _numbered(rows: Iterable[torch.Tensor]) -> Iterable[tuple[int, torch.Tensor]]:
    top = 0
    for band in rows:
        yield top, band
        top += band.shape[1]
