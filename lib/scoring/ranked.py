"""Average precision: instances ranked by their confidence over the set.

    ranked = Ranked(lists, rule)         # a list for each class that is ranked by itself
    ranked.value over the set, by class, by image, as `Counted` gives them

Precision after each instance of the ranking is replaced by the best at that recall or beyond. "openimages" takes the
area under that curve (the detection evaluation of TensorFlow's models, which OpenImages' challenges and Kaggle's after
them use), "coco" the mean of its height at the recalls 0, .01, … 1 (pycocotools).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lib.competitions.metrics import Rule
from lib.scoring.counted import weighted
from lib.scoring.instances import MOST
from lib.scoring.measures import mean

AT_ONCE = 1 << 22
"""Numbers of a curve that are held at once, over all resamples."""

RECALLS = np.linspace(0, 1, 101)


@dataclass(frozen=True, eq=False)
class Detections:
    """All predicted instances of a class: image, confidence, and at which of T thresholds each is a hit (D, T)."""

    image: np.ndarray
    confidence: np.ndarray
    hits: np.ndarray
    truth: np.ndarray
    """(N,) int64: the true instances of each image."""


@dataclass(frozen=True, eq=False)
class Ranked:
    """A rule over ranked detections, a list for each of K classes."""

    lists: tuple[Detections, ...]
    rule: Rule

    def values(self, weights: np.ndarray) -> np.ndarray:
        """The rule over each row of weights (R, N): (R,) float64, NaN where nothing counts."""
        if self.rule.pool == "pairs":
            return weighted(weights, self._pairs)
        if self.rule.pool == "image":
            return weighted(weights, self.by_image()[:, None])
        lists = self.lists if self.rule.pool == "set" else (joined(self.lists),)
        return mean(np.stack([self._precision(part, weights) for part in lists], axis=-1), self.rule.mean)

    def by_class(self) -> np.ndarray:
        """Each class by itself over the whole set: (K,) float64."""
        if self.rule.pool in ("pairs", "image"):
            return mean(self._pairs.T)
        return np.array([self._precision(part, np.ones((1, len(part.truth))))[0] for part in self.lists])

    def by_image(self) -> np.ndarray:
        """Each image as if it were the whole set: (N,) float64."""
        if self.rule.pool in ("image", "global"):
            return self._alone((joined(self.lists),))[:, 0]
        return mean(self._pairs)

    @cached_property
    def _pairs(self) -> np.ndarray:
        return self._alone(self.lists)

    def _alone(self, lists: tuple[Detections, ...]) -> np.ndarray:
        """(N, K): every image and class by itself."""
        columns = []
        for part in lists:
            order = np.argsort(part.image, kind="stable")
            bounds = np.searchsorted(part.image[order], np.arange(len(part.truth) + 1))
            values = []
            for image, truth in enumerate(part.truth):
                own = order[bounds[image] : bounds[image + 1]]
                zero = np.zeros(len(own), np.int64)
                alone = Detections(zero, part.confidence[own], part.hits[own], np.array([truth]))
                values.append(self._precision(alone, np.ones((1, 1)))[0])
            columns.append(values)
        return np.array(columns).T.reshape(-1, len(lists))

    def _precision(self, part: Detections, weights: np.ndarray) -> np.ndarray:
        """One list's average precision, averaged over the thresholds: (R,) float64."""
        order = np.argsort(-part.confidence, kind="stable")
        image, hit = part.image[order], part.hits[order]
        rows = max(1, AT_ONCE // max(1, len(order)))
        blocks = [weights[start : start + rows] for start in range(0, len(weights), rows)]
        return np.concatenate([self._block(image, hit, part.truth, block) for block in blocks])

    def _block(self, image: np.ndarray, hit: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> np.ndarray:
        there = weights @ truth.astype(np.float64)
        shown = weights[:, image]
        seen = np.cumsum(shown, axis=1)
        total = np.zeros(len(weights))
        for step in range(hit.shape[1]):
            found = np.cumsum(shown * hit[:, step], axis=1)
            recall = found / np.maximum(there, 1)[:, None]
            precision = found / np.maximum(seen, 1)
            best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
            total += _heights(recall, best) if self.rule.ranking == "coco" else _area(recall, best)
        absent = 0.0 if self.rule.absent == 0 else np.nan
        neither = np.nan if self.rule.empty == "skip" else float(self.rule.empty)
        without = np.where(shown.sum(axis=1) > 0, absent, neither)
        return np.where(there > 0, total / hit.shape[1], without)


def most_confident(confidences: np.ndarray, rule: Rule) -> np.ndarray:
    """Which of an image's instances of a class are ranked at all: (P,) bool."""
    if rule.ranking != "coco":
        return np.ones(len(confidences), bool)
    kept = np.zeros(len(confidences), bool)
    kept[np.argsort(-confidences, kind="stable")[:MOST]] = True
    return kept


def joined(lists: tuple[Detections, ...]) -> Detections:
    """Several classes in one ranking."""
    image, confidence, hits = (
        np.concatenate([getattr(part, name) for part in lists]) for name in ("image", "confidence", "hits")
    )
    return Detections(image, confidence, hits, sum(part.truth for part in lists))


def _area(recall: np.ndarray, best: np.ndarray) -> np.ndarray:
    steps = np.diff(recall, axis=1, prepend=0.0)
    return (steps * best).sum(axis=1)


def _heights(recall: np.ndarray, best: np.ndarray) -> np.ndarray:
    padded = np.concatenate([best, np.zeros((len(best), 1))], axis=1)
    return np.array(
        [row[np.searchsorted(line, RECALLS, side="left")].mean() for line, row in zip(recall, padded, strict=True)]
    )
