"""Images at another size: averaged where they shrink, bilinear where they grow, without a neighbour of no data.

small = resized(image, (100, 140))                            # (100, 140, B) of the image's dtype
small, valid = resized_valid(image, valid, (100, 140))        # pixels of no data have no part in the others
part, valid = windowed(read, own, (100, 140), (0, 50, 0, 140))   # rows 0..49 of it, from windows of the image
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import cv2
import numpy as np

MOST = 4
"""Channels that OpenCV resizes at a time."""

NUMBERS = 12_000_000
"""Numbers of the image (pixels × bands) that are worked on at a time where an image is read by windows."""

HALF = 0.499
"""The share of a pixel that must have data: half of it, whatever the rounding."""

Read = Callable[[int, int, int, int], tuple[np.ndarray, np.ndarray | None]]
"""Pixels (h, w, B) of a window (top, bottom, left, right) and which of them have data; None: all."""


def resized(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """An image (H, W) or (H, W, B) at `shape` (height, width), in its dtype: OpenCV's INTER_AREA where a side becomes
    smaller, else INTER_LINEAR. Any number of bands; uint8, uint16, int16, float32 and float64."""
    if image.shape[:2] == tuple(shape):
        return image
    smaller = shape[0] < image.shape[0] or shape[1] < image.shape[1]
    way = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    if image.ndim == 2:
        return cv2.resize(image, tuple(shape)[::-1], interpolation=way)
    found = np.empty((*shape, image.shape[2]), image.dtype)
    for first in range(0, image.shape[2], MOST):
        part = np.ascontiguousarray(image[..., first : first + MOST])
        found[..., first : first + MOST] = cv2.resize(part, tuple(shape)[::-1], interpolation=way).reshape(
            (*shape, part.shape[2])
        )
    return found


def resized_valid(
    image: np.ndarray,
    valid: np.ndarray | None,
    shape: tuple[int, int],
    own: tuple[float, float] | None = None,
) -> tuple[np.ndarray, np.ndarray | None]:
    """An image (H, W, B) and which of its pixels have data (H, W), at `shape`: no data is given no weight.

    `own`: the height and width that the image stands for, where its last row or column is only partly part of it. A
    pixel has data where at least half of it has.
    """
    full = own is None or tuple(own) == image.shape[:2]
    if valid is None and full and image.dtype in (np.uint8, np.uint16, np.int16, np.float32, np.float64):
        return resized(image, shape), None

    def read(top: int, bottom: int, left: int, right: int) -> tuple[np.ndarray, np.ndarray | None]:
        return image[top:bottom, left:right], None if valid is None else valid[top:bottom, left:right]

    return windowed(read, own or image.shape[:2], shape, (0, shape[0], 0, shape[1]), image.shape[:2])


def windowed(
    read: Read,
    own: tuple[float, float],
    shape: tuple[int, int],
    window: tuple[int, int, int, int],
    there: tuple[int, int] | None = None,
    bands: int = 3,
) -> tuple[np.ndarray, np.ndarray | None]:
    """A window (top, bottom, left, right) of an image at `shape`, from windows that `read` gives of it at its own size.

    Every pixel is the same whatever the window. `own` is the image's height and width, `there` how many rows and
    columns it can be read in, where that is not the same; with its `bands` no more than `NUMBERS` numbers are read at a
    time.
    """
    top, bottom, left, right = window
    limits = there or (int(own[0]), int(own[1]))
    columns, across = _weights(own[1], shape[1], left, right, limits[1])
    begin, end = (int(columns.min()), int(columns.max()) + 1) if columns.size else (0, 0)
    rows, down = _weights(own[0], shape[0], top, bottom, limits[0])
    whole = shape[0] and shape[1] and own[0] % shape[0] == own[1] % shape[1] == 0
    pieces, first = [], 0
    while first < len(rows):
        last = first + 1
        while last < len(rows) and (rows[last].max() + 1 - rows[first].min()) * (end - begin) * bands <= NUMBERS:
            last += 1
        upper, lower = int(rows[first:last].min()), int(rows[first:last].max()) + 1
        pixels, valid = read(upper, lower, begin, end)
        size = last - first, right - left
        if whole and pixels.shape[:2] == (size[0] * (own[0] // shape[0]), size[1] * (own[1] // shape[1])):
            pieces.append(_averaged(pixels, valid, functools.partial(resized, shape=size)))
        else:
            some = rows[first:last] - upper, down[first:last], columns - begin, across
            pieces.append(_averaged(pixels, valid, functools.partial(_weighted, weights=some)))
        first = last
    if len(pieces) == 1:
        return pieces[0]
    every = [np.ones(part.shape[:2], bool) if valid is None else valid for part, valid in pieces]
    valid = None if all(valid is None for _, valid in pieces) else np.concatenate(every)
    return np.concatenate([part for part, _ in pieces]), valid


def _weights(own: float, wanted: int, begin: int, end: int, there: int) -> tuple[np.ndarray, np.ndarray]:
    """Which pixels of an axis of `own` pixels make pixels [begin, end) of `wanted`, (n, K) each, and their weights.

    Shrunk: the pixels that one covers, by how much it covers of them. Grown: the two nearest centres.
    """
    step = own / wanted
    place = np.arange(begin, end, dtype=np.float64)[:, None]
    if step > 1:
        low, high = place * step, (place + 1) * step
        covered = int(np.ceil(step)) + (own % wanted != 0)
        index = np.floor(low + 1e-9) + np.arange(covered)
        weights = np.clip(np.minimum(index + 1, high) - np.maximum(index, low), 0, 1)
        weights[weights < 1e-9] = 0
    else:
        centre = (place + 0.5) * step - 0.5
        index = np.floor(centre) + np.arange(2)
        weights = 1 - np.abs(centre - index)
    weights /= weights.sum(axis=1, keepdims=True)
    return np.clip(index, 0, there - 1).astype(np.int64), weights.astype(np.float32)


def _averaged(
    pixels: np.ndarray, valid: np.ndarray | None, mean: Callable[[np.ndarray], np.ndarray]
) -> tuple[np.ndarray, np.ndarray | None]:
    """Pixels behind `mean`, those of no data without weight, in their own dtype."""
    real = pixels.astype(np.result_type(pixels.dtype, np.float32), copy=False)  # float64 for what float32 cannot hold
    if valid is None or valid.all():
        found, valid = mean(real), None
    else:
        share = mean(valid[..., None].astype(np.float32))
        found = mean(np.where(valid[..., None], real, 0)) / np.maximum(share, 1e-6)
        valid = share[..., 0] >= HALF
    if pixels.dtype.kind != "f":
        limits = np.iinfo(pixels.dtype)
        found = np.clip(np.rint(found), limits.min, limits.max)
    return found.astype(pixels.dtype, copy=False), valid


def _weighted(pixels: np.ndarray, weights: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]) -> np.ndarray:
    """Sums of (h, w, B) with the weights of `_weights`, of rows and of columns."""
    rows, down, columns, across = weights
    return _along(_along(pixels, rows, down, 0), columns, across, 1)


def _along(pixels: np.ndarray, index: np.ndarray, weights: np.ndarray, axis: int) -> np.ndarray:
    """The weighted sums along one axis."""
    found: np.ndarray | None = None
    for k in range(index.shape[1]):
        weight = weights[:, k].astype(pixels.dtype)
        if weight.any():
            part = pixels.take(index[:, k], axis)
            part *= weight.reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
            found = part if found is None else np.add(found, part, out=found)
    if found is None:
        found = np.zeros([len(index) if place == axis else side for place, side in enumerate(pixels.shape)])
    return found
