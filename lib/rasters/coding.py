"""Mask pixels ↔ class indices, by colour or by value, exactly: a pixel that no class has is an error.

labels = from_pixels(pixels, Coding.of(competition), source=path)

A competition may say that colours are read with a threshold, or as the nearest class's within a tolerance, and that
masks of 0 and 255 with soft borders are read with a threshold.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from lib.competitions import IGNORE, Competition
from lib.errors import DataError
from lib.rasters.packing import channels, made_up, pack, packed

STRANGE = 254
"""Stands, while a mask is read, for a pixel that fits no class. Competitions have at most 250 classes."""

UNTRIED = 253
"""Stands, in a table of near colours, for one whose nearest class was not looked for yet."""

LOWEST, HIGHEST = -32768, 65535
"""The values that a class or an ignored entry may have."""

Count = Callable[[int], None]
"""Is told how many pixels have a colour near a class's own."""


@dataclass(frozen=True)
class Coding:
    """How a competition's mask pixels map to class indices: packed pixel value → index (255: ignored)."""

    kind: str
    threshold: int | None
    table: tuple[tuple[int, int], ...]
    tolerance: int = 0

    @classmethod
    def of(cls, competition: Competition) -> Coding:
        """The coding of the competition's own masks."""
        masks = competition.masks
        return cls(masks.coding, masks.threshold, tuple(_table(competition, masks.coding)), masks.tolerance)

    @classmethod
    def of_prediction(cls, competition: Competition, kind: str) -> Coding:
        """The coding of predicted masks, `colour` or `index`; among values, `none_value` stands for no class."""
        table = _table(competition, kind)
        if kind == "index":
            table.append((none_value(competition), IGNORE))
        return cls(kind, competition.masks.threshold if kind == "colour" else None, tuple(table))

    def without(self, nodata: float | None) -> Coding:
        """The coding of a file whose tag says which value means no data: ignored, unless it is a class's."""
        if nodata is None or not float(nodata).is_integer() or not LOWEST <= nodata <= HIGHEST:
            return self
        value = int(nodata)
        if self.kind == "colour":
            if not 0 <= value <= 255:
                return self
            value = pack((value, value, value))
        if value in dict(self.table):
            return self
        return replace(self, table=(*self.table, (value, IGNORE)))

    @property
    def stands_compression(self) -> bool:
        """Whether masks may be JPEGs, which change the values of pixels a little."""
        return self.threshold is not None or (self.kind == "colour" and self.tolerance > 0)


def from_pixels(
    pixels: np.ndarray,
    coding: Coding,
    source: Path | str,
    note: Count | None = None,
    origin: tuple[int, int] = (0, 0),
) -> np.ndarray:
    """A mask's pixels as class indices.

    `pixels`: (H, W, 3) uint8 RGB for a colour coding; (H, W) of any type for an index coding, whole numbers, or NaN
    where a pixel is ignored. Returns (H, W) uint8. `note` is told how many pixels have a colour that is near a class's
    own. Raises `DataError` naming the value that no class has, its share and where it stands first; `origin`: the row
    and column at which these pixels begin in `source`.
    """
    if coding.kind == "colour":
        codes = _codes(pixels, coding.threshold)
        labels = _lookup(coding)[codes]
        if coding.tolerance:
            _near(labels, codes, coding, note)
    else:
        codes, labels = _of_values(pixels, coding)
    strange = labels == STRANGE
    if strange.any():
        row, column = np.unravel_index(np.argmax(strange), strange.shape)
        value = codes[row, column]
        share = np.count_nonzero(codes == value) / codes.size
        name = f"colour #{int(value):06X}" if coding.kind == "colour" else f"value {value.item():.10g}"
        others = len(np.unique(codes[strange])) - 1
        more = f", and {others} more" if others else ""
        place = f"first at row {row + origin[0]}, column {column + origin[1]}"
        raise DataError(
            f"{source}: {name} is no class's ({share:.2%} of the pixels, {place}){more}",
            f"add it to [[classes]] or [[ignore]] of the competition's file; known: {_known(coding)}",
        )
    return labels


