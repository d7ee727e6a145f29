"""A network's answers to several views of the same windows, added up as probabilities that lie class by class.

    mean = Mean(tiles.shape[-2:])
    mean.add(logits, view, share)                # of each view; shares add up to 1
    mean.maps                                    # (N, C, h, w) float32, one plane after another

Networks answer channels last: the classes of a pixel lie side by side. On a CPU turning 25 classes of a window around
at once costs more than the softmax itself, so a strip of rows at a time is turned around, answered and added while it
is in the cache.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch

from lib.inference.tta import View

STRIP = 1 << 13
"""Pixels turned around at a time: some hundred kB of logits."""

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
        self._answer(maps, 1, maps)
        return maps

    def _add_strips(self, pixels: np.ndarray, maps: torch.Tensor, share: float, is_first: bool) -> None:
        """Logits (N, h, w, C), in any order of the memory, to maps (N, C, h, w)."""
        _, height, width, classes = pixels.shape
        rows = max(1, STRIP // width)
        for image, into in zip(pixels, maps, strict=True):
            for top in range(0, height, rows):
                strip = into[:, top : top + rows]
                listed = np.ascontiguousarray(image[top : top + rows]).reshape(-1, classes)
                planes = torch.from_numpy(cv2.transpose(listed)).view(classes, -1, width)
                if is_first and share == 1:
                    self._answer(planes, 0, strip)
                    continue
                self._answer(planes, 0, planes)
                if is_first:
                    torch.mul(planes, share, out=strip)
                else:
                    strip.add_(planes, alpha=share)

    def _answer(self, logits: torch.Tensor, axis: int, out: torch.Tensor) -> None:
        if self.multilabel:
            torch.sigmoid(logits, out=out)
        else:
            torch.softmax(logits, axis, out=out)


def _by_pixel(logits: torch.Tensor) -> bool:
    """Whether the classes of a pixel lie side by side in the memory of the CPU."""
    return logits.device.type == "cpu" and not logits.is_contiguous() and logits.stride(1) == 1


def _pixels(logits: torch.Tensor) -> np.ndarray:
    return logits.permute(0, 2, 3, 1).numpy()
