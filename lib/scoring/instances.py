"""Instances of a mask, how much those of the truth and of a prediction overlap, and which are hits.

    pairs = overlaps(truth, predicted)                     # Pairs(truth, predicted, iou), only those that meet
    hits(pairs, confidences, 0.5, rule)                    # (P,) bool

Instances are runs of pixels (`lib.rasters.instances`), so that nothing here grows with the image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lib.competitions.metrics import Rule
from lib.rasters.instances import Instance

MOST = 100
"""Instances an image and class that COCO looks at, the most confident ones."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """True and predicted instances of one class that share pixels: numbers of both and their IoU, (n,) each."""

    truth: np.ndarray
    predicted: np.ndarray
    iou: np.ndarray


def union(instances: Sequence[Instance]) -> np.ndarray:
    """The pixels of any of them, as sorted and disjoint runs (n, 2) int64."""
    runs = np.concatenate([instance.runs for instance in instances] or [np.empty((0, 2), np.int64)])
    runs = runs[np.argsort(runs[:, 0], kind="stable")]
    if not len(runs):
        return runs
    reach = np.maximum.accumulate(runs[:, 1])
    first = np.concatenate([[True], runs[1:, 0] > reach[:-1]])
    last = np.concatenate([first[1:], [True]])
    return np.stack([runs[first, 0], reach[last]], axis=1)


def overlaps(truth: Sequence[Instance], predicted: Sequence[Instance]) -> Pairs:
    """The pairs of a true and a predicted instance that share pixels, with their IoU (exact: int64 over int64)."""
    one, other = _joined(truth), _joined(predicted)
    if _disjoint(one[0]):
        keys, shared = _met(*one, *other, len(predicted))
    elif _disjoint(other[0]):
        keys, shared = _met(*other, *one, len(truth))
        keys = keys % len(truth) * len(predicted) + keys // len(truth)
    else:  # both overlap among themselves: an instance by itself is disjoint
        parts = [_met(part.runs, np.full(len(part.runs), n), *other, len(predicted)) for n, part in enumerate(truth)]
        keys, shared = (np.concatenate(column) for column in zip(*parts, strict=True))
    keys, place = np.unique(keys, return_inverse=True)
    common = np.zeros(len(keys), np.int64)
    np.add.at(common, place, shared)
    one, other = keys // max(1, len(predicted)), keys % max(1, len(predicted))
    sizes = [np.array([part.area for part in side], np.int64) for side in (truth, predicted)]
    return Pairs(one, other, common / (sizes[0][one] + sizes[1][other] - common))


def hits(pairs: Pairs, confidences: np.ndarray, threshold: float, rule: Rule) -> np.ndarray:
    """Which predicted instances find a true one at an IoU threshold, each true one being found once: (P,) bool.

    The more confident choose first, then the better IoU. Of an average-precision rule the choice is that of its
    `ranking`: the detections' evaluation of OpenImages (TensorFlow's object detection API) or of COCO (pycocotools).
    """
    found = np.zeros(len(confidences), bool)
    good = pairs.iou >= threshold if rule.reaches else pairs.iou > threshold
    style = rule.ranking if rule.measure == "average-precision" else None
    rank = np.empty(len(confidences), np.int64)
    rank[np.argsort(-confidences, kind="stable")] = np.arange(len(confidences))
    if style == "openimages":
        best = np.lexsort((pairs.truth, -pairs.iou, pairs.predicted))
        good[best[1:][np.diff(pairs.predicted[best]) == 0]] = False
    if style == "coco":
        good &= rank[pairs.predicted] < MOST
    true, predicted, iou = pairs.truth[good], pairs.predicted[good], pairs.iou[good]
    if len(np.unique(true)) == len(true) and len(np.unique(predicted)) == len(predicted):
        found[predicted] = True
        return found
    keys = (predicted, -iou, -confidences[predicted]) if style is None else (-true, -iou, rank[predicted])
    taken: set[int] = set()
    for place in np.lexsort(keys):
        if not found[predicted[place]] and true[place] not in taken:
            taken.add(true[place])
            found[predicted[place]] = True
    return found


def shared_pixels(one: np.ndarray, other: np.ndarray) -> int:
    """Pixels in both of two sets of sorted, disjoint runs."""
    owners = np.zeros(len(one), np.int64), np.zeros(len(other), np.int64)
    return int(_met(one, owners[0], other, owners[1], 1)[1].sum())


def _joined(instances: Sequence[Instance]) -> tuple[np.ndarray, np.ndarray]:
    """All runs sorted by their start, and whose each is."""
    runs = np.concatenate([instance.runs for instance in instances] or [np.empty((0, 2), np.int64)])
    owner = np.repeat(np.arange(len(instances)), [len(instance.runs) for instance in instances])
    order = np.argsort(runs[:, 0], kind="stable")
    return runs[order], owner[order]


def _disjoint(runs: np.ndarray) -> bool:
    return bool((runs[1:, 0] >= runs[:-1, 1]).all())


def _met(
    runs: np.ndarray, owner: np.ndarray, others: np.ndarray, their: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Every meeting of a run with one of `others`: owner * count + the other's owner, and the pixels shared.

    `runs` are sorted and disjoint; `others` may be anything.
    """
    low = np.searchsorted(runs[:, 1], others[:, 0], side="right")
    high = np.searchsorted(runs[:, 0], others[:, 1], side="left")
    times = np.maximum(high - low, 0)
    which = np.repeat(np.arange(len(others)), times)
    mine = np.arange(times.sum()) - np.repeat(np.cumsum(times) - times, times) + np.repeat(low, times)
    shared = np.minimum(runs[mine, 1], others[which, 1]) - np.maximum(runs[mine, 0], others[which, 0])
    return owner[mine] * count + their[which], shared
