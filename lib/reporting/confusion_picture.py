"""A confusion matrix as a picture: each row a true class, its cells the shares of what its pixels were predicted as.

picture = confusion_picture(table, competition.names)          # (h, w, 3) uint8 RGB
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

CELL, SMALL_CELL = 46, 14
"""Sides of a cell, in pixels: with a number in it, and without, where there are more than `NUMBERED` classes."""

NUMBERED = 24
LONGEST = 18
"""Letters of a class's name."""

RIGHT, WRONG = np.array([36.0, 99, 201]), np.array([200.0, 50, 75])
"""Colours of a full cell on the diagonal, and beside it."""

INK = (40, 40, 40)


def confusion_picture(table: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """`table`: (C, C) or (C, C + 1) pixels, rows: truth; the last of C + 1 columns, pixels of no class, is shown where
    it holds any. Rows without pixels stay white."""
    classes = len(names)
    columns = [*names, "none"] if table.shape[1] > classes and table[:, -1].any() else list(names)
    shares = table[:, : len(columns)] / np.maximum(table.sum(axis=1, keepdims=True), 1)
    side = CELL if classes <= NUMBERED else SMALL_CELL
    rows = [_word(name) for name in names]
    heads = [np.rot90(_word(name)) for name in columns]
    left, top = max(word.shape[1] for word in rows) + 12, max(word.shape[0] for word in heads) + 12
    sheet = np.full((top + side * classes + 8, left + side * len(columns) + 8, 3), 255, np.uint8)
    for row in range(classes):
        _put(sheet, rows[row], left - rows[row].shape[1] - 6, top + row * side + (side - rows[row].shape[0]) // 2)
        for column, share in enumerate(shares[row]):
            _cell(sheet, float(share), row == column, left + column * side, top + row * side, side)
    for column, word in enumerate(heads):
        _put(sheet, word, left + column * side + (side - word.shape[1]) // 2, top - word.shape[0] - 6)
    return sheet


def _cell(sheet: np.ndarray, share: float, right: bool, left: int, top: int, side: int) -> None:
    strength = share**0.6  # small shares are seen too
    colour = 255 - strength * (255 - (RIGHT if right else WRONG))
    sheet[top : top + side - 1, left : left + side - 1] = colour.round().astype(np.uint8)
    if side == CELL and share >= 0.0005:
        text, ink = f"{100 * share:.1f}", (255, 255, 255) if strength > 0.6 else INK
        width, height = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.4, 1)[0]
        place = left + (side - width) // 2, top + (side + height) // 2
        cv2.putText(sheet, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.4, ink, 1, cv2.LINE_AA)


def _word(name: str) -> np.ndarray:
    """A name as a picture of dark letters on white."""
    short = name if len(name) <= LONGEST else f"{name[: LONGEST - 2]}.."
    text = short.encode("ascii", "replace").decode()  # OpenCV's fonts know no other letters
    width, height = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.42, 1)[0]
    sheet = np.full((height + 6, width + 2, 3), 255, np.uint8)
    cv2.putText(sheet, text, (1, height + 1), cv2.FONT_HERSHEY_SIMPLEX, 0.42, INK, 1, cv2.LINE_AA)
    return sheet


def _put(sheet: np.ndarray, word: np.ndarray, left: int, top: int) -> None:
    height, width = word.shape[:2]
    place = sheet[top : top + height, left : left + width]
    np.minimum(place, word, out=place)  # words that are higher than their row lie over each other
