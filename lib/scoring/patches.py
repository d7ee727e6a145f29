"""Label maps as maps of patches, for competitions whose file says one thing a patch.

    patches(labels, competition)           # (608, 608) -> (38, 38), a pixel a patch; other competitions: labels itself

A patch is of the class that has rows when more than `threshold` of it is: EPFL's mask_to_submission.py makes truth and
file in this way.
"""

from __future__ import annotations

import cv2
import numpy as np

from lib.competitions import IGNORE, Competition


def patches(labels: np.ndarray, competition: Competition) -> np.ndarray:
    """A pixel for each patch of (H, W) uint8 labels, ignored where all of its pixels are; the last patches are cut."""
    csv = competition.submission.csv
    if csv is None or csv.unit != "patch":
        return labels
    (sent, *_) = competition.sent
    counts = [_sums(plane, csv.patch) for plane in (labels == sent, labels != IGNORE)]
    result = np.where(counts[0] > csv.threshold * counts[1], sent, competition.unclaimed).astype(np.uint8)
    result[counts[1] == 0] = IGNORE
    return result


def _sums(plane: np.ndarray, side: int) -> np.ndarray:
    height, width = (-(-length // side) * side for length in plane.shape)
    whole = np.zeros((height, width), np.float32)
    whole[: plane.shape[0], : plane.shape[1]] = plane
    means = cv2.resize(whole, (width // side, height // side), interpolation=cv2.INTER_AREA)
    return np.rint(means.astype(np.float64) * side * side)
