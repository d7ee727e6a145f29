"""Where a prediction is wrong: near true borders or far from them, in small or in large true components.

details = Breakdown(competition)
details.add(truth, prediction)               # image by image
details.document()                           # {"boundary": […], "size": […]}
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np

from lib.competitions import Competition
from lib.rasters.instances import Instance
from lib.scoring.hausdorff import plane_of
from lib.scoring.instances import union
from lib.scoring.tally import Mask

BANDS = ((1, 2), (3, 5), (6, 10), (11, None))
"""Pixels from a true border, those beside it being 1 away."""

SIZES = ((1, 99), (100, 999), (1000, 9999), (10000, None))
"""Pixels of a true component."""

FOUND = 0.5
"""The share of a component that has to be predicted for it to count as found."""


class Breakdown:
    """Counts over a set, one image at a time; pixels that the truth ignores count nowhere."""

    def __init__(self, competition: Competition) -> None:
        self.competition = competition
        self.bands = np.zeros((len(BANDS), 2), np.int64)
        """Pixels, wrong ones."""
        self.sizes = np.zeros((len(competition.classes), len(SIZES), 4), np.int64)
        """Components, found ones, their pixels, predicted ones among them."""

    def add(self, truth: Mask, prediction: Mask, size: tuple[int, int] | None = None) -> None:
        """Count an image; masks as `lib.scoring.take` takes them."""
        if isinstance(truth, np.ndarray) and truth.dtype == np.uint8 and isinstance(prediction, np.ndarray):
            self._band(border_distance(truth), truth != prediction, truth < len(self.competition.classes))
        else:
            for _, one, other in self._planes(truth, prediction, size):
                self._band(border_distance(one), one != other, None)
        for index, one, other in self._planes(truth, prediction, size):
            self._components(index, one, other)

    def document(self) -> dict[str, Any]:
        """What was counted, as score.json holds it."""
        everywhere, wrong = (max(1, int(total)) for total in self.bands.sum(axis=0))
        boundary = [
            {"from": low, "to": high, "pixels": pixels, "wrong": bad, "error": bad / pixels if pixels else None}
            | {"share_of_pixels": pixels / everywhere, "share_of_errors": bad / wrong}
            for (low, high), (pixels, bad) in zip(BANDS, self.bands.tolist(), strict=True)
        ]
        keys = ("components", "found", "pixels", "hits")
        size = [
            {"class": self.competition.names[index], "from": low, "to": high}
            | dict(zip(keys, cell, strict=True))
            | {"recall": cell[3] / cell[2]}
            for index, row in enumerate(self.sizes.tolist())
            for (low, high), cell in zip(SIZES, row, strict=True)
            if cell[0]
        ]
        return {"boundary": boundary, "size": size}

    def _band(self, distance: np.ndarray, wrong: np.ndarray, known: np.ndarray | None) -> None:
        for place, (low, high) in enumerate(BANDS):
            there = distance >= low if high is None else (distance >= low) & (distance < high + 1)
            there = there if known is None else there & known
            self.bands[place] += np.count_nonzero(there), np.count_nonzero(there & wrong)

    def _components(self, index: int, one: np.ndarray, other: np.ndarray) -> None:
        if not one.any():
            return
        rows, columns = np.flatnonzero(one.any(axis=1)), np.flatnonzero(one.any(axis=0))
        box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        _, numbers, stats, _ = cv2.connectedComponentsWithStats(one[box].astype(np.uint8), connectivity=8)
        areas = stats[1:, cv2.CC_STAT_AREA].astype(np.int64)
        hits = np.bincount(numbers[other[box] & one[box]], minlength=len(stats))[1:]
        bucket = np.searchsorted([low for low, _ in SIZES[1:]], areas, side="right")
        for column, values in enumerate((np.ones_like(areas), hits >= FOUND * areas, areas, hits)):
            np.add.at(self.sizes[index, :, column], bucket, values.astype(np.int64))

    def _planes(
        self, truth: Mask, prediction: Mask, size: tuple[int, int] | None
    ) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Counted classes that either has, as (H, W) bool of both."""
        for index in self.competition.counted:
            one, other = (_plane(mask, index, size) for mask in (truth, prediction))
            if one.any() or other.any():
                yield index, one, other


def border_distance(mask: np.ndarray) -> np.ndarray:
    """(H, W) float32: how far each pixel is from a border between values of (H, W) uint8 or bool; 1: beside one.

    The edge of the image is no border; without any border, everything is infinitely far.
    """
    pixels = mask.view(np.uint8)
    inner = np.ones(mask.shape, np.uint8)
    down, across = pixels[1:] != pixels[:-1], pixels[:, 1:] != pixels[:, :-1]
    inner[1:][down] = inner[:-1][down] = 0
    inner[:, 1:][across] = inner[:, :-1][across] = 0
    if inner.all():
        return np.full(mask.shape, np.inf, np.float32)
    return cv2.distanceTransform(inner, cv2.DIST_L2, cv2.DIST_MASK_5) + 1


def _plane(mask: Mask, index: int, size: tuple[int, int] | None) -> np.ndarray:
    if isinstance(mask, np.ndarray):
        return (mask >> np.uint32(index)) & 1 > 0 if mask.dtype == np.uint32 else mask == index
    own: list[Instance] = [part for part in mask if part.index == index]
    return plane_of(union(own), size)
