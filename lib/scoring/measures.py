"""The formula of every measure that is a function of four counts: hits, truth, predicted, all.

    values = per_class(cells, rule)           # cells: (…, 4), the counts of a class; NaN: it does not count
    values = together(cells, rule)            # cells: (…, K, 4), the counts of K classes; one number for all of them

The counts are of pixels, or of instances (at an IoU threshold, and `all` is 0). Formulas are those of scikit-learn's
jaccard_score, fbeta_score, precision_score, recall_score, balanced_accuracy_score and cohen_kappa_score, with a rule's
own word for 0/0.
"""

from __future__ import annotations

import numpy as np

from lib.competitions.metrics import Rule

DECISIONS = ("accuracy", "balanced-accuracy", "kappa")
"""Measures that know pixels which neither truth nor prediction has."""

NAN = float("nan")


def per_class(cells: np.ndarray, rule: Rule, binary: bool = False) -> np.ndarray:
    """A class by itself. `cells`: (…, 4) of hits, truth, predicted, all. Returns (…) float64.

    `binary`: having the class and not having it are the two sides of accuracy and balanced accuracy, as where classes
    overlap; else those two are the share of the class's own pixels that are right, whose mean over classes is what
    "mean accuracy" means for label maps. kappa is always against the rest.
    """
    hits, truth, predicted, everything = (np.asarray(cells[..., place], np.float64) for place in range(4))
    if rule.measure in DECISIONS:
        return _decision(hits, truth, predicted, everything, rule, binary)
    top, bottom = _fraction(hits, truth, predicted, rule)
    values = np.where(bottom > 0, top / np.where(bottom > 0, bottom, 1), 0.0)
    if rule.measure == "iou-sweep":
        values = passes(values, rule).mean(axis=-1)
    if rule.absent != "count":
        values = np.where(truth > 0, values, _word(rule.absent))
    return np.where(truth + predicted > 0, values, _word(rule.empty))


def together(cells: np.ndarray, rule: Rule, binary: bool = False) -> np.ndarray:
    """Classes counted together. `cells`: (…, K, 4). Returns (…) float64."""
    if rule.measure not in DECISIONS or binary:
        return per_class(cells.sum(axis=-2), rule, binary)
    hits, truth, predicted, everything = (np.asarray(cells[..., place], np.float64) for place in range(4))
    if rule.measure == "accuracy":
        return _divided(hits.sum(-1), truth.sum(-1), _word(rule.empty))
    if rule.measure == "balanced-accuracy":
        return mean(per_class(cells, rule, binary))
    pixels = everything.max(axis=-1)
    agreed = _divided(hits.sum(-1), pixels, NAN)
    chance = _divided((truth * predicted).sum(-1), pixels**2, NAN)
    return _kappa(agreed, chance, _word(rule.empty))


def passes(ious: np.ndarray, rule: Rule) -> np.ndarray:
    """Which of the rule's thresholds an IoU exceeds (or reaches, where that is enough): (…, T) bool."""
    thresholds = np.asarray(rule.thresholds)
    return ious[..., None] >= thresholds if rule.reaches else ious[..., None] > thresholds


def mean(values: np.ndarray, kind: str = "arithmetic") -> np.ndarray:
    """The mean over the last axis of what counts; NaN where nothing does. A harmonic mean with a 0 in it is 0."""
    known = ~np.isnan(values)
    count = known.sum(axis=-1)
    if kind == "harmonic":
        zero = ((values <= 0) & known).any(axis=-1)
        parts = np.where(known & (values > 0), 1 / np.where(values > 0, values, 1), 0.0).sum(axis=-1)
        return np.where(count > 0, np.where(zero, 0.0, count / np.where(parts > 0, parts, 1)), NAN)
    return _divided(np.where(known, values, 0.0).sum(axis=-1), count, NAN)


def _fraction(hits: np.ndarray, truth: np.ndarray, predicted: np.ndarray, rule: Rule) -> tuple[np.ndarray, np.ndarray]:
    match rule.measure:
        case "precision":
            return hits, predicted
        case "recall":
            return hits, truth
        case "iou" | "iou-sweep" | "instance-accuracy":
            return hits, truth + predicted - hits
    weight = 1.0 if rule.measure == "dice" else rule.beta**2
    return (1 + weight) * hits, weight * truth + predicted


def _decision(
    hits: np.ndarray, truth: np.ndarray, predicted: np.ndarray, everything: np.ndarray, rule: Rule, binary: bool
) -> np.ndarray:
    lacked = everything - truth - predicted + hits
    if rule.measure == "kappa":
        chance = truth * predicted + (everything - truth) * (everything - predicted)
        agreed = _divided(hits + lacked, everything, NAN)
        return _kappa(agreed, _divided(chance, everything**2, NAN), _word(rule.empty))
    if not binary:
        return _divided(hits, truth, NAN if rule.measure == "balanced-accuracy" else _word(rule.empty))
    if rule.measure == "accuracy":
        return _divided(hits + lacked, everything, _word(rule.empty))
    return mean(np.stack([_divided(hits, truth, NAN), _divided(lacked, everything - truth, NAN)], axis=-1))


def _kappa(agreed: np.ndarray, chance: np.ndarray, empty: float) -> np.ndarray:
    """Agreement beyond chance; `empty` where one class is all there is on both sides, and where nothing counts."""
    sure = ~np.isnan(agreed) & (chance < 1)
    return np.where(sure, (agreed - chance) / np.where(sure, 1 - chance, 1), empty)


def _divided(top: np.ndarray, bottom: np.ndarray, otherwise: float) -> np.ndarray:
    return np.where(bottom > 0, top / np.where(bottom > 0, bottom, 1), otherwise)


def _word(word: int | str) -> float:
    """What a TOML file says for a case that has no value: a number, or "skip"."""
    return NAN if word == "skip" else float(word)
