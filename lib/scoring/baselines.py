"""What guesses without a model would score over the same truth, by the competition's own rule.

empty: nothing is predicted. majority: of label maps, every pixel is of the class that the truth has most of; of planes
that may overlap, every class for which it pays is predicted everywhere. Instances and distances know no majority.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from lib.competitions import Competition
from lib.scoring.instances import Pairs
from lib.scoring.tally import Count, Found, Tally, rules_of

NOTHING = np.empty((0, 2), np.int64)


def baselines(tally: Tally, competition: Competition, value: Callable[[Tally], float]) -> dict[str, float]:
    """The scores of the baselines; `value` is the competition's score of a tally."""
    nothing = emptied(tally)
    found = {"empty": value(nothing)}
    rules = competition.metric.rules
    if any(rule.needs_instances or rule.measure == "hausdorff" for rule in rules):
        return found
    if competition.kind == "labels":
        guess = filled(tally, int(tally.areas[..., 1].sum(axis=0).argmax()))
    else:
        classes = range(tally.areas.shape[1])
        paying = [index for index in classes if value(flooded(tally, competition, [index])) > found["empty"]]
        guess = flooded(tally, competition, paying)
    return found | {"majority": value(guess)}


def emptied(tally: Tally) -> Tally:
    """The same truth, nothing predicted."""
    areas = tally.areas.copy()
    areas[..., [0, 2]] = 0
    tables = None
    if tally.tables is not None:
        tables = np.zeros_like(tally.tables)
        tables[..., -1] = tally.tables.sum(axis=2)
    return replace(tally, areas=areas, tables=tables, counts=tuple(map(_without_prediction, tally.counts)))


def filled(tally: Tally, label: int) -> Tally:
    """The same truth of label maps, every pixel predicted as one class."""
    areas = emptied(tally).areas
    areas[:, label, 0] = areas[:, label, 1]
    areas[:, label, 2] = tally.pixels
    tables = None
    if tally.tables is not None:
        tables = np.zeros_like(tally.tables)
        tables[..., label] = tally.tables.sum(axis=2)
    return replace(tally, areas=areas, tables=tables)


def flooded(tally: Tally, competition: Competition, classes: Sequence[int]) -> Tally:
    """The same truth of bit planes, some classes predicted on every pixel."""
    areas = emptied(tally).areas
    for index in classes:
        areas[:, index, 0] = areas[:, index, 1]
        areas[:, index, 2] = tally.pixels
    counts = []
    for count in map(_without_prediction, tally.counts):
        joined = {}
        for number, cells in count.joined.items():
            rule = rules_of(competition)[number]
            counted = competition.counted_by(rule)
            rows = [0] if rule.merge and set(counted) & set(classes) else []
            rows = rows if rule.merge else [place for place, index in enumerate(counted) if index in classes]
            cells = cells.copy()
            cells[rows, 0] = cells[rows, 1]
            cells[rows, 2] = cells[rows, 3]
            joined[number] = cells
        counts.append(replace(count, joined=joined))
    return replace(tally, areas=areas, counts=tuple(counts))


def _without_prediction(count: Count) -> Count:
    none = np.empty(0, np.int64)
    joined = {number: cells * np.array([0, 1, 0, 1]) for number, cells in count.joined.items()}
    found = {index: Found(one.truth, np.empty(0), Pairs(none, none, np.empty(0))) for index, one in count.found.items()}
    planes = {index: (truth, NOTHING) for index, (truth, _) in count.planes.items()}
    return replace(count, joined=joined, found=found, planes=planes)
