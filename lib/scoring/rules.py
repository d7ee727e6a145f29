"""A competition's score: the weighted sum of its rules over a set, beside baselines, classes, groups and an interval.

    result = score(tally, competition)             # Score
    result = score(counts, competition)            # from (N, C, 3) areas alone, where the rule needs no more

The weights are as the competition gives them, and are not made to sum to one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lib.competitions import Competition, Rule
from lib.scoring import baselines as guesses
from lib.scoring.evidence import Evidence, evidence
from lib.scoring.tally import Tally, needs_more

RESAMPLES = 1000
SEED = 0


@dataclass(frozen=True)
class Score:
    """The score, and what it is made of."""

    value: float
    per_class: dict[str, float | None]
    """Each counted class's own score; None where the rule skips it."""
    baselines: dict[str, float]
    """What an empty file, and one that gives every pixel to the truth's most frequent class, would score."""
    parts: list[dict[str, Any]] = field(default_factory=list)
    """The rules of a sum: label, weight, value, per_class."""
    also: list[dict[str, Any]] = field(default_factory=list)
    """The rules shown beside it: label, value, per_class, groups."""
    groups: dict[str, float | None] = field(default_factory=dict)
    """The score of each group by itself."""
    classes: list[dict[str, Any]] = field(default_factory=list)
    """Each class's pixels over the whole set: name, iou, dice, precision, recall, truth, predicted, hits; None for 0/0.
    Where instances were told apart also instances: truth, predicted, hits at the rule's lowest IoU threshold."""
    interval: tuple[float, float] | None = None
    """95 % of resampled sets score between these."""
    table: list[list[int]] | None = None
    """The whole set's confusion table (C, C + 1) of label maps."""
    details: dict[str, Any] | None = None
    """Where the errors are: `lib.scoring.breakdown`."""


def score(counts: Tally | np.ndarray, competition: Competition) -> Score:
    """Score a set: a tally, or (N, C, 3) int64 areas (hits, truth, predicted) of N images and all C classes.

    Raises `ValueError` for areas when the rule needs more (`lib.scoring.needs_masks` tells beforehand): instances,
    distances, merged classes, a look inside some.
    """
    tally = counts if isinstance(counts, Tally) else Tally.of_areas(counts, competition)
    rules = competition.metric.rules
    views = [evidence(rule, tally, competition) for rule in rules]
    everything = np.ones((1, len(tally.areas)))
    parts = [
        {"label": rule.label, "weight": rule.weight} | _of_rule(rule, view, competition)
        for rule, view in zip(rules, views, strict=True)
    ]
    beside = [rule for rule in competition.metric.also if tally.counts or not needs_more(rule, competition)]
    also = []
    for rule in beside:
        view = evidence(rule, tally, competition)
        also.append({"label": rule.label} | _of_rule(rule, view, competition) | {"groups": _groups(tally, view.values)})
    return Score(
        value=_number(_sum(competition, views, everything)[0]),
        per_class=_classes(parts),
        baselines=guesses.baselines(tally, competition, lambda guess: value_of(guess, competition)),
        parts=parts if len(parts) > 1 else [],
        also=also,
        groups=_groups(tally, lambda weights: _sum(competition, views, weights)),
        classes=_class_table(tally, competition),
    )


def value_of(tally: Tally, competition: Competition) -> float:
    """The score alone; 0 where nothing counts."""
    views = [evidence(rule, tally, competition) for rule in competition.metric.rules]
    return _number(_sum(competition, views, np.ones((1, len(tally.areas))))[0])


def image_scores(tally: Tally, competition: Competition) -> list[float | None]:
    """Each image's score as if it were the whole set; None where nothing of it counts.

    A distance between volumes is that of the image's volume.
    """
    views = [evidence(rule, tally, competition) for rule in competition.metric.rules]
    values = sum(rule.weight * view.by_image() for rule, view in zip(competition.metric.rules, views, strict=True))
    counts = (tally.pixels > 0) | np.array([bool(count.found) for count in tally.counts] or [False])
    return [_known(value) if there else None for value, there in zip(values, counts, strict=True)]


