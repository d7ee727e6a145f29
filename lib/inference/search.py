"""Biases, thresholds and minimum areas searched on out-of-fold predictions, by the competition's own metric.

    found = tune(items, competition)         # items: held-out images' probabilities on disk, and their truth
    found.before, found.after, found.fair    # 0.871, 0.884, 0.879
    found.decision                           # what was searched, if it is fairly better; else the plain one

A coordinate search over small grids: class by class, what scores best stays, if neither half of the images loses by
it. Biases are searched at the working size
on a regular sample of the pixels; minimum areas, and all scores that are told, are those of whole masks at the
original size. The fair score is of a search on each half of the images, measured on the other half.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch

from lib.competitions import Competition
from lib.errors import UsageError
from lib.inference.areas import around, small
from lib.inference.blend import averaged, must_hold
from lib.inference.decision import Decider, Decision
from lib.inference.probabilities import Stored
from lib.rasters import read_labels
from lib.scoring import areas, score

BIASES = (0.63, 0.8, 1.25, 1.6)
"""Factors tried on a class's bias, around what it is."""
LEVELS = tuple(round(0.05 * step, 2) for step in range(2, 19))
"""Thresholds tried where classes overlap."""
AREAS = (0, 8, 32, 128, 512, 2048)
"""Minimum areas tried, in pixels at the original size."""
GAIN = 0.001
"""What a change of one number must bring at least."""
ROUNDS = 3
"""How often every class has its turn."""
SAMPLE = 4_000_000
"""Pixels of all images together that biases are searched on."""

Objective = Callable[[np.ndarray], float]
"""The score of (N, C, 3) areas (hits, truth, predicted)."""


@dataclass(frozen=True)
class Item:
    """A held-out image: files of its probabilities with their weights, and its truth."""

    id: str
    stored: tuple[tuple[Path, float], ...]
    truth: Path


@dataclass(frozen=True)
class Found:
    """A decision, and what it scores: on the images that it was searched on, and fairly."""

    searched: Decision
    before: float
    after: float
    fair: float | None
    """None for a single image, which has no halves."""

    @property
    def helps(self) -> bool:
        """Whether searching helps images that were not searched on."""
        return self.fair is not None and self.fair > self.before

    @property
    def decision(self) -> Decision:
        """What to use: the searched decision where it helps, else the plain one."""
        return self.searched if self.helps else Decision.plain(len(self.searched.bias), self.searched.multilabel)


def tune(
    items: Sequence[Item],
    competition: Competition,
    track: Callable[[list, str], Iterable] = lambda items, words: items,
) -> Found:
    """Search a decision for a competition's metric.

    Raises `UsageError` for a metric of instances or volumes, which counted areas cannot give.
    """

    def objective(counts: np.ndarray) -> float:
        return score(counts, competition).value

    if any(rule.needs_instances or rule.measure in ("hausdorff", "iou-sweep") for rule in competition.metric.rules):
        raise UsageError(
            f"the metric of {competition.name} ({competition.metric.label}) is no measure of counted pixels",
            "write thresholds.json by hand, and give it with --thresholds",
        )
    plain = Decision.plain(len(competition.classes), competition.multilabel)
    step = max(1, round((len(items) * _pixels(items[0], competition) / SAMPLE) ** 0.5)) if items else 1
    samples = [sample(item, competition, step) for item in track(list(items), "reading held-out images")]
    halves = [(list(items[0::2]), samples[0::2]), (list(items[1::2]), samples[1::2])]
    fair = None
    if len(items) > 1:
        decisions = [_searched(*half, competition, plain, objective) for half in halves]
        counts = [
            measured(item, competition, decision)[0]
            for decision, (others, _) in zip(decisions, reversed(halves), strict=True)
            for item in others
        ]
        fair = objective(np.stack(counts))
    decision = _searched(list(items), samples, competition, plain, objective)
    before, after = (
        objective(np.stack([measured(item, competition, each)[0] for item in items])) for each in (plain, decision)
    )
    return Found(decision, before, after, fair)


def search(samples: Sequence[tuple[np.ndarray, np.ndarray]], objective: Objective, start: Decision) -> Decision:
    """The biases, or where classes overlap the thresholds, that score best.

    `samples`: an image's probabilities (C, n) and truth (n,), label numbers or bit planes, each.
    """
    best = start
    top = _scores(np.stack([counted(p, truth, best) for p, truth in samples]), objective)
    for _ in range(ROUNDS):
        before = best
        for index in range(len(start.bias)):
            for trial in _trials(best, index):
                value = _scores(np.stack([counted(p, truth, trial) for p, truth in samples]), objective)
                if _better(value, top):
                    top, best = value, trial
        if best == before:
            break
    return best


