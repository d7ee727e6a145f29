"""From probabilities at the working size to a label map at the original size, without the array between.

Bilinear interpolation is linear along every row and column between two samples. So along such a stretch
- a class that wins at both ends wins everywhere;
- when class a wins at one end and b at the other, a third class can win only if it wins where a and b are equal,
  because its lead over max(a, b) is concave and not positive at the ends.
Columns are settled first, then rows; only stretches whose ends differ need arithmetic, and the (C, H, W) array is
never made. The result is that of interpolating every class and taking the argmax.
"""

from __future__ import annotations

import numpy as np

BAND = 1 << 15
"""Stretches settled at a time: bounds the memory to a few times C * BAND floats."""


def restore(probabilities: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Enlarge (or reduce) class probabilities to `size` and take the likeliest class of every pixel.

    `probabilities`: (C, h, w) floats; `size`: (H, W). Returns (H, W) uint8. Samples lie at pixel centres, as in
    `torch.nn.functional.interpolate(mode="bilinear", align_corners=False)`; equal classes give the lower index.
    """
    p = np.ascontiguousarray(probabilities, np.float32)
    classes, height, width = p.shape
    if not 1 <= classes <= 255 or not height or not width:
        raise ValueError(f"probabilities are (C, h, w) with 1 to 255 classes, got {p.shape}")
    labels = _argmax(p)
    if (height, width) == tuple(size):
        return labels
    down, across = _Axis(height, size[0]), _Axis(width, size[1])
    planes = p.reshape(classes, -1)

    columns = np.repeat(labels, down.count, axis=0)
    rows, cols = np.nonzero((labels[:-1] != labels[1:]) & (down.count[:-1, None] > 0))
    for band in _bands(len(rows)):
        i, j = rows[band], cols[band]
        start, end = planes[:, i * width + j], planes[:, (i + 1) * width + j]
        for n, at, label in _settle(start, end, labels[i, j], labels[i + 1, j], down, i):
            columns[at, j[n]] = label

    result = np.repeat(columns, across.count, axis=1)
    rows, cols = np.nonzero((columns[:, :-1] != columns[:, 1:]) & (across.count[:-1] > 0))
    for band in _bands(len(rows)):
        r, j = rows[band], cols[band]
        above, below, share = down.first[r] * width, down.second[r] * width, down.share[r]
        start = _between(planes[:, above + j], planes[:, below + j], share)
        end = _between(planes[:, above + j + 1], planes[:, below + j + 1], share)
        for n, at, label in _settle(start, end, columns[r, j], columns[r, j + 1], across, j):
            result[r[n], at] = label
    return result


class _Axis:
    """Where the output's samples fall between the input's, along one axis."""

    def __init__(self, source: int, target: int) -> None:
        position = np.maximum((np.arange(target) + 0.5) * (source / target) - 0.5, 0)
        self.first = np.minimum(position.astype(np.int64), source - 1)
        self.second = np.minimum(self.first + 1, source - 1)
        self.share = (position - self.first).astype(np.float32)
        self.count = np.bincount(self.first, minlength=source)
        self.begin = np.concatenate([[0], np.cumsum(self.count)[:-1]])


def _settle(start, end, a, b, axis: _Axis, stretch):
    """The output samples of stretches whose ends differ: yields (stretch number, output index, label) arrays.

    `start`, `end`: (C, n) values at the ends; `a`, `b`: (n,) winners there; `stretch`: (n,) index along the axis.
    """
    n = np.arange(len(stretch))
    lead, lag = start[a, n] - start[b, n], end[b, n] - end[a, n]
    total = lead + lag
    equal = np.where(total > 0, lead / np.where(total > 0, total, 1), 0)
    middle = _between(start, end, equal)
    contested = (middle.max(axis=0) > np.maximum(middle[a, n], middle[b, n])).nonzero()[0]
    plain = np.ones(len(n), bool)
    plain[contested] = False
    for chosen, dense in ((plain.nonzero()[0], False), (contested, True)):
        counts = axis.count[stretch[chosen]]
        which = np.repeat(chosen, counts)
        at = np.repeat(axis.begin[stretch[chosen]] - np.cumsum(counts) + counts, counts) + np.arange(len(which))
        share = axis.share[at]
        if dense:
            label = _argmax(_between(start[:, which], end[:, which], share))
        else:
            low, high = np.minimum(a, b)[which], np.maximum(a, b)[which]
            one = _between(start[low, which], end[low, which], share)
            other = _between(start[high, which], end[high, which], share)
            label = np.where(other > one, high, low)
        yield which, at, label


def _between(start: np.ndarray, end: np.ndarray, share: np.ndarray) -> np.ndarray:
    return start * (1 - share) + end * share


def _argmax(p: np.ndarray) -> np.ndarray:
    """Index of the largest value along the first axis, the lowest one of equals: uint8."""
    best = p[0].copy()
    labels = np.zeros(best.shape, np.uint8)
    for index in range(1, len(p)):
        np.putmask(labels, p[index] > best, index)
        np.maximum(best, p[index], out=best)
    return labels


def _bands(length: int):
    return (slice(start, start + BAND) for start in range(0, length, BAND))
