"""Patches: a square of pixels is of a class when more than a share of it is.

decided = patches.decide(mask, side=16, threshold=0.25)     # (rows, columns) bool, one a patch
mask = patches.spread(decided, (608, 608), side=16)         # (H, W) bool, a patch all or nothing

Patches at the right and lower edge of an image that 16 does not divide are smaller.
"""

from __future__ import annotations

import numpy as np


def decide(chosen: np.ndarray, side: int, threshold: float) -> np.ndarray:
    """Whether more than `threshold` of each patch of an (H, W) bool mask is set: (rows, columns) bool."""
    height, width = chosen.shape
    rows, columns = np.arange(0, height, side), np.arange(0, width, side)
    counts = np.add.reduceat(np.add.reduceat(chosen, rows, axis=0, dtype=np.int64), columns, axis=1)
    areas = np.outer(np.diff(rows, append=height), np.diff(columns, append=width))
    return counts > threshold * areas


def spread(decided: np.ndarray, size: tuple[int, int], side: int) -> np.ndarray:
    """The mask whose patches are set as `decided` (rows, columns) says: (H, W) bool."""
    return decided.repeat(side, axis=0).repeat(side, axis=1)[: size[0], : size[1]]
