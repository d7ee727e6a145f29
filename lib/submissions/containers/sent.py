"""A mask as the competition's file can hold it: what decodes from a right file.

mask = as_sent(mask, competition, (H, W))

Classes without rows are gone, components below `min_area` too; patches are all or nothing.
"""

from __future__ import annotations

import cv2
import numpy as np

from lib.competitions import IGNORE, Competition
from lib.errors import DataError
from lib.rasters import runs as rn
from lib.rasters.bits import plane
from lib.rasters.instances import Instance, neighbours
from lib.submissions.layout import Mask, Size
from lib.submissions.payloads import patches


def as_sent(mask: Mask, competition: Competition, size: Size | None = None) -> Mask:
    """The mask that a file made of `mask` holds, of the same kind; `size` is needed for instances.

    Raises `DataError` for instances that leave the image.
    """
    form = competition.submission
    if competition.kind == "instances":
        return [each for each in mask if _counts(each, competition, size)]
    if competition.kind == "bits":
        mask = mask & np.uint32(sum(1 << index for index in competition.sent))
        return _large_bits(mask, competition) if form.min_area else mask
    labels = sent_only(mask, competition)
    if form.pictures and form.pictures.none is not None:
        labels = _none_is_a_class(labels, competition)
    if form.min_area:
        labels = _large_labels(labels, competition)
    return _patched(labels, competition) if form.csv and form.csv.unit == "patch" else labels


def sent_only(labels: np.ndarray, competition: Competition) -> np.ndarray:
    """A label map (H, W) uint8 whose pixels of classes without rows become `competition.unclaimed`."""
    keep = np.full(256, competition.unclaimed, np.uint8)
    keep[list(competition.sent)] = competition.sent
    return cv2.LUT(labels, keep)


def small(chosen: np.ndarray, competition: Competition) -> np.ndarray:
    """The pixels of an (H, W) bool mask in components with fewer than `min_area` pixels: (H, W) bool."""
    count, numbers, stats, _ = cv2.connectedComponentsWithStats(
        chosen.view(np.uint8), connectivity=neighbours(competition)
    )
    tiny = stats[:, cv2.CC_STAT_AREA] < competition.submission.min_area
    tiny[0] = False
    return tiny[numbers] if count > 1 else np.zeros(chosen.shape, bool)


def _counts(instance: Instance, competition: Competition, size: Size | None) -> bool:
    if instance.index not in competition.sent or not len(instance.runs):
        return False
    if size is not None and (instance.runs[0, 0] < 0 or instance.runs[-1, 1] > size[0] * size[1]):
        raise DataError(f"an instance of {competition.names[instance.index]} leaves its image of {size[1]}x{size[0]}")
    return instance.area >= competition.submission.min_area


def _large_bits(bits: np.ndarray, competition: Competition) -> np.ndarray:
    bits = bits.copy()
    for index in competition.sent:
        bits[small(plane(bits, index), competition)] &= np.uint32(~(1 << index) & 0xFFFFFFFF)
    return bits


def _large_labels(labels: np.ndarray, competition: Competition) -> np.ndarray:
    labels = labels.copy()
    for index in competition.sent:
        if index != competition.unclaimed:
            labels[small(labels == index, competition)] = competition.unclaimed
    return labels


def _patched(labels: np.ndarray, competition: Competition) -> np.ndarray:
    form, (index,) = competition.submission.csv, competition.sent
    decided = patches.decide(labels == index, form.patch, form.threshold)
    return np.where(patches.spread(decided, labels.shape, form.patch), index, competition.unclaimed).astype(np.uint8)


def _none_is_a_class(labels: np.ndarray, competition: Competition) -> np.ndarray:
    """Pixels of no class as the class that has the value which a picture holds there."""
    pictures = competition.submission.pictures
    values = pictures.values or competition.values
    if pictures.none not in values:
        return labels
    return np.where(labels == IGNORE, values.index(pictures.none), labels).astype(np.uint8)


def planes(bits: np.ndarray, competition: Competition) -> dict[int, np.ndarray]:
    """The (H, W) bool mask of each class that is sent, from bit planes (H, W) uint32."""
    return {index: plane(bits, index) for index in competition.sent}


def same(one: Mask, other: Mask) -> bool:
    """Whether two masks of one kind are equal; instances in whatever order."""
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other)
    return sorted(map(_identity, one)) == sorted(map(_identity, other))


def _identity(instance: Instance) -> tuple[int, bytes]:
    return instance.index, rn.united([instance.runs]).tobytes()