def image_score(counts: np.ndarray, competition: Competition) -> float | None:
    """The rule for one image's (C, 3) areas; None when nothing of it counts, as when all of its truth is ignored."""
    return image_scores(Tally.of_areas(counts[None], competition), competition)[0]


def interval(tally: Tally, competition: Competition, resamples: int = RESAMPLES) -> tuple[float, float] | None:
    """Between what 95 % of the scores lie when images (groups, where there are several) are drawn with replacement.

    The percentile bootstrap (Efron, 1979), from the counts; the seed is fixed. None for a single image.
    """
    grouped = len(tally.groups) > 1
    units = len(tally.groups) if grouped else len(tally.areas)
    if units < 2:
        return None
    drawn = np.random.default_rng(SEED).multinomial(units, np.full(units, 1 / units), size=resamples)
    weights = (drawn[:, tally.group] if grouped else drawn).astype(np.float64)
    views = [evidence(rule, tally, competition) for rule in competition.metric.rules]
    values = _sum(competition, views, weights)
    values = values[~np.isnan(values)]
    if not len(values):
        return None
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def _sum(competition: Competition, views: list[Evidence], weights: np.ndarray) -> np.ndarray:
    return sum(rule.weight * view.values(weights) for rule, view in zip(competition.metric.rules, views, strict=True))


def _of_rule(rule: Rule, view: Evidence, competition: Competition) -> dict[str, Any]:
    value = view.values(np.ones((1, len(view.by_image()))))[0]
    names = [competition.names[index] for index in competition.counted_by(rule)]
    each = {} if rule.merge else dict(zip(names, map(_known, view.by_class()), strict=True))
    return {"value": _known(value), "per_class": each}


def _classes(parts: list[dict[str, Any]]) -> dict[str, float | None]:
    """The sum over parts that tell the same classes apart, else those of the heaviest part that tells them apart."""
    telling = [part for part in parts if part["per_class"]]
    if not telling:
        return {}
    if len(telling) == len(parts) and len({tuple(part["per_class"]) for part in parts}) == 1:
        columns = {name: [part["per_class"][name] for part in parts] for name in parts[0]["per_class"]}
        return {
            name: None if None in values else float(np.dot([part["weight"] for part in parts], values))
            for name, values in columns.items()
        }
    return max(telling, key=lambda part: part["weight"])["per_class"]


def _groups(tally: Tally, values: Callable[[np.ndarray], np.ndarray]) -> dict[str, float | None]:
    """Each group's own value; `values` takes (groups, images) weights."""
    if not tally.groups:
        return {}
    weights = (tally.group[None] == np.arange(len(tally.groups))[:, None]).astype(np.float64)
    return dict(zip(tally.groups, map(_known, values(weights)), strict=True))


def _class_table(tally: Tally, competition: Competition) -> list[dict[str, Any]]:
    rows = []
    for name, (hits, truth, predicted) in zip(competition.names, tally.areas.sum(axis=0).tolist(), strict=True):
        parts = {"iou": truth + predicted - hits, "precision": predicted, "recall": truth}
        row = {key: hits / bottom if bottom else None for key, bottom in parts.items()}
        dice = 2 * hits / (truth + predicted) if truth + predicted else None
        rows.append({"name": name, "dice": dice, **row, "truth": truth, "predicted": predicted, "hits": hits})
    for rule in competition.metric.rules:
        if rule.needs_instances and rule.measure != "average-precision":
            cells = tally.views[rule].cells[:, :, 0].sum(axis=0)
            for index, cell in zip(competition.counted_by(rule), cells.tolist(), strict=True):
                rows[index]["instances"] = dict(zip(("hits", "truth", "predicted"), cell[:3], strict=True))
    return rows


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _number(value: float) -> float:
    return 0.0 if np.isnan(value) else float(value)
