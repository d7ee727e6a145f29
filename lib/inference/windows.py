"""Overlapping windows over an image, and the weights that blend them without seams.

    rows = Axis.of(4000, window=512, overlap=0.25, blend="hann")
    for first, share in zip(rows.firsts, rows.shares): ...        # shares of a pixel add up to 1

A window is as large as asked, or as the image where that is smaller: all windows of an image have one shape. What the
network needs beyond it is reflected (`reflected`), and cut off again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

FLOOR = 0.05
"""Smallest weight: a pure Hann window is zero on the image's border, where nothing else covers it."""

SIGMA = 1 / 8
"""A Gaussian window's standard deviation over its length, as in nnU-Net (Isensee et al., 2021)."""

Blend = Literal["hann", "gaussian"]


def starts(length: int, window: int, overlap: float) -> list[int]:
    """First pixels of windows that cover `length`, evenly spread, neighbours sharing at least `overlap`.

    One window, at 0, when the image is not longer than it.
    """
    if length <= window:
        return [0]
    step = max(1, int(window * (1 - overlap)))
    count = math.ceil((length - window) / step) + 1
    return [round(place * (length - window) / (count - 1)) for place in range(count)]


def profile(length: int, blend: Blend = "hann") -> np.ndarray:
    """A window's weights along one axis, (length,) float64: 1 in the middle, not below `FLOOR`."""
    place = (np.arange(length) + 0.5) / length
    shape = np.sin(np.pi * place) ** 2 if blend == "hann" else np.exp(-0.5 * ((place - 0.5) / SIGMA) ** 2)
    return FLOOR + (1 - FLOOR) * shape


def weights(height: int, width: int, blend: Blend = "hann") -> np.ndarray:
    """A floored window, (height, width) float32: the product of its two profiles."""
    return np.outer(profile(height, blend), profile(width, blend)).astype(np.float32)


@dataclass(frozen=True)
class Axis:
    """The windows along one axis of an image, and which share each has in every pixel that it covers.

    The windows form a grid and their weights are products, so shares along rows and columns are products, too.
    """

    length: int
    side: int
    firsts: tuple[int, ...]
    shares: tuple[np.ndarray, ...]
    """(side,) float32 each; over all windows, those of one pixel add up to 1."""

    @classmethod
    def of(cls, length: int, window: int, overlap: float, blend: Blend = "hann") -> Axis:
        """Windows of `window` pixels over `length`, or one of `length`."""
        side = min(length, window)
        firsts = starts(length, window, overlap)
        weight, total = profile(side, blend), np.zeros(length)
        for first in firsts:
            total[first : first + side] += weight
        shares = tuple((weight / total[first : first + side]).astype(np.float32) for first in firsts)
        return cls(length, side, tuple(firsts), shares)

    def touching(self, begin: int, end: int) -> range:
        """Numbers of the windows that cover any pixel of [begin, end)."""
        chosen = [number for number, first in enumerate(self.firsts) if first < end and first + self.side > begin]
        return range(chosen[0], chosen[-1] + 1)


def reflected(images: torch.Tensor, multiple: int) -> torch.Tensor:
    """Images (…, H, W) grown below and to the right to multiples of `multiple`, by reflection at the border pixel.

    As `numpy.pad(mode="reflect")`, the reflection is repeated where the padding is longer than the image.
    """
    height, width = images.shape[-2:]
    for axis, length in ((-2, height), (-1, width)):
        if length % multiple:
            period = max(1, 2 * (length - 1))
            place = torch.arange(-(-length // multiple) * multiple, device=images.device) % period
            images = images.index_select(axis, torch.minimum(place, period - place) if length > 1 else place * 0)
    return images
