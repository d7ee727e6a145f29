"""Pictures of the worst tiles of a set, made while their pixels are at hand, and few of them kept.

gallery = TileGallery(competition, most=20)
if gallery.wants("validation", loss):
    gallery.see("validation", loss, name, image, labels, prediction, place)
gallery.panels[name]                              # [("image", JPEG), ("label", JPEG), …]
"""

from __future__ import annotations

import bisect

import cv2
import numpy as np

from lib.competitions import Competition
from lib.rasters.visible import visible
from lib.reporting.overlays import panels

QUALITY = 82
SMALLEST = 240
"""Longest side of a panel, at least: smaller crops are enlarged."""

Place = tuple[int, int, int, int]
"""Top, bottom, left, right."""


class TileGallery:
    """Keeps the panels of the tiles of the largest loss, of each part of a set so many."""

    def __init__(self, competition: Competition, most: int) -> None:
        self.competition = competition
        self.most = most
        self.panels: dict[str, list[tuple[str, bytes]]] = {}
        """By the tile's name: image, label, prediction and errors as JPEGs."""
        self._kept: dict[str, list[tuple[float, str]]] = {}

    def wants(self, part: str, loss: float) -> bool:
        """Whether a tile of this loss is among the worst so far."""
        kept = self._kept.get(part, [])
        return len(kept) < self.most or -loss < kept[-1][0]

    def see(
        self,
        part: str,
        loss: float,
        name: str,
        image: np.ndarray,
        labels: np.ndarray,
        prediction: np.ndarray,
        place: Place,
    ) -> None:
        """Take a tile with what lies around it: pixels as the model sees them, (h, w, B) uint8, or float32 in 0..1;
        label maps (h, w) uint8; the tile's own `place` in them."""
        if not self.wants(part, loss):
            return
        kept = self._kept.setdefault(part, [])
        bisect.insort(kept, (-loss, name))
        views = panels(visible(image, self.competition.images), labels, prediction, self.competition)
        self.panels[name] = [
            ("label" if view == "truth" else view, _jpeg(_boxed(pixels, labels.shape, place))) for view, pixels in views
        ]
        for _, dropped in kept[self.most :]:
            del self.panels[dropped]
        del kept[self.most :]


def _boxed(panel: np.ndarray, shape: tuple[int, int], place: Place) -> np.ndarray:
    """A panel with a frame around the tile, where there is anything around it; `shape`: of what `place` counts in."""
    times = max(1, -(-SMALLEST // max(panel.shape[:2])))
    if times > 1:
        panel = cv2.resize(panel, None, fx=times, fy=times, interpolation=cv2.INTER_NEAREST)
    if place == (0, shape[0], 0, shape[1]):
        return panel
    down, across = panel.shape[0] / shape[0], panel.shape[1] / shape[1]
    begin = round(place[2] * across), round(place[0] * down)
    end = round(place[3] * across) - 1, round(place[1] * down) - 1
    panel = np.ascontiguousarray(panel)
    cv2.rectangle(panel, begin, end, (0, 0, 0), 4)
    cv2.rectangle(panel, begin, end, (255, 255, 255), 2)
    return panel


def _jpeg(pixels: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()
