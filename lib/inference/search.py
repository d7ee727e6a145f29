"""Biases, thresholds and minimum areas searched on out-of-fold predictions, by the competition's own metric.

    found = tune(items, competition)         # items: held-out images' probabilities on disk, and their truth
    found.before, found.after, found.fair    # 0.871, 0.884, 0.879
    found.decision                           # what was searched, if it is fairly better; else the plain one

A coordinate search over small grids: class by class, what scores best stays, if neither half of the images loses by
it. Biases and thresholds are searched on a sample of the pixels (`counting`), minimum areas on whole masks
(`components`); where areas do not say the metric, by what they do say (`lib.scoring.by_areas`), but for the minimum
areas of a metric of instances, which are searched by itself. What is told is the metric itself, of whole masks. The
fair score is of a search on each half of the images, measured on the other half.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from lib.competitions import Competition
from lib.errors import UsageError
from lib.inference.components import search_areas, search_graded
from lib.inference.counting import Item, counted, graded, measured, pixels, sample, taken
from lib.inference.decision import Decision
from lib.inference.objective import Objective, better, scores
from lib.scoring import Count, Tally, by_areas, value_of

BIASES = (0.63, 0.8, 1.25, 1.6)
"""Factors tried on a class's bias, around what it is."""
LEVELS = tuple(round(0.05 * step, 2) for step in range(2, 19))
"""Thresholds tried where classes overlap."""
ROUNDS = 3
"""How often every class has its turn."""
SAMPLE = 4_000_000
"""Pixels of all images together that biases are searched on."""


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

    Raises `UsageError` without items.
    """
    told = by_areas(competition)

    def objective(counts: np.ndarray) -> float:
        return value_of(Tally.of_areas(counts, told), told)

    if not items:
        raise UsageError("nothing was held out, so there is nothing to search on", "train with data.validation above 0")
    plain = Decision.plain(len(competition.classes), competition.multilabel)
    step = max(1, round((len(items) * pixels(items[0], competition) / SAMPLE) ** 0.5))
    samples = [sample(item, competition, step) for item in track(list(items), "reading held-out images")]

    def searched(places: Sequence[int]) -> Decision:
        own = [items[place] for place in places], [samples[place] for place in places]
        return _searched(*own, competition, plain, objective)

    def told_of(choice: Sequence[Decision]) -> float:
        named = [(item.id, taken(item, competition, each)) for item, each in zip(items, choice, strict=True)]
        return _told(competition, named)

    fair = None
    if len(items) > 1:
        first = halved([item.pair.group for item in items])
        sides = [[place for place, there in enumerate(first) if there is side] for side in (True, False)]
        one, other = map(searched, sides)
        fair = told_of([other if there else one for there in first])
    decision = searched(range(len(items)))
    before, after = (told_of([each] * len(items)) for each in (plain, decision))
    return Found(decision, before, after, fair)


def halved(groups: Sequence[str]) -> list[bool]:
    """Which images are the first half: groups are kept together, unless there is one alone, and the halves alike."""
    if len(set(groups)) < 2:
        groups = [str(place) for place in range(len(groups))]
    first: dict[str, bool] = {}
    balance = 0
    for group, count in Counter(groups).most_common():
        first[group] = balance <= 0
        balance += count if first[group] else -count
    return [first[group] for group in groups]


def search(samples: Sequence[tuple[np.ndarray, np.ndarray]], objective: Objective, start: Decision) -> Decision:
    """The biases, or where classes overlap the thresholds, that score best.

    `samples`: an image's probabilities (C, n) and truth (n,), label numbers or bit planes, each.
    """
    best = start
    top = scores(np.stack([counted(p, truth, best) for p, truth in samples]), objective)
    for _ in range(ROUNDS):
        before = best
        for index in range(len(start.bias)):
            for trial in _trials(best, index):
                value = scores(np.stack([counted(p, truth, trial) for p, truth in samples]), objective)
                if better(value, top):
                    top, best = value, trial
        if best == before:
            break
    return best


def _searched(
    items: list[Item],
    samples: Sequence[tuple[np.ndarray, np.ndarray]],
    competition: Competition,
    plain: Decision,
    objective: Objective,
) -> Decision:
    """Biases or thresholds on the sample, then minimum areas on the masks that they make."""
    decision = search(samples, objective, plain)
    if any(rule.needs_instances for rule in competition.metric.rules):
        parts = [graded(item, competition, decision) for item in items]
        named = [
            {index: [(item.id, one) for one in part[index]] for index in part}
            for item, part in zip(items, parts, strict=True)
        ]
        return replace(decision, min_area=search_graded(named, len(competition.classes), partial(_told, competition)))
    counts, changes = zip(*(measured(item, competition, decision) for item in items), strict=True)
    return replace(decision, min_area=search_areas(np.stack(counts), np.stack(changes), objective))


def _told(competition: Competition, counts: Sequence[tuple[str, Count]]) -> float:
    """The metric of images and their counts."""
    images, found = zip(*counts, strict=True)
    return value_of(Tally.of(found, competition, images), competition)


def _trials(decision: Decision, index: int) -> list[Decision]:
    """The decision with other values for one class."""
    if decision.multilabel:
        return [replace(decision, threshold=_with(decision.threshold, index, level)) for level in LEVELS]
    return [replace(decision, bias=_with(decision.bias, index, decision.bias[index] * each)) for each in BIASES]


def _with(values: tuple[float, ...], index: int, value: float) -> tuple[float, ...]:
    return (*values[:index], value, *values[index + 1 :])
