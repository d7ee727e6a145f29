"""A rule over counts: what every measure but average precision and hausdorff is made of.

counted = Counted(cells, rule)                   # cells: (N, K, T, 4)
counted.value()                                  # the whole set
counted.values(weights)                          # (R,): the set with each image `weights[r, n]` times
counted.by_class(), counted.by_image()
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lib.competitions.metrics import Rule
from lib.scoring.measures import mean, per_class, together


@dataclass(frozen=True)
class Counted:
    """Counts and the rule that reads them."""

    cells: np.ndarray
    """(N, K, T, 4) int64: hits, truth, predicted, all, of images, classes and IoU thresholds (1 for pixels)."""
    rule: Rule
    binary: bool = False

    def values(self, weights: np.ndarray) -> np.ndarray:
        """The rule over each row of weights (R, N): (R,) float64, NaN where nothing counts."""
        if self.rule.pool == "pairs":
            return weighted(weights, self._pairs())
        if self.rule.pool == "image":
            return weighted(weights, self._images()[:, None])
        flat = self.cells.reshape(len(self.cells), -1).astype(np.float64)
        sums = (np.asarray(weights, np.float64) @ flat).reshape(-1, *self.cells.shape[1:])
        return self._of_sums(sums)

    def by_class(self) -> np.ndarray:
        """Each class by itself over the whole set: (K,) float64."""
        if self.rule.pool in ("set", "global"):
            return self._each(self.cells.sum(axis=0))
        pairs = self._pairs()
        return mean(pairs.T)

    def by_image(self) -> np.ndarray:
        """Each image as if it were the whole set: (N,) float64."""
        if self.rule.pool in ("image", "global"):
            return self._images()
        return mean(self._pairs(), self.rule.mean if self.rule.pool == "set" else "arithmetic")

    def _of_sums(self, sums: np.ndarray) -> np.ndarray:
        """(…, K, T, 4) counts of a whole set to (…) values."""
        if self.rule.pool == "set":
            return mean(self._each(sums), self.rule.mean)
        return together(np.moveaxis(sums, -2, -3), self.rule, self.binary).mean(axis=-1)

    def _each(self, cells: np.ndarray) -> np.ndarray:
        return per_class(cells, self.rule, self.binary).mean(axis=-1)

    def _pairs(self) -> np.ndarray:
        return self._each(self.cells)

    def _images(self) -> np.ndarray:
        return together(np.moveaxis(self.cells, -2, -3), self.rule, self.binary).mean(axis=-1)


def weighted(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The mean of (N, K) values that are no NaN, with image n `weights[r, n]` times: (R,) float64."""
    known = ~np.isnan(values)
    total = weights @ np.where(known, values, 0.0).sum(axis=1)
    count = weights @ known.sum(axis=1).astype(np.float64)
    return np.where(count > 0, total / np.where(count > 0, count, 1), np.nan)
