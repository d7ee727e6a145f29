"""Mask pixels ↔ class indices, by colour or by value, exactly: a pixel that no class has is an error.

labels = from_pixels(pixels, Coding.of(competition), source=path)
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from lib.competitions import IGNORE, Competition
from lib.errors import DataError

STRANGE = 254
"""Stands, while a mask is read, for a pixel that fits no class. Competitions have at most 250 classes."""


@dataclass(frozen=True)
class Coding:
    """How a competition's mask pixels map to class indices: packed pixel value → index (255: ignored)."""

    kind: str
    threshold: int | None
    table: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, competition: Competition) -> Coding:
        """The coding of the competition's own masks."""
        masks = competition.masks
        return cls(masks.coding, masks.threshold, tuple(_table(competition, masks.coding)))

    @classmethod
    def of_prediction(cls, competition: Competition, kind: str) -> Coding:
        """The coding of predicted masks, `colour` or `index`; among values, `none_value` stands for no class."""
        table = _table(competition, kind)
        if kind == "index":
            table.append((none_value(competition), IGNORE))
        return cls(kind, competition.masks.threshold if kind == "colour" else None, tuple(table))


def from_pixels(pixels: np.ndarray, coding: Coding, source: Path | str) -> np.ndarray:
    """A mask's pixels as class indices.

    `pixels`: (H, W, 3) uint8 RGB for a colour coding, (H, W) uint8 or uint16 for an index coding. Returns
    (H, W) uint8. Raises `DataError` naming the value that no class has, its share and where it stands first.
    """
    codes = _codes(pixels, coding)
    labels = _lookup(coding)[codes]
    strange = labels == STRANGE
    if strange.any():
        row, column = np.unravel_index(np.argmax(strange), strange.shape)
        value = int(codes[row, column])
        share = np.count_nonzero(codes == value) / codes.size
        name = f"colour #{value:06X}" if coding.kind == "colour" else f"value {value}"
        others = len(np.unique(codes[strange])) - 1
        more = f", and {others} more" if others else ""
        raise DataError(
            f"{source}: {name} is no class's ({share:.2%} of the pixels, first at row {row}, column {column}){more}",
            f"add it to [[classes]] or [[ignore]] of the competition's file; known: {_known(coding)}",
        )
    return labels


def colours(competition: Competition) -> np.ndarray:
    """(256, 3) uint8: the RGB colour of every value of a label map; 255 takes the first ignored class's."""
    palette = np.zeros((256, 3), np.uint8)
    for index, label in enumerate(competition.classes):
        palette[index] = label.rgb if label.colour else _made_up(index)
    if competition.ignore:
        palette[IGNORE] = competition.ignore[0].rgb
    return palette


def values(competition: Competition) -> np.ndarray:
    """(256,) uint8 or uint16: the mask value of every value of a label map; 255 becomes `none_value`."""
    table = np.full(256, none_value(competition), np.uint8 if max(competition.values) < 256 else np.uint16)
    table[: len(competition.values)] = competition.values
    return table


def none_value(competition: Competition) -> int:
    """What a predicted mask holds where there is no class: 255, or the largest byte that is no class's."""
    return next(value for value in range(IGNORE, -1, -1) if value not in competition.values)


def _table(competition: Competition, kind: str) -> list[tuple[int, int]]:
    """Packed colours, or values, with the class index of each; entries of `ignore` have 255."""
    if kind == "colour":
        known = [(_pack(label.rgb), index) for index, label in enumerate(competition.classes)]
        return known + [(_pack(label.rgb), IGNORE) for label in competition.ignore if label.colour]
    known = [(value, index) for index, value in enumerate(competition.values)]
    return known + [(label.value, IGNORE) for label in competition.ignore if label.value is not None]


def _codes(pixels: np.ndarray, coding: Coding) -> np.ndarray:
    if coding.kind == "index":
        return pixels
    if coding.threshold is not None:
        pixels = cv2.threshold(pixels, coding.threshold - 1, 255, cv2.THRESH_BINARY)[1]
    packed = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGRA).view("<u4")[..., 0]
    return packed & 0xFFFFFF


@functools.lru_cache(maxsize=4)
def _lookup(coding: Coding) -> np.ndarray:
    table = np.full(1 << (24 if coding.kind == "colour" else 16), STRANGE, np.uint8)
    for code, index in coding.table:
        table[code] = index
    return table


def _pack(rgb: tuple[int, int, int]) -> int:
    return rgb[0] << 16 | rgb[1] << 8 | rgb[2]


def _known(coding: Coding) -> str:
    names = [f"#{code:06X}" if coding.kind == "colour" else str(code) for code, _ in coding.table]
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def _made_up(index: int) -> np.ndarray:
    """A colour for a class that has none: hues a golden angle apart."""
    hsv = np.uint8([[[int(index * 111.25) % 180, 200, 230 if index % 2 else 170]]])
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0]
