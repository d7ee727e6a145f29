"""Bit planes: a mask whose classes overlap, (H, W) uint32, bit c set where class c is.

bits = of_labels(labels)                # one class a pixel; 255 is none
bits = of_planes({2: mask, 5: other})   # from a bool mask a class
plane(bits, 5)                          # (H, W) bool
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lib.competitions import IGNORE


def of_labels(labels: np.ndarray) -> np.ndarray:
    """The bit planes of a label map (H, W) uint8 with classes below 32."""
    table = np.zeros(256, np.uint32)
    table[:32] = np.uint32(1) << np.arange(32, dtype=np.uint32)
    table[IGNORE] = 0
    return table[labels]


def of_planes(planes: Mapping[int, np.ndarray]) -> np.ndarray:
    """The bit planes of (H, W) bool masks by class, of which there is at least one."""
    bits = np.zeros(next(iter(planes.values())).shape, np.uint32)
    for index, chosen in planes.items():
        bits[chosen] |= np.uint32(1 << index)
    return bits


def plane(bits: np.ndarray, index: int) -> np.ndarray:
    """Where a class is: (H, W) bool."""
    return (bits >> np.uint32(index) & np.uint32(1)).astype(bool)
