"""From probabilities at the working size to a label map at the original size, without the array between.

    labels = restore(probabilities, (4000, 3000))            # (C, h, w) -> (4000, 3000) uint8

    restorer = Restorer((368, 368), (4000, 3000))            # the same, bit for bit, from rows as they come
    for band in bands:                                       # (C, r, 368)
        labels = restorer.feed(band)                         # the rows that are settled by now, (n, 3000)

Bilinear interpolation is linear along every row and column between two samples. So along such a stretch
- a class that wins at both ends wins everywhere;
- when class a wins at one end and b at the other, a third class can win only if it wins where a and b are equal,
  because its lead over max(a, b) is concave and not positive at the ends.
Columns are settled first, then rows; only stretches whose ends differ need arithmetic, and the (C, H, W) array is
never made. The result is that of interpolating every class and taking the argmax. Each stretch is settled by its own
ends alone, so neither bands nor panels change a pixel.
"""

from __future__ import annotations

import numpy as np

BAND = 1 << 15
"""Stretches settled at a time: bounds the memory to a few times C * BAND floats."""

PIXELS = 1 << 16
"""Pixels compared at a time: their largest values stay in the cache."""


def restore(probabilities: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Enlarge (or reduce) class probabilities to `size` and take the likeliest class of every pixel.

    `probabilities`: (C, h, w) floats; `size`: (H, W). Returns (H, W) uint8. Samples lie at pixel centres, as in
    `torch.nn.functional.interpolate(mode="bilinear", align_corners=False)`; equal classes give the lower index.
    """
    return Restorer(probabilities.shape[1:], size).feed(probabilities)


class Restorer:
    """`restore` for probabilities that come in bands of rows."""

    def __init__(
        self,
        source: tuple[int, int],
        target: tuple[int, int],
        columns: tuple[int, int] | None = None,
        first_row: int = 0,
    ) -> None:
        """`source`, `target`: height and width of probabilities and labels.

        `columns` [left, right) and `first_row` of the target say what is wanted of it; `columns_in` and `row_in` say
        what has to be fed for that.
        """
        if min(*source, *target) < 1:
            raise ValueError(f"an image has at least one pixel, got {source} and {target}")
        self.same = tuple(source) == tuple(target)
        left, right = columns or (0, target[1])
        self._down = Samples(source[0], target[0])
        across = Samples(source[1], target[1])
        self.columns_in = (int(across.first[left]), int(across.second[right - 1]) + 1) if columns else (0, source[1])
        self.row_in = int(self._down.first[first_row]) if first_row else 0
        if columns and self.same:
            self.columns_in = left, right
        self._across = across.part(left, right, *self.columns_in)
        self._height = source[0]
        self._next = self.row_in
        self._done = first_row
        self._last: np.ndarray | None = None

    def feed(self, probabilities: np.ndarray) -> np.ndarray:
        """Take the next rows (C, r, w) and return the label rows (n, W) uint8 that they settle; there may be none.

        Of `columns_in`, the first rows being `row_in`.
        """
        p = np.asarray(probabilities, np.float32)
        wide = self.columns_in[1] - self.columns_in[0]
        if p.ndim != 3 or not 1 <= len(p) <= 255 or p.shape[2] != wide or not p.shape[1]:
            raise ValueError(f"probabilities are (C, r, {wide}) with 1 to 255 classes, got {p.shape}")
        begin, self._next = self._next, self._next + p.shape[1]
        if self.same:
            self._done = self._next
            return argmax(p)
        if self._last is None:
            p = np.ascontiguousarray(p)
        else:
            p, begin = np.concatenate([self._last, p], axis=1), begin - 1
        end = self._next
        self._last = p[:, -1:].copy()
        # a row of labels needs its first source row and the one below it, where there is one
        until = len(self._down.first) if end == self._height else int(np.searchsorted(self._down.first, end - 1))
        until = max(until, self._done)
        down = self._down.part(self._done, until, begin, end)
        self._done = until
        return _restored(p, down, self._across)


def _restored(p: np.ndarray, down: Samples, across: Samples) -> np.ndarray:
    """Labels of the samples along both axes; `p`: (C, h, w), C-contiguous."""
    classes, _, width = p.shape
    labels, planes = argmax(p), p.reshape(classes, -1)

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


class Samples:
    """Where the output's samples fall between the input's, along one axis."""

    def __init__(self, source: int, target: int) -> None:
        position = np.maximum((np.arange(target) + 0.5) * (source / target) - 0.5, 0)
        self.first = np.minimum(position.astype(np.int64), source - 1)
        self.second = np.minimum(self.first + 1, source - 1)
        self.share = (position - self.first).astype(np.float32)
        self._count(source)

    def _count(self, source: int) -> None:
        self.count = np.bincount(self.first, minlength=source)
        self.begin = np.concatenate([[0], np.cumsum(self.count)[:-1]])

    def part(self, begin: int, end: int, low: int, high: int) -> Samples:
        """The output's samples [begin, end) among the input's [low, high), both counted from there."""
        part = object.__new__(Samples)
        part.first, part.second = self.first[begin:end] - low, self.second[begin:end] - low
        part.share = self.share[begin:end]
        part._count(high - low)
        return part


def _settle(start, end, a, b, axis: Samples, stretch):
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
            label = argmax(_between(start[:, which], end[:, which], share))
        else:
            low, high = np.minimum(a, b)[which], np.maximum(a, b)[which]
            one = _between(start[low, which], end[low, which], share)
            other = _between(start[high, which], end[high, which], share)
            label = np.where(other > one, high, low)
        yield which, at, label


def _between(start: np.ndarray, end: np.ndarray, share: np.ndarray) -> np.ndarray:
    return start * (1 - share) + end * share


def argmax(p: np.ndarray) -> np.ndarray:
    """Index of the largest value along the first axis of up to 255, the lowest one of equals: uint8."""
    labels = np.zeros(p.shape[1:], np.uint8)
    rows = max(1, PIXELS // (labels[:1].size or 1))
    for top in range(0, len(labels), rows):
        part, found = p[:, top : top + rows], labels[top : top + rows]
        best, larger = part[0].copy(), np.empty(found.shape, np.uint8)
        for index in range(1, len(p)):
            np.greater(part[index], best, out=larger.view(bool))
            np.multiply(larger, np.uint8(index), out=larger)
            np.maximum(found, larger, out=found)  # a later class has a higher index
            np.maximum(part[index], best, out=best)
    return labels


def _bands(length: int):
    return (slice(start, start + BAND) for start in range(0, length, BAND))
