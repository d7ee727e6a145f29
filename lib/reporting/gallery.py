"""The worst and the best images of a set, kept small while the set is scored, and shown with their errors.

gallery = Gallery(competition)
gallery.see(image, truth, prediction, size, score)           # for every image
pictures = gallery.pictures(paths)                            # [Picture("3044", 0.31, "worst", panels), …]
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from lib.competitions import IGNORE, Competition
from lib.errors import SwathError
from lib.rasters.visible import look
from lib.reporting.overlays import panels, small
from lib.scoring.hausdorff import plane_of
from lib.scoring.instances import union
from lib.scoring.tally import Mask

MOST = 4
"""Pictures of either kind."""

QUALITY = 85
WEBP_QUALITY = 80
"""Where a page has many pictures: as good, and two thirds of the bytes."""


@dataclass(frozen=True)
class Picture:
    """One image: its panels as JPEGs or WebPs, each with its name."""

    image: str
    score: float
    kind: str
    panels: list[tuple[str, bytes]]


@dataclass(frozen=True, eq=False)
class _Kept:
    score: float
    image: str
    truth: np.ndarray
    prediction: np.ndarray
    wrong: np.ndarray


class Gallery:
    """Keeps masks of few images, shrunk to what a page shows."""

    def __init__(self, competition: Competition, most: int = MOST) -> None:
        self.competition = competition
        self.most = most
        self._kept: list[_Kept] = []

    def see(self, image: str, truth: Mask, prediction: Mask, size: tuple[int, int], score: float | None) -> None:
        """Look at one image of the set; masks as `lib.scoring.take` takes them."""
        if score is None:
            return
        values = [kept.score for kept in self._kept]
        if len(values) >= 2 * self.most and values[self.most - 1] <= score <= values[-self.most]:
            return
        if isinstance(truth, np.ndarray) and truth.dtype == np.uint8:
            labels = [small(truth), small(prediction)]
            wrong = (labels[0] != labels[1]) & (labels[0] != IGNORE)
        else:
            planes = [
                [small(plane.astype(np.uint8)) > 0 for plane in self._planes(mask, size)]
                for mask in (truth, prediction)
            ]
            labels = [_labels(side) for side in planes]
            wrong = np.any([one != other for one, other in zip(*planes, strict=True)], axis=0)
        self._kept.append(_Kept(score, image, *labels, wrong))
        self._kept.sort(key=lambda kept: (kept.score, kept.image))
        if len(self._kept) > 2 * self.most:
            del self._kept[self.most]

    def pictures(self, paths: Mapping[str, Path], scores: Mapping[str, float | None] | None = None) -> list[Picture]:
        """The worst, worst first, then the best; over the images that lie at `paths`, the others on grey.

        `scores` take the place of what `see` was told, where an image's score is known only with the others'.
        """
        known = [
            replace(kept, score=value) for kept in self._kept if (value := (scores or {}).get(kept.image)) is not None
        ]
        ordered = sorted(known or self._kept, key=lambda kept: (kept.score, kept.image))
        half = min(self.most, -(-len(ordered) // 2))
        chosen = [(kept, "worst") for kept in ordered[:half]]
        chosen += [(kept, "best") for kept in ordered[half:][::-1][: self.most]]
        return [self._picture(kept, kind, paths.get(kept.image)) for kept, kind in chosen]

    def _picture(self, kept: _Kept, kind: str, path: Path | None) -> Picture:
        try:
            image = look(path, self.competition.images, kept.truth.shape) if path else None
        except SwathError:  # the score does not hang on a picture
            image = None
        views = panels(image, kept.truth, kept.prediction, self.competition, kept.wrong)
        return Picture(kept.image, kept.score, kind, [(name, _jpeg(view)) for name, view in views])

    def _planes(self, mask: Mask, size: tuple[int, int]) -> list[np.ndarray]:
        classes, sent = range(len(self.competition.classes)), self.competition.sent
        if not isinstance(mask, np.ndarray):
            return [plane_of(union([part for part in mask if part.index == index]), size) for index in classes]
        if mask.dtype == np.uint32:
            return [(mask >> np.uint32(index)) & 1 > 0 for index in classes]
        return [(mask == index) & (index in sent) for index in classes]


def picture(
    image: str,
    score: float,
    kind: str,
    pixels: np.ndarray,
    truth: np.ndarray,
    prediction: np.ndarray,
    competition: Competition,
) -> Picture:
    """One image of which everything is at hand: `pixels` (h, w, 3) uint8 RGB, label maps (H, W) uint8."""
    views = panels(pixels, truth, prediction, competition)
    return Picture(image, score, kind, [(name, _webp(view)) for name, view in views])


def _labels(planes: list[np.ndarray]) -> np.ndarray:
    """Planes as a label map to look at: the first class that a pixel has."""
    stack = np.stack(planes)
    return np.where(stack.any(axis=0), stack.argmax(axis=0), IGNORE).astype(np.uint8)


def _webp(pixels: np.ndarray) -> bytes:
    return cv2.imencode(".webp", pixels[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, WEBP_QUALITY])[1].tobytes()


def _jpeg(pixels: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()