def colours(competition: Competition) -> np.ndarray:
    """(256, 3) uint8: the RGB colour of every value of a label map; 255 takes the first ignored class's."""
    palette = np.zeros((256, 3), np.uint8)
    for index, label in enumerate(competition.classes):
        palette[index] = label.rgb if label.colour else made_up(index)
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
        known = [(pack(label.rgb), index) for index, label in enumerate(competition.classes)]
        return known + [(pack(label.rgb), IGNORE) for label in competition.ignore if label.colour]
    known = [(value, index) for index, value in enumerate(competition.values)]
    return known + [(label.value, IGNORE) for label in competition.ignore if label.value is not None]


def _of_values(pixels: np.ndarray, coding: Coding) -> tuple[np.ndarray, np.ndarray]:
    """The values of an index mask behind its threshold, and the class of each."""
    missing = np.isnan(pixels) if pixels.dtype.kind == "f" else None
    if coding.threshold is not None:
        pixels = np.where(pixels >= coding.threshold, np.uint8(255), np.uint8(0))
    table = _lookup(coding)
    if pixels.dtype in (np.uint8, np.uint16):
        labels = table[-LOWEST + 1 :][pixels]
    else:
        known = pixels if missing is None else np.nan_to_num(pixels, nan=0, posinf=HIGHEST + 1, neginf=LOWEST - 1)
        whole = np.clip(known, LOWEST - 1, HIGHEST + 1).astype(np.int64)
        labels = table[whole - LOWEST + 1]
        if pixels.dtype.kind == "f":
            labels[whole != known] = STRANGE
    if missing is not None:
        labels[missing] = IGNORE
    return pixels, labels


def _codes(pixels: np.ndarray, threshold: int | None) -> np.ndarray:
    """Colours (H, W, 3), behind the threshold, as one number each: (H, W) uint32."""
    if threshold is not None:
        pixels = cv2.threshold(pixels, threshold - 1, 255, cv2.THRESH_BINARY)[1]
    return packed(pixels)


def _near(labels: np.ndarray, codes: np.ndarray, coding: Coding, note: Count | None) -> None:
    """Give pixels of strange colours the nearest class within the tolerance, in place."""
    strange = labels == STRANGE
    if not strange.any():
        return
    colours, table = codes[strange], _near_colours(coding)
    found = table[colours]
    new = np.unique(colours[found == UNTRIED])
    if len(new):
        table[new] = _nearest(new, coding)
        found = table[colours]
    labels[strange] = found
    if note:
        note(int(np.count_nonzero(found != STRANGE)))


def _nearest(colours: np.ndarray, coding: Coding) -> np.ndarray:
    """The class nearest to each packed colour by the channel that differs most, then by the sum of squares; `STRANGE`
    where that channel differs by more than the tolerance."""
    known = channels(np.array([code for code, _ in coding.table], np.uint32))
    classes = np.array([index for _, index in coding.table], np.uint8)
    found = np.empty(len(colours), np.uint8)
    for first in range(0, len(colours), 1 << 15):
        part = colours[first : first + (1 << 15)]
        apart = np.abs(channels(part)[:, None] - known)
        most = apart.max(axis=2)
        best = (most * (1 << 18) + (apart * apart).sum(axis=2)).argmin(axis=1)
        near = most[np.arange(len(part)), best] <= coding.tolerance
        found[first : first + len(part)] = np.where(near, classes[best], STRANGE)
    return found


@functools.lru_cache(maxsize=8)
def _lookup(coding: Coding) -> np.ndarray:
    """The class of every packed colour, or of every value from `LOWEST` - 1 to `HIGHEST` + 1."""
    if coding.kind == "colour":
        table = np.full(1 << 24, STRANGE, np.uint8)
        shift = 0
    else:
        table, shift = np.full(HIGHEST - LOWEST + 3, STRANGE, np.uint8), -LOWEST + 1
    for code, index in coding.table:
        table[code + shift] = index
    return table


@functools.lru_cache(maxsize=2)
def _near_colours(coding: Coding) -> np.ndarray:
    """The class of every colour that a mask has shown so far; filled while masks are read."""
    return np.full(1 << 24, UNTRIED, np.uint8)


def _known(coding: Coding) -> str:
    names = [f"#{code:06X}" if coding.kind == "colour" else str(code) for code, _ in coding.table]
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