def search_areas(counts: np.ndarray, changes: np.ndarray, objective: Objective) -> tuple[int, ...]:
    """The minimum area of every class that scores best.

    `counts`: (N, C, 3) areas of masks as they are; `changes`: (N, C, len(AREAS), C, 3), what giving up a class's
    components below each of `AREAS` adds to them. Components are given up at once, so changes of classes add up.
    """
    chosen, total = [0] * changes.shape[1], counts
    top = _scores(total, objective)
    for index in range(changes.shape[1]):
        for place in range(1, len(AREAS)):
            trial = total + changes[:, index, place] - changes[:, index, chosen[index]]
            value = _scores(trial, objective)
            if _better(value, top):
                top, total, chosen[index] = value, trial, place
    return tuple(AREAS[place] for place in chosen)


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
    truth = read_labels(item.truth, competition)
    down, across = (
        ((np.arange(0, working, step) + 0.5) * own / working).astype(int)
        for working, own in zip(shape, truth.shape, strict=True)
    )
    return p.reshape(len(p), -1), truth[np.ix_(down, across)].reshape(-1)


def measured(item: Item, competition: Competition, decision: Decision) -> tuple[np.ndarray, np.ndarray]:
    """(C, 3) areas of an image's whole mask at its size, and (C, len(AREAS), C, 3) what minimum areas would change.

    The areas are those of the decision with its own minimum areas, which are among `AREAS`.
    """
    with ExitStack() as stack:
        stored = _opened(item, competition, stack)
        shape, rows = averaged(stored)
        size = competition.submission.size or stored[0][0].size
        decider = Decider(decision, shape, size)
        mask = np.concatenate([decider.feed(band) for band in rows])
    truth = read_labels(item.truth, competition)
    if truth.shape != mask.shape:
        truth = cv2.resize(truth, mask.shape[::-1], interpolation=cv2.INTER_NEAREST)
    classes = len(competition.classes)
    changes = np.stack([_changes(truth, mask, index, classes) for index in range(classes)])
    if decision.multilabel:
        bits = np.arange(classes, dtype=np.uint32)[:, None]
        counts = _bit_areas((truth.reshape(-1) >> bits) & 1 > 0, (mask.reshape(-1) >> bits) & 1 > 0)
    else:
        counts = areas(truth, mask, classes)
    for index, least in enumerate(decision.min_area):
        counts = counts + (changes[index, AREAS.index(least)] if least else 0)
    return counts, changes


def _scores(counts: np.ndarray, objective: Objective) -> tuple[float, ...]:
    """The score of all images, and of every other image."""
    parts = [counts, counts[0::2], counts[1::2]] if len(counts) > 1 else [counts]
    return tuple(objective(part) for part in parts)


def _better(trial: tuple[float, ...], best: tuple[float, ...]) -> bool:
    """What gains on all images and costs neither half anything: less is likely to be chance."""
    return trial[0] >= best[0] + GAIN and all(one >= other for one, other in zip(trial[1:], best[1:], strict=True))


def _searched(
    items: list[Item],
    samples: Sequence[tuple[np.ndarray, np.ndarray]],
    competition: Competition,
    plain: Decision,
    objective: Objective,
) -> Decision:
    decision = search(samples, objective, plain)
    counts, changes = zip(*(measured(item, competition, decision) for item in items), strict=True)
    return replace(decision, min_area=search_areas(np.stack(counts), np.stack(changes), objective))


def _trials(decision: Decision, index: int) -> list[Decision]:
    """The decision with other values for one class."""
    if decision.multilabel:
        return [replace(decision, threshold=_with(decision.threshold, index, level)) for level in LEVELS]
    return [replace(decision, bias=_with(decision.bias, index, decision.bias[index] * each)) for each in BIASES]


def _with(values: tuple[float, ...], index: int, value: float) -> tuple[float, ...]:
    return (*values[:index], value, *values[index + 1 :])


def _changes(truth: np.ndarray, mask: np.ndarray, index: int, classes: int) -> np.ndarray:
    """(len(AREAS), C, 3): what giving up components of one class below each of `AREAS` adds to the areas."""
    changes = np.zeros((len(AREAS), classes, 3), np.int64)
    bits = mask.dtype == np.uint32
    plane = (mask >> np.uint32(index)) & 1 if bits else mask == index
    for place, component in small(plane.astype(np.uint8), AREAS[-1]):
        size, inside = int(component.sum()), truth[place][component]
        change = np.zeros((classes, 3), np.int64)
        if bits:
            change[index] = -int((inside >> np.uint32(index) & 1).sum()), 0, -size
        else:
            known = np.bincount(inside, minlength=256)[:classes]
            other = around(mask[place], component, index)
            for label, sign in ((index, -1), (other, 1)):
                if label < classes:
                    change[label] += sign * known[label], 0, sign * known.sum()
        changes[np.array(AREAS) > size] += change
    return changes


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


def _pixels(item: Item, competition: Competition) -> int:
    with ExitStack() as stack:
        ((first, _), *_) = _opened(item, competition, stack)
        return first.shape[0] * first.shape[1]
