"""A competition's rule over counted areas: Dice or IoU, pooled over pairs, over the set, or over everything.

With hits h, true pixels t and predicted pixels p: Dice = 2h / (t + p), IoU = h / (t + p - h).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lib.competitions import Competition, Metric


@dataclass(frozen=True)
class Score:
    """The score, and what it is made of."""

    value: float
    per_class: dict[str, float | None]
    """Each counted class's own score; None where the rule skips it."""
    baselines: dict[str, float]
    """What an empty file and one that gives every pixel to the truth's most frequent class would score."""


def score(counts: np.ndarray, competition: Competition) -> Score:
    """Score (N, C, 3) int64 areas (hits, truth, predicted) of N images and all C classes."""
    counted = list(competition.counted)
    chosen = counts[:, counted]
    parts = [_pooled(chosen[:, [place]], competition.metric) for place in range(len(counted))]
    names = [competition.names[index] for index in counted]
    return Score(
        value=_number(_pooled(chosen, competition.metric)),
        per_class={name: None if np.isnan(part) else float(part) for name, part in zip(names, parts, strict=True)},
        baselines=baselines(counts, competition),
    )


def image_score(counts: np.ndarray, competition: Competition) -> float | None:
    """The rule for one image's (C, 3) areas; None when nothing of it counts, as when all of its truth is ignored."""
    value = _pooled(counts[None, list(competition.counted)], competition.metric)
    return None if np.isnan(value) or not counts[:, 1].sum() else float(value)


def baselines(counts: np.ndarray, competition: Competition) -> dict[str, float]:
    """Scores of the empty prediction and of the majority class everywhere, over the same truth.

    The majority class is the one with most pixels in this truth: no constant guess could know better.
    """
    counted = list(competition.counted)
    truth = counts[..., 1]
    empty = np.stack([np.zeros_like(truth), truth, np.zeros_like(truth)], axis=-1)
    majority = empty.copy()
    label = int(truth.sum(axis=0).argmax())
    majority[:, label, 0] = truth[:, label]
    majority[:, label, 2] = truth.sum(axis=1)
    return {
        "empty": _number(_pooled(empty[:, counted], competition.metric)),
        "majority": _number(_pooled(majority[:, counted], competition.metric)),
    }


def _pooled(counts: np.ndarray, metric: Metric) -> float:
    """The rule's mean over (N, K, 3) areas; NaN when everything is skipped."""
    if metric.pool == "set":
        counts = counts.sum(axis=0)
    elif metric.pool == "global":
        counts = counts.sum(axis=(0, 1))
    values = _ratios(counts, metric)
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")


def _ratios(counts: np.ndarray, metric: Metric) -> np.ndarray:
    hits, truth, predicted = (np.asarray(counts[..., place], np.float64) for place in range(3))
    top, bottom = (2 * hits, truth + predicted) if metric.measure == "dice" else (hits, truth + predicted - hits)
    both_empty = float("nan") if metric.empty == "skip" else float(metric.empty)
    return np.where(bottom > 0, top / np.maximum(bottom, 1), both_empty)


def _number(value: float) -> float:
    return 0.0 if np.isnan(value) else float(value)
