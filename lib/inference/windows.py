"""Overlapping windows over an image, and the weights that blend them without seams."""

from __future__ import annotations

import math

import numpy as np

FLOOR = 0.05
"""Smallest weight: a pure Hann window is zero on the image's border, where nothing else covers it."""


def starts(length: int, window: int, overlap: float) -> list[int]:
    """First pixels of windows that cover `length`, evenly spread, neighbours sharing at least `overlap`.

    One window, at 0, when the image is not longer than it.
    """
    if length <= window:
        return [0]
    step = max(1, int(window * (1 - overlap)))
    count = math.ceil((length - window) / step) + 1
    return [round(place * (length - window) / (count - 1)) for place in range(count)]


def weights(height: int, width: int) -> np.ndarray:
    """A floored Hann window, (height, width) float32: 1 in the middle, `FLOOR` at the edge."""

    def along(length: int) -> np.ndarray:
        hann = np.sin(np.pi * (np.arange(length) + 0.5) / length) ** 2
        return FLOOR + (1 - FLOOR) * hann

    return np.outer(along(height), along(width)).astype(np.float32)
