"""A network's answers to several views of the same windows, added up as probabilities that lie class by class.

    mean = Mean(tiles.shape[-2:])
    mean.add(logits, view, share)                # of each view; shares add up to 1
    mean.maps                                    # (N, C, h, w) float32, one plane after another

Networks answer channels last: the classes of a pixel lie side by side. On a CPU turning 25 classes of a window around
at once costs more than the softmax itself, so a strip of rows at a time is turned around, answered and added while it
is in the cache, several strips at once. OpenCV's exp takes a quarter of the time of torch's there.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import cv2
import numpy as np
import torch

from lib.inference.tta import View

STRIP = 1 << 13
"""Pixels turned around at a time: some hundred kB of logits."""

STRIPS = ThreadPoolExecutor(min(8, os.cpu_count() or 1), "strip")
"""Works on strips side by side: NumPy and OpenCV let go of the interpreter."""

TOGETHER = 8
"""Classes resized at a time: resizing all of them at once would be the peak of memory."""


class Mean:
    """Class probabilities of windows, averaged over views."""

    def __init__(self, size: tuple[int, int], multilabel: bool = False) -> None:
        """`size`: the windows' height and width."""
        self.size, self.multilabel = tuple(size), multilabel
        self.maps: torch.Tensor | None = None
        """(N, C, h, w) float32; None before the first answer."""

    def add(self, logits: torch.Tensor, view: View, share: float) -> None:
        """Add `share` of the probabilities of (N, C, h', w') float32 logits of a view; may change `logits`."""
        is_first = self.maps is None
        if is_first:
            self.maps = logits.new_empty((*logits.shape[:2], *self.size))
        if view.scale == 1 and _by_pixel(logits):
            self._add_strips(view.turn.seen_back(_pixels(logits)), self.maps, share, is_first)
            return
        maps = self._answered(logits).mul_(share)
        for part, into in zip(maps.split(TOGETHER, 1), self.maps.split(TOGETHER, 1), strict=True):
            back = view.undo(part, self.size)
            if is_first:
                into.copy_(back)
            else:
                into.add_(back)

    def _answered(self, logits: torch.Tensor) -> torch.Tensor:
        """Probabilities that lie class by class, in the memory of the logits where these do."""
        if _by_pixel(logits):
            maps = torch.empty(logits.shape)
            self._add_strips(_pixels(logits), maps, 1, True)
            return maps
        maps = logits.contiguous()
        if self.multilabel:
            return torch.sigmoid(maps, out=maps)
        return torch.softmax(maps, 1, out=maps)

    def _add_strips(self, pixels: np.ndarray, maps: torch.Tensor, share: float, is_first: bool) -> None:
        """Logits (N, h, w, C), in any order of the memory, to maps (N, C, h, w)."""
        _, height, width, classes = pixels.shape
        planes, rows = maps.numpy().reshape(len(pixels), classes, -1), max(1, STRIP // width)

        def add(place: tuple[int, int]) -> None:
            image, top = place
            strip = np.ascontiguousarray(pixels[image, top : top + rows]).reshape(-1, classes)
            found = planes[image, :, top * width : top * width + len(strip)]
            answers, factor = _exponentials(cv2.transpose(strip), self.multilabel, share)
            if is_first:
                np.multiply(answers, factor, out=found)
            else:
                found += np.multiply(answers, factor, out=answers)

        list(STRIPS.map(add, product(range(len(pixels)), range(0, height, rows))))


def _exponentials(logits: np.ndarray, multilabel: bool, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Of logits (C, n) float32, in their memory: two factors of `share` times the probabilities."""
    if multilabel:
        np.negative(logits, out=logits)
        cv2.exp(logits, logits)
        logits += 1
        return np.reciprocal(logits, out=logits), np.float32(share)
    logits -= logits.max(0)
    cv2.exp(logits, logits)
    return logits, np.float32(share) / logits.sum(0)


def _by_pixel(logits: torch.Tensor) -> bool:
    """Whether the classes of a pixel lie side by side in the memory of the CPU."""
    return logits.device.type == "cpu" and not logits.is_contiguous() and logits.stride(1) == 1


def _pixels(logits: torch.Tensor) -> np.ndarray:
    return logits.permute(0, 2, 3, 1).numpy()
