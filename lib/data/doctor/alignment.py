"""Whether masks lie on their images: borders of labels should fall where the picture changes.

found = fit(grey, borders)       # of one pair: correlations for 8 orientations and for small shifts

Judged only where another orientation, or a shift, wins clearly over many pairs, or by far in a single one: many honest
masks follow the picture loosely.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from lib.competitions import Competition
from lib.data.doctor.findings import Example, Finding, several

if TYPE_CHECKING:
    from lib.data.doctor.records import Record

SIDE = 192
"""Longest side at which orientations are compared."""

REACH = 12
"""Shifts up to so many pixels are tried, at the images' own size."""

CROP = 768
"""Side of the part that shifts are tried on."""

ORIENTATIONS = (
    "as they are", "mirrored left to right", "mirrored top to bottom", "turned by 180°",
    "transposed", "turned by 90° clockwise", "turned by 90° counter-clockwise", "transposed along the other diagonal",
)  # fmt: skip
"""How a mask is turned to be tried; the first four keep a rectangle's shape."""

TURNS = (
    lambda p: p, lambda p: p[:, ::-1], lambda p: p[::-1], lambda p: p[::-1, ::-1],
    lambda p: p.T, lambda p: np.rot90(p, -1), lambda p: np.rot90(p), lambda p: p[::-1, ::-1].T,
)  # fmt: skip

CLEAR_SET, CLEAR_ALONE = 0.04, 0.15
"""By how much another orientation's correlation must be better: over the set, in one pair."""

SURE = 4.0
"""Standard errors by which the set's mean difference must be off zero."""


@dataclass(frozen=True)
class Fit:
    """How borders of labels and edges of the picture correlate, -1..1."""

    turns: np.ndarray
    """(8,): for each orientation of the mask; NaN where it does not fit the image's shape."""
    shifts: np.ndarray | None
    """(25, 25): for shifts of the mask by -12..12 rows and columns; None for an image that is too small."""


