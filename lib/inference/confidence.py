"""How sure a model is of each instance: its class's probability, averaged over its pixels.

    confidence = Confidence((368, 368), decision)
    confidence.see(top, left, rows)                    # probabilities (C, r, w) as they come, at the working size
    confidence.of(instances, size=(1300, 1300))        # a number for each, 0..1

A rule that ranks instances by their confidence (average precision) loses much where all are equally sure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import cv2
import numpy as np
import torch

from lib.inference.decision import Decision
from lib.rasters.instances import Instance


class Confidence:
    """The probability of the class that each pixel of the working image is given, in steps of 1/255."""

    def __init__(self, shape: tuple[int, int], decision: Decision) -> None:
        self._map = np.zeros(shape, np.uint8)
        self._decision = decision

    def see(self, top: int, left: int, rows: torch.Tensor) -> None:
        """Look at probabilities (C, r, w) whose first pixel lies at row `top` and column `left`."""
        chosen = self._decision.biased(rows).argmax(0, keepdim=True)
        found = rows.gather(0, chosen)[0].mul(255).round().to(torch.uint8).cpu().numpy()
        self._map[top : top + found.shape[0], left : left + found.shape[1]] = found

    def shown(self, bands: Iterable[torch.Tensor]) -> Iterator[torch.Tensor]:
        """Bands of whole rows, from the top down, each looked at on its way."""
        top = 0
        for rows in bands:
            self.see(top, 0, rows)
            top += rows.shape[1]
            yield rows

    def of(self, instances: Sequence[Instance], size: tuple[int, int]) -> list[float]:
        """The confidence of each instance of a mask of `size` (height, width), in four digits."""
        if not instances:
            return []
        whole = cv2.resize(self._map, size[::-1], interpolation=cv2.INTER_LINEAR).reshape(-1)
        until = np.concatenate([[0], np.cumsum(whole, dtype=np.int64)])
        sums = [int((until[each.runs[:, 1]] - until[each.runs[:, 0]]).sum()) for each in instances]
        return [round(total / (255 * each.area), 4) for total, each in zip(sums, instances, strict=True)]
