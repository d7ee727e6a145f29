"""A set's numbers as one rule sees them: counts, ranked detections, or distances.

evidence(rule, tally, competition).values(weights)         # also .by_class(), .by_image()
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from lib.competitions import Competition, Rule
from lib.errors import DataError
from lib.scoring.counted import Counted
from lib.scoring.hausdorff import Distances, normalised_distance
from lib.scoring.instances import hits
from lib.scoring.measures import DECISIONS
from lib.scoring.ranked import Detections, Ranked, most_confident
from lib.scoring.tally import Tally, rules_of


class Evidence(Protocol):
    """What a rule can be read from."""

    def values(self, weights: np.ndarray) -> np.ndarray: ...
    def by_class(self) -> np.ndarray: ...
    def by_image(self) -> np.ndarray: ...


def evidence(rule: Rule, tally: Tally, competition: Competition) -> Evidence:
    """A rule's view of a set; `ValueError` when the tally holds areas alone and the rule needs more."""
    if rule not in tally.views:
        tally.views[rule] = _view(rule, tally, competition)
    return tally.views[rule]


def _view(rule: Rule, tally: Tally, competition: Competition) -> Evidence:
    classes = competition.counted_by(rule)
    if rule.measure == "hausdorff":
        return _distances(rule, tally, classes)
    if rule.measure == "average-precision":
        return Ranked(tuple(_detections(rule, tally, index) for index in classes), rule)
    if rule.needs_instances:
        return Counted(_instance_cells(rule, tally, classes), rule)
    binary = rule.merge or (tally.tables is None and competition.kind == "bits")
    return Counted(_pixel_cells(rule, tally, competition, classes)[:, :, None], rule, binary)


def _pixel_cells(rule: Rule, tally: Tally, competition: Competition, classes: Sequence[int]) -> np.ndarray:
    """(N, K, 4): hits, truth, predicted and all pixels."""
    chosen = list(classes)
    if tally.tables is not None:
        return _table_cells(rule, tally.tables, competition, chosen)
    number = rules_of(competition).index(rule)
    if tally.counts and all(number in count.joined for count in tally.counts):
        return np.stack([count.joined[number] for count in tally.counts])
    if rule.merge or rule.inside is not None:
        raise ValueError(f"{rule.label}: it needs confusion tables, and there are areas only")
    areas = tally.areas[:, chosen]
    pixels = np.broadcast_to(tally.pixels[:, None, None], (*areas.shape[:2], 1))
    return np.concatenate([areas, pixels], axis=2)


def _table_cells(rule: Rule, tables: np.ndarray, competition: Competition, chosen: list[int]) -> np.ndarray:
    inside = competition.indices(rule.inside) if rule.inside is not None else None
    if inside is None and rule.measure in DECISIONS and not rule.merge:
        inside = chosen
    if inside is not None:
        rows = np.zeros(tables.shape[1], bool)
        rows[list(inside)] = True
        tables = tables * rows[None, :, None]
    everything = tables.sum(axis=(1, 2))
    truth, predicted = tables.sum(axis=2)[:, chosen], tables.sum(axis=1)[:, chosen]
    found = tables[:, chosen, chosen]
    if rule.merge:
        both = tables[:, chosen][:, :, chosen].sum(axis=(1, 2))
        return np.stack([both, truth.sum(1), predicted.sum(1), everything], axis=1)[:, None]
    return np.stack([found, truth, predicted, np.broadcast_to(everything[:, None], found.shape)], axis=2)


def _instance_cells(rule: Rule, tally: Tally, classes: Sequence[int]) -> np.ndarray:
    """(N, K, T, 4): instances that are hits, true ones, predicted ones."""
    cells = np.zeros((len(tally.areas), len(classes), len(rule.thresholds), 4), np.int64)
    for image, count in enumerate(_counts(rule, tally)):
        for place, index in enumerate(classes):
            found = count.found[index]
            cells[image, place, :, 1:3] = found.truth, len(found.confidences)
            for step, threshold in enumerate(rule.thresholds):
                cells[image, place, step, 0] = hits(found.pairs, found.confidences, threshold, rule).sum()
    return cells


def _detections(rule: Rule, tally: Tally, index: int) -> Detections:
    images, confidences, marks, truth = [], [], [], []
    for image, count in enumerate(_counts(rule, tally)):
        found = count.found[index]
        truth.append(found.truth)
        kept = most_confident(found.confidences, rule)
        marks.append(np.stack([hits(found.pairs, found.confidences, step, rule) for step in rule.thresholds], 1)[kept])
        confidences.append(found.confidences[kept])
        images.append(np.full(int(kept.sum()), image))
    return Detections(
        np.concatenate(images), np.concatenate(confidences), np.concatenate(marks), np.array(truth, np.int64)
    )


def _distances(rule: Rule, tally: Tally, classes: Sequence[int]) -> Distances:
    counts = _counts(rule, tally)
    group = tally.group if tally.groups else np.arange(len(counts))
    cells = np.empty((int(group.max()) + 1, len(classes)))
    for volume in range(len(cells)):
        slices = sorted(np.flatnonzero(group == volume), key=lambda place: tally.images[place])
        sizes = {counts[place].size for place in slices}
        if len(sizes) > 1 or None in sizes:
            raise DataError(
                f"the slices of {tally.groups[volume] if tally.groups else 'a volume'} have different sizes",
                "check the competition's metric.group",
            )
        for place, index in enumerate(classes):
            sides = [[counts[number].planes[index][side] for number in slices] for side in (0, 1)]
            cells[volume, place] = 1 - normalised_distance(*sides, sizes.copy().pop())
    return Distances(cells, group, rule)


def _counts(rule: Rule, tally: Tally) -> tuple:
    if not tally.counts:
        raise ValueError(f"{rule.label}: it needs masks, and there are areas only")
    return tally.counts