def fit(grey: np.ndarray, borders: np.ndarray) -> Fit | None:
    """Compare an image (H, W) uint8 with its mask's borders (H, W) bool; None where nothing can be compared."""
    height, width = grey.shape
    share = borders.mean()
    if min(height, width) < 32 or not 0.001 < share < 0.5:
        return None
    scale = min(1.0, SIDE / max(height, width))
    size = max(8, round(width * scale)), max(8, round(height * scale))
    edges = _edges(cv2.resize(grey, size, interpolation=cv2.INTER_AREA))
    lines = cv2.resize(borders.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    turns = np.full(len(TURNS), np.nan)
    for place, turn in enumerate(TURNS):
        turned = turn(lines)
        if turned.shape == edges.shape:
            turns[place] = _correlation(edges, turned)
    return Fit(turns, _shifts(grey, borders))


def check(records: Sequence[Record], competition: Competition | None) -> list[Finding]:
    """Misaligned pairs: by EXIF tags, by georeferences, by orientation and by shift."""
    pairs = [record for record in records if record.mask and record.mask.readable and record.image.head]
    return [*_tags(pairs, competition), *_places(pairs), *_turned(pairs), *_shifted(pairs)]


def _tags(pairs: list[Record], competition: Competition | None) -> list[Finding]:
    """Images whose camera's orientation tag was not applied, where the size does not tell (`pairs.sizes` does)."""
    if competition and competition.images.orientation == "exif":
        return []
    doubtful = [
        pair for pair in pairs if pair.image.head.orientation > 1 and pair.image.head.shape == pair.mask.head.shape
    ]
    if not doubtful:
        return []
    what = f"{several(len(doubtful), 'image')} with a camera's orientation tag, which is not applied"
    fix = 'look at one: if its mask fits the picture as viewers show it, set images.orientation = "exif"'
    return [_finding("warning", doubtful, len(pairs), what, fix)]


def _places(pairs: list[Record]) -> list[Finding]:
    both = [pair for pair in pairs if pair.image.head.transform is not None and pair.mask.head.transform is not None]
    wrong = [pair for pair in both if _apart(pair)]
    if not wrong:
        return []
    first = wrong[0]
    words = "another coordinate system"
    if first.image.head.crs == first.mask.head.crs:
        words = f"{_offset(first):.1f} pixels away in the first"
    what = f"{several(len(wrong), 'pair')} whose image and mask lie in different places on the Earth ({words})"
    fix = "bring masks onto their images' grid: masks.resample, or gdalwarp"
    resampled = [pair for pair in wrong if pair.image.head.shape == pair.mask.head.shape]
    return [_finding("error" if resampled else "warning", wrong, len(pairs), what, fix)]


def _apart(pair: Record) -> bool:
    image, mask = pair.image.head, pair.mask.head
    return (image.crs is not None and mask.crs is not None and image.crs != mask.crs) or _offset(pair) > 0.5


def _offset(pair: Record) -> float:
    """How far the mask's corners are from the image's, at most, in pixels of the image."""
    image, mask = pair.image.head, pair.mask.head
    apart, own = 0.0, ~image.transform
    for row, column in ((0, 0), (1, 1)):
        x, y = _laid(mask.transform, column * mask.shape[1], row * mask.shape[0])
        left, top = _laid(own, x, y)
        apart = max(apart, abs(left - column * image.shape[1]), abs(top - row * image.shape[0]))
    return apart


def _laid(transform: Any, x: float, y: float) -> tuple[float, float]:
    """A point through an affine transform."""
    return transform.a * x + transform.b * y + transform.c, transform.d * x + transform.e * y + transform.f


def _turned(pairs: list[Record]) -> list[Finding]:
    known = [pair for pair in pairs if pair.fit is not None]
    found, told = [], set()
    for place in range(1, len(TURNS)):
        gains = np.array([pair.fit.turns[place] - pair.fit.turns[0] for pair in known])
        able = np.isfinite(gains)
        if able.sum() >= 4 and able.mean() >= 0.5:
            gain, error = gains[able].mean(), gains[able].std() / np.sqrt(able.sum())
            if gain > CLEAR_SET and gain > SURE * error:
                wrong = [pair for pair, fits in zip(known, able, strict=True) if fits]
                told = {id(pair) for pair in wrong}
                what = f"masks fit their images better {ORIENTATIONS[place]}, over {several(len(wrong), 'pair')}"
                fix = "turn the masks back, or find the step that turned them"
                found.append(_finding("error", wrong, len(pairs), what, fix))
                break
    usual = float(np.median([pair.fit.turns[0] for pair in known])) if known else 0.0
    alone: dict[int, list[Record]] = {}
    for pair in known:
        best = int(np.nanargmax(pair.fit.turns))
        others = np.delete(pair.fit.turns, best)
        second = float(np.nanmax(others)) if np.isfinite(others).any() else 0.0
        if id(pair) not in told and best and pair.fit.turns[best] > max(second + CLEAR_ALONE, 0.75 * usual, 0.2):
            alone.setdefault(best, []).append(pair)
    for place, wrong in alone.items():
        what = f"{several(len(wrong), 'mask')} that fit their image far better {ORIENTATIONS[place]}"
        found.append(_finding("error", wrong, len(pairs), what, "turn them back, or leave them out: data.exclude"))
    return found


def _shifted(pairs: list[Record]) -> list[Finding]:
    known = [pair for pair in pairs if pair.fit is not None and pair.fit.shifts is not None]
    if len(known) < 4:
        return []
    surface = np.mean([pair.fit.shifts for pair in known], axis=0)
    row, column = (int(place) - REACH for place in np.unravel_index(np.argmax(surface), surface.shape))
    gains = np.array([pair.fit.shifts[row + REACH, column + REACH] - pair.fit.shifts[REACH, REACH] for pair in known])
    error = gains.std() / np.sqrt(len(gains))
    if max(abs(row), abs(column)) < 3 or gains.mean() < CLEAR_SET or gains.mean() < SURE * error:
        return []
    where = " and ".join(
        f"{abs(by)} pixels {words[by > 0]}" for by, words in ((row, ("up", "down")), (column, ("left", "right"))) if by
    )
    what = f"masks fit their images better moved {where}, over {several(len(known), 'pair')}"
    fix = "move the masks, or find the step that moved them (a crop, a border, a half-pixel grid)"
    return [_finding("error", known, len(pairs), what, fix)]


def _finding(level: str, wrong: list[Record], of: int, what: str, fix: str) -> Finding:
    paths = tuple(pair.mask.path for pair in wrong)
    example = Example(wrong[0].image.path, wrong[0].mask.path)
    return Finding(level, "alignment", what, paths, len(wrong) / of, fix, example)


def _shifts(grey: np.ndarray, borders: np.ndarray) -> np.ndarray | None:
    height, width = grey.shape
    if min(height, width) < 6 * REACH:
        return None
    top, left = max(0, (height - CROP) // 2), max(0, (width - CROP) // 2)
    part = np.s_[top : top + CROP, left : left + CROP]
    edges, lines = _edges(grey[part]), borders[part].astype(np.float32)
    inner = np.ascontiguousarray(lines[REACH:-REACH, REACH:-REACH])
    if inner.std() == 0 or edges.std() == 0:
        return None
    inner = cv2.GaussianBlur(inner, (0, 0), 1)
    return cv2.matchTemplate(edges, inner, cv2.TM_CCOEFF_NORMED)


def _edges(grey: np.ndarray) -> np.ndarray:
    """The square root of the gradient's length, which tames the strongest edges; (h, w) float32."""
    smooth = cv2.GaussianBlur(grey.astype(np.float32), (0, 0), 1)
    across, down = (cv2.Sobel(smooth, cv2.CV_32F, *order) for order in ((1, 0), (0, 1)))
    return np.sqrt(cv2.magnitude(across, down))


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    one, other = one - one.mean(), other - other.mean()
    length = float(np.sqrt((one**2).sum() * (other**2).sum()))
    return float((one * other).sum()) / length if length > 0 else 0.0
