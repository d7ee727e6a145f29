"""Masks that look as if they were written row by row and read column by column, or the other way round.

    evidence = Evidence("F"); evidence.add(array); evidence.transposed

Read in the wrong order, a run of pixels lies as before along the one axis, while its neighbours on the other are
strangers: components turn into streaks one pixel wide, and the length of all borders grows several times. So both
readings' borders are counted, and a file whose other reading has far less of them is suspect.
"""

from __future__ import annotations

import numpy as np

from lib.rasters import runs as rn

RATIO = 0.75
"""The other reading's borders must be this much shorter. Measured on label maps and single classes of 54 aerial masks:
right files lie above 0.76 at 100x101 and above 1.4 at 250x256; transposed ones below 0.7 there, below 0.43 at 350x525
and below 0.24 at full size. Of square masks both readings have the same borders, mirrored: no shape tells these."""

LEAST = 400
"""Pixel sides of border that a file must have, or there is nothing to tell."""

PIXELS = 200_000_000
"""Pixels after which more would not say more."""


class Evidence:
    """Lengths of borders in both readings, over the masks of a file whose pixels are numbered in `order`."""

    def __init__(self, order: rn.Order) -> None:
        self.order = order
        self.other: rn.Order = "C" if order == "F" else "F"
        self.here = self.there = self.seen = 0

    def add(self, mask: np.ndarray) -> None:
        """Count a mask (H, W) of integers."""
        if self.seen > PIXELS or min(mask.shape) < 2:
            return
        self.seen += mask.size
        self.here += border(mask)
        self.there += border(rn.unflat(rn.flat(mask, self.order), mask.shape, self.other))

    @property
    def transposed(self) -> bool:
        """Whether the other reading makes much better masks."""
        return self.here >= LEAST and self.there < RATIO * self.here


def border(mask: np.ndarray) -> int:
    """Pairs of neighbouring pixels of an (H, W) array that differ."""
    return int(np.count_nonzero(mask[1:] != mask[:-1])) + int(np.count_nonzero(mask[:, 1:] != mask[:, :-1]))
