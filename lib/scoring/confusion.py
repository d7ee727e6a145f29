"""Confusion tables and areas, counted exactly for images of any size.

OpenCV's histogram does the counting, and its bins are float32, which stop at 2^24: it gets blocks smaller than that,
and the blocks are added as int64.
"""

from __future__ import annotations

import cv2
import numpy as np

BLOCK = 1 << 20

BIT = (np.arange(256)[:, None] >> np.arange(8)) & 1
"""(256, 8): the bits of every byte."""


def confusion(truth: np.ndarray, prediction: np.ndarray, classes: int) -> np.ndarray:
    """Count pixels by (true class, predicted class).

    `truth`, `prediction`: uint8 label maps of one shape. Returns (C, C) int64, rows: truth. A pixel whose truth is
    no class (>= `classes`, such as 255) does not count; one whose prediction is no class is in no column.
    """
    return confusion_with_none(truth, prediction, classes)[:, :classes]


def confusion_with_none(truth: np.ndarray, prediction: np.ndarray, classes: int) -> np.ndarray:
    """Like `confusion`, (C, C + 1): the last column counts pixels that the prediction gives to no class."""
    _must_agree(truth, prediction)
    if truth.dtype != np.uint8 or prediction.dtype != np.uint8 or not 1 <= classes <= 255:
        raise ValueError("label maps are uint8, with 1 to 255 classes")
    rows, columns = truth.reshape(-1), prediction.reshape(-1)
    total = np.zeros((classes, 256), np.int64)
    for start in range(0, rows.size, BLOCK):
        block = [np.ascontiguousarray(part[start : start + BLOCK]) for part in (rows, columns)]
        total += cv2.calcHist(block, [0, 1], None, [classes, 256], [0, classes, 0, 256]).astype(np.int64)
    return np.concatenate([total[:, :classes], total[:, classes:].sum(axis=1, keepdims=True)], axis=1)


def areas(truth: np.ndarray, prediction: np.ndarray, classes: int) -> np.ndarray:
    """Per class, the pixels that both have, that the truth has and that the prediction has: (C, 3) int64.

    Both are label maps, uint8, and pixels that the truth ignores count nowhere; or both are bit planes, uint32.
    """
    if truth.dtype == np.uint32:
        return bit_areas(truth, prediction, classes)
    return areas_of(confusion_with_none(truth, prediction, classes))


def areas_of(table: np.ndarray) -> np.ndarray:
    """`areas` from a table (C, C) or (C, C + 1)."""
    classes = len(table)
    return np.stack([np.diagonal(table), table.sum(axis=1), table[:, :classes].sum(axis=0)], axis=1)


def bit_areas(truth: np.ndarray, prediction: np.ndarray, classes: int) -> np.ndarray:
    """`areas` of bit planes: (H, W) uint32, bit c set where a pixel has class c."""
    _must_agree(truth, prediction)
    if truth.dtype != np.uint32 or prediction.dtype != np.uint32 or not 1 <= classes <= 32:
        raise ValueError("bit planes are uint32, with 1 to 32 classes")
    rows, columns = truth.reshape(-1), prediction.reshape(-1)
    total = np.zeros((3, 32), np.int64)
    for start in range(0, rows.size, BLOCK):
        one, other = (np.ascontiguousarray(part[start : start + BLOCK], "<u4") for part in (rows, columns))
        for place, bits in enumerate((one & other, one, other)):
            picture = bits.view(np.uint8).reshape(-1, 1, 4)
            for byte in range(-(-classes // 8)):
                counted = cv2.calcHist([picture], [byte], None, [256], [0, 256]).reshape(-1).astype(np.int64)
                total[place, byte * 8 : byte * 8 + 8] += counted @ BIT
    return np.ascontiguousarray(total[:, :classes].T)


def _must_agree(truth: np.ndarray, prediction: np.ndarray) -> None:
    if truth.shape != prediction.shape:
        raise ValueError(f"truth is {truth.shape}, prediction is {prediction.shape}")
