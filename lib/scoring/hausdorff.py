"""The 3-D Hausdorff distance of volumes that are made of slices, normalised.

    distance = normalised_distance(truth, predicted, (266, 266))     # lists of slices, each as runs; 0..1

A volume's voxels have integer places (slice, row, column), the slice depth being 1. The distance, the farthest that a
voxel of one mask is from the other mask, is divided by the volume's diagonal, which bounds it by 1 (the competition's
page: "normalized by image size to create a bounded 0-1 score"). Both masks empty: no value. One empty: 1, the worst.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from lib.competitions.metrics import Rule
from lib.scoring.counted import weighted
from lib.scoring.measures import NAN, mean


@dataclass(frozen=True, eq=False)
class Distances:
    """1 - normalised distance of G volumes and K classes, and which volume each of N images belongs to."""

    cells: np.ndarray
    """(G, K) float64; NaN where truth and prediction are both empty."""
    group: np.ndarray
    rule: Rule

    def values(self, weights: np.ndarray) -> np.ndarray:
        """The mean over volumes and classes, for each row of weights (R, N), a volume weighing as its slices do."""
        slices = np.bincount(self.group, minlength=len(self.cells))
        shares = np.zeros((len(weights), len(self.cells)))
        np.add.at(shares.T, self.group, np.asarray(weights, np.float64).T)
        return weighted(shares / slices, self._known())

    def by_class(self) -> np.ndarray:
        """Each class by itself, averaged over volumes: (K,) float64."""
        return mean(self._known().T)

    def by_image(self) -> np.ndarray:
        """The value of the volume that each image is of, averaged over classes: (N,) float64."""
        return mean(self._known())[self.group]

    def _known(self) -> np.ndarray:
        return self.cells if self.rule.empty == "skip" else np.where(np.isnan(self.cells), self.rule.empty, self.cells)


def normalised_distance(truth: Sequence[np.ndarray], predicted: Sequence[np.ndarray], size: tuple[int, int]) -> float:
    """The distance of two masks, each given as its slices' runs (n, 2) of pixels; NaN when both are empty."""
    filled = [any(len(runs) for runs in side) for side in (truth, predicted)]
    if not all(filled):
        return 1.0 if any(filled) else NAN
    one, other = (np.stack([plane_of(runs, size) for runs in side]) for side in (truth, predicted))
    farthest = max(_directed(one & ~other, other), _directed(other & ~one, one))
    return float(np.sqrt(farthest / (len(truth) ** 2 + size[0] ** 2 + size[1] ** 2)))


def _directed(points: np.ndarray, mask: np.ndarray) -> float:
    """The largest squared distance from voxels of `points` to the nearest of `mask`, both (D, H, W) bool.

    The nearest voxel of a slice comes from OpenCV's exact distance transform, the nearest slice by trying them all.
    """
    places, rows, columns = np.nonzero(points)
    if not len(places):
        return 0.0
    slices = np.flatnonzero(mask.any(axis=(1, 2)))
    nearest = np.full(len(places), np.inf)
    for slice_ in slices:
        flat = cv2.distanceTransform((~mask[slice_]).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        squared = np.rint(flat[rows, columns].astype(np.float64) ** 2) + (places - slice_) ** 2
        np.minimum(nearest, squared, out=nearest)
    return float(nearest.max())


def plane_of(runs: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(H, W) bool: True in sorted and disjoint runs (n, 2) of pixels."""
    edges = np.zeros(size[0] * size[1] + 1, np.int8)
    edges[runs[:, 0]] += 1
    edges[runs[:, 1]] -= 1
    return np.cumsum(edges[:-1], dtype=np.int8).reshape(size).astype(bool)
