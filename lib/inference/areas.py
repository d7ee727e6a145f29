"""Connected components below a class's minimum area are given to what surrounds them.

labels = without_small(labels, min_area=(0, 50, 0))          # (H, W) uint8, or (H, W) uint32 bit planes

A small component takes the commonest label on the pixels around it. All components are those of the map as it came, so
the order of classes does not matter, and a map may be cut into blocks that see a little more than themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import cv2
import numpy as np

RING = np.ones((3, 3), np.uint8)


def without_small(labels: np.ndarray, min_area: Sequence[int]) -> np.ndarray:
    """A mask without components (8 neighbours) of fewer than `min_area[c]` pixels of class c.

    `labels`: (H, W) uint8 label map, or (H, W) uint32 bit planes, where the bit is taken away. Returns a new array, or
    `labels` itself when there is nothing to do.
    """
    if not any(least > 1 for least in min_area):
        return labels
    result = labels.copy()
    for index, least in enumerate(min_area):
        if least < 2:
            continue
        bits = labels.dtype == np.uint32
        plane = (labels >> np.uint32(index)) & 1 if bits else labels == index
        for place, component in small(plane.astype(np.uint8), least):
            if bits:
                result[place][component] &= ~np.uint32(1 << index)
            else:
                result[place][component] = around(labels[place], component, index)
    return result


def small(plane: np.ndarray, least: int) -> Iterator[tuple[tuple[slice, slice], np.ndarray]]:
    """Components of fewer than `least` pixels: where each stands with one pixel around, and its pixels there."""
    _count, numbers, table, _ = cv2.connectedComponentsWithStats(plane, connectivity=8, ltype=cv2.CV_32S)
    height, width = plane.shape
    for number in np.flatnonzero(table[1:, cv2.CC_STAT_AREA] < least) + 1:
        x, y, w, h = table[number, :4]
        place = slice(max(0, y - 1), min(height, y + h + 1)), slice(max(0, x - 1), min(width, x + w + 1))
        yield place, numbers[place] == number


def around(labels: np.ndarray, component: np.ndarray, index: int) -> int:
    """The commonest label on the pixels beside a component; its own where it fills the whole map."""
    ring = cv2.dilate(component.astype(np.uint8), RING).astype(bool) & ~component
    beside = labels[ring]
    return int(np.bincount(beside).argmax()) if beside.size else index


def blocks_without_small(
    read: Callable[[int, int, int, int], np.ndarray], shape: tuple[int, int], min_area: Sequence[int], side: int = 4096
) -> Iterator[tuple[int, int, np.ndarray]]:
    """`without_small` of a mask that is read by windows: blocks (top, left, (h, w)) of at most `side` pixels a side.

    `read(top, bottom, left, right)` gives pixels. The result is that of the whole mask: a component that reaches a
    block and has fewer than m pixels ends within m pixels of it, and a piece that goes on beyond has m pixels there.
    """
    halo = max(0, *min_area) + 1
    height, width = shape
    for top in range(0, height, side):
        for left in range(0, width, side):
            bottom, right = min(height, top + side), min(width, left + side)
            above, before = max(0, top - halo), max(0, left - halo)
            seen = read(above, min(height, bottom + halo), before, min(width, right + halo))
            cleaned = without_small(seen, min_area)
            yield top, left, cleaned[top - above : bottom - above, left - before : right - before]
