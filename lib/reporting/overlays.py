"""One picture an image: the image, the truth over it, the prediction over it, and where they differ, with a legend.

picture = overlay(image, truth, prediction, competition, title="1007  Dice 0.71")     # (h, w, 3) uint8
views = panels(image, truth, prediction, competition)                                 # [("image", pixels), …]
"""

from __future__ import annotations

import cv2
import numpy as np

from lib.competitions import IGNORE, Competition
from lib.rasters import colours

SIDE = 420
"""Longest side of one panel, in pixels."""

MARGIN = 10
INK, PAPER, FAINT = (34, 34, 34), (255, 255, 255), (110, 110, 110)
WRONG = (220, 40, 60)
BLANK = 216
"""The grey of an image that is not at hand."""


def overlay(
    image: np.ndarray, truth: np.ndarray | None, prediction: np.ndarray, competition: Competition, title: str
) -> np.ndarray:
    """Panels side by side under a title; without a truth, image and prediction only.

    `image`: (H, W, 3) uint8 RGB; `truth`, `prediction`: (H, W) uint8 label maps. Returns (h, w, 3) uint8 RGB.
    """
    views = panels(image, truth, prediction, competition)
    height, width = views[0][1].shape[:2]
    shown = [small(part) for part in (truth, prediction) if part is not None]
    present = [label for label in range(len(competition.classes)) if any((part == label).any() for part in shown)]
    palette = colours(competition)
    sheet = np.full((height + 84, (width + MARGIN) * len(views) + MARGIN, 3), 255, np.uint8)
    _text(sheet, title, (MARGIN, 20), 0.5, INK)
    for place, (name, panel) in enumerate(views):
        left = MARGIN + place * (width + MARGIN)
        _text(sheet, name, (left, 40), 0.42, FAINT)
        sheet[48 : 48 + height, left : left + width] = panel
    _legend(sheet, height + 60, [(competition.names[label], palette[label]) for label in present], truth is not None)
    return sheet


def panels(
    image: np.ndarray | None,
    truth: np.ndarray | None,
    prediction: np.ndarray,
    competition: Competition,
    wrong: np.ndarray | None = None,
) -> list[tuple[str, np.ndarray]]:
    """Names and pictures (h, w, 3) uint8 RGB of at most `SIDE` pixels: image, truth, prediction, errors.

    Without an image the masks are shown on grey. `wrong`: (H, W) bool, where label maps do not say it all.
    """
    palette, shown = colours(competition), small(prediction)
    blank = np.full((*shown.shape, 3), BLANK, np.uint8)
    below = blank if image is None else _resized(image, shown.shape, cv2.INTER_AREA)
    views = [] if image is None else [("image", below)]
    if truth is None:
        return [*views, ("prediction", _blend(below, shown, palette))]
    right = small(truth)
    bad = (right != shown) & (right != IGNORE) if wrong is None else small(wrong.astype(np.uint8)) > 0
    return [
        *views,
        ("truth", _blend(below, right, palette)),
        ("prediction", _blend(below, shown, palette)),
        ("errors", _errors(below, bad)),
    ]


def small(labels: np.ndarray) -> np.ndarray:
    """A label map with a longest side of at most `SIDE` pixels, by nearest neighbour."""
    height, width = labels.shape
    scale = min(1.0, SIDE / max(height, width))
    return _resized(labels, (max(1, round(height * scale)), max(1, round(width * scale))), cv2.INTER_NEAREST)


def _blend(image: np.ndarray, labels: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Half image, half class colour, dark lines between classes; pixels of no class stay image."""
    mixed = cv2.addWeighted(image, 0.5, palette[labels], 0.5, 0)
    mixed[labels == IGNORE] = image[labels == IGNORE]
    edge = np.zeros(labels.shape, bool)
    edge[1:] |= labels[1:] != labels[:-1]
    edge[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    mixed[edge] = (mixed[edge] * 0.45).astype(np.uint8)
    return mixed


def _errors(image: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    picture = cv2.addWeighted(grey, 0.6, np.full_like(grey, 255), 0.4, 0)
    picture[wrong] = WRONG
    return picture


def _legend(sheet: np.ndarray, top: int, entries: list[tuple[str, np.ndarray]], errors: bool) -> None:
    left = MARGIN
    for name, colour in [*entries, *([("wrong", WRONG)] if errors else [])]:
        box = (int(colour[0]), int(colour[1]), int(colour[2]))
        cv2.rectangle(sheet, (left, top), (left + 14, top + 14), box, -1)
        cv2.rectangle(sheet, (left, top), (left + 14, top + 14), FAINT, 1)
        _text(sheet, name, (left + 20, top + 12), 0.42, INK)
        left += 34 + cv2.getTextSize(name, cv2.FONT_HERSHEY_SIMPLEX, 0.42, 1)[0][0]


def _text(sheet: np.ndarray, text: str, place: tuple[int, int], size: float, colour: tuple[int, int, int]) -> None:
    ascii_only = text.encode("ascii", "replace").decode()  # OpenCV's fonts know no other letters
    cv2.putText(sheet, ascii_only, place, cv2.FONT_HERSHEY_SIMPLEX, size, colour, 1, cv2.LINE_AA)


def _resized(pixels: np.ndarray, size: tuple[int, int], how: int) -> np.ndarray:
    return pixels if pixels.shape[:2] == tuple(size) else cv2.resize(pixels, size[::-1], interpolation=how)
