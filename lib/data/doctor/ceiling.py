"""How good the best possible mask can be at a working size: what is lost by shrinking labels and bringing them back.

squares, scales = table(masks, classes=25)     # [Row(side=512, labels=0.97, probabilities=0.99, …), …]
found = measure(diagnosis)                     # of a data set that was looked at, as a document

Two ways, both of a perfect model. Labels: picked by nearest neighbour, shrinking and growing. Probabilities: a class's
share of each pixel's area, grown bilinearly; then the most probable class, as `submit.py` restores masks. A score is
Dice, averaged over the classes that a mask holds, then over masks. Ignored pixels count nowhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import cv2
import numpy as np

from lib.competitions import IGNORE
from lib.data.doctor.counting import NAN
from lib.data.doctor.findings import Diagnosis
from lib.data.doctor.judge import Judge, Table, usable
from lib.data.doctor.records import Mask, Track
from lib.errors import DataError
from lib.rasters.packing import codes_of
from lib.rasters.stored import LARGE, strips
from lib.scoring import areas

SIDES = (256, 320, 368, 512, 768, 1024, 1536)
"""Working sizes S x S that are tried, as far as the masks are larger."""

SCALES = (0.125, 0.25, 0.333, 0.5, 0.75)
"""Values of `data.scale` that are tried."""

MOST = 24
"""Masks of a data set that are measured."""

ROWS = 256
"""Rows that are grown at a time."""

GOOD = 0.99
"""The ceiling that is enough: models are further away than this."""

Masks = Sequence[Callable[[], np.ndarray]]
"""Each reads a label map (H, W) uint8, 255 ignored: one at a time is in memory for each thread."""


@dataclass
class Row:
    """The ceiling at one working size."""

    side: int | None = None
    scale: float | None = None
    labels: float = 0.0
    """Mean Dice over the masks, each over the classes that it holds."""
    probabilities: float = 0.0
    per_class: dict[int, tuple[float, float]] = field(default_factory=dict)
    """For each class, labels and probabilities: mean Dice over the masks that hold it."""
    masks: int = 0

    def document(self, names: Sequence[str]) -> dict:
        """As JSON takes it."""
        return {
            ("side" if self.side else "scale"): self.side or self.scale,
            "labels": round(self.labels, 4),
            "probabilities": round(self.probabilities, 4),
            "masks": self.masks,
            "per_class": {
                names[index]: {"labels": round(low, 4), "probabilities": round(high, 4)}
                for index, (low, high) in sorted(self.per_class.items())
            },
        }


def table(
    masks: Masks,
    classes: int,
    sides: Sequence[int] = SIDES,
    ratios: Sequence[float] = SCALES,
    track: Track | None = None,
    workers: int = 2,
) -> tuple[list[Row], list[Row]]:
    """Rows for squares of `sides` and rows for `ratios`; sizes that are no smaller than every mask are left out."""

    def one(read: Callable[[], np.ndarray]) -> list[tuple[str, float, np.ndarray, np.ndarray]]:
        labels = read()
        found = []
        for side in sides:
            if side < max(labels.shape):
                found.append(("side", side, *_both(labels, classes, (side, side))))
        for scale in ratios:
            size = tuple(max(1, round(each * scale)) for each in labels.shape)
            found.append(("scale", scale, *_both(labels, classes, size)))
        return found

    with ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(one, read) for read in masks]
        seen = [each for future in (track(futures, "shrinking") if track else futures) for each in future.result()]
    return _rows(seen, "side"), _rows(seen, "scale")


def measure(diagnosis: Diagnosis, track: Track | None = None) -> dict[str, Any]:
    """The ceiling of a data set's masks: of at most `MOST`, spread evenly over it.

    Raises `DataError` where there is no mask that can be measured.
    """
    chosen = [record.mask for record in diagnosis.images if usable(record) and record.mask.values.total]
    chosen = [mask for mask in chosen if mask.head.size <= LARGE]
    chosen = chosen[:: max(1, -(-len(chosen) // MOST))]
    if not chosen:
        raise DataError("there is no mask to measure the ceiling on", "python launch.py doctor without --ceiling")
    swatches = diagnosis.judge.swatches(diagnosis.table)
    names = [str(swatch["name"]) for swatch in swatches]
    reads = [partial(labels_of, mask, diagnosis.judge, diagnosis.table) for mask in chosen]
    squares, scaled = table(reads, min(len(names), 254), track=track)
    best = min((row for row in scaled if round(row.probabilities, 3) >= GOOD), key=lambda row: row.scale, default=None)
    return {
        "squares": [row.document(names) for row in squares],
        "scales": [row.document(names) for row in scaled],
        "masks": len(chosen),
        "sizes": len({mask.head.shape for mask in chosen}),
        "set": f"data.scale={best.scale:g}" if best else "data.scale=1",
        "good": GOOD,
    }


def labels_of(mask: Mask, judge: Judge, values: Table) -> np.ndarray:
    """A mask's pixels as class indices, or without a competition as places in the table: (H, W) uint8, 255 for none."""
    codes = judge.codes(mask)
    classes = judge.classes(codes) if judge.competition else np.searchsorted(values.codes, codes)
    known = np.where((classes >= 0) & (classes < IGNORE), classes, IGNORE).astype(np.uint8)
    pixels = np.concatenate([strip for _, strip in strips(mask.path, mask.head)])
    stored = codes_of(pixels)
    if stored.dtype.kind == "f":
        stored = np.nan_to_num(np.floor(stored), nan=NAN).astype(np.int64)
    if stored.dtype == np.uint8:
        table = np.full(256, IGNORE, np.uint8)
        table[mask.values.codes] = known
        return cv2.LUT(stored, table)
    if stored.dtype == np.uint32:
        table = np.full(1 << 24, IGNORE, np.uint8)
        table[mask.values.codes] = known
        return table[stored]
    place = np.clip(np.searchsorted(mask.values.codes, stored), 0, len(known) - 1)
    return np.where(mask.values.codes[place] == stored, known[place], IGNORE).astype(np.uint8)


def by_labels(labels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A label map shrunk to `size` and brought back by nearest neighbour."""
    small = cv2.resize(labels, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    return cv2.resize(small, labels.shape[::-1], interpolation=cv2.INTER_NEAREST_EXACT)


def by_probabilities(labels: np.ndarray, size: tuple[int, int], present: Sequence[int]) -> np.ndarray:
    """A label map averaged class by class to `size`, grown bilinearly, each pixel its most probable class.

    In memory at a time: the small planes of all classes, one large plane of one class, `ROWS` rows of the result.
    """
    height, width = labels.shape
    planes = [
        cv2.resize((labels == index).astype(np.float32), size[::-1], interpolation=cv2.INTER_AREA) for index in present
    ]
    found = np.empty(labels.shape, np.uint8)
    at = np.clip((np.arange(height) + 0.5) * (size[0] / height) - 0.5, 0, size[0] - 1)
    upper = at.astype(int)
    lower, weight = np.minimum(upper + 1, size[0] - 1), (at - upper).astype(np.float32)
    for top in range(0, height, ROWS):
        rows = slice(top, min(height, top + ROWS))
        low, high = int(upper[rows][0]), int(lower[rows][-1]) + 1
        best = np.full((rows.stop - top, width), -1, np.float32)
        winner = np.zeros(best.shape, np.uint8)
        for index, plane in zip(present, planes, strict=True):
            if not plane[low:high].any():
                continue
            wide = cv2.resize(plane[low:high], (width, high - low), interpolation=cv2.INTER_LINEAR)
            grown = wide[upper[rows] - low]
            grown += (wide[lower[rows] - low] - grown) * weight[rows, None]
            better = grown > best
            np.copyto(best, grown, where=better)
            winner[better] = index
        found[rows] = winner
    return found


def _both(labels: np.ndarray, classes: int, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Dice of each class both ways, (C,) each; NaN for classes that the mask does not hold."""
    present = [int(index) for index in np.unique(labels) if index < classes]
    ways = (by_labels(labels, size), by_probabilities(labels, size, present))
    return _dice(labels, ways[0], classes), _dice(labels, ways[1], classes)


def _dice(truth: np.ndarray, prediction: np.ndarray, classes: int) -> np.ndarray:
    hits, own, given = areas(truth, prediction, classes).T
    with np.errstate(invalid="ignore"):
        return np.where(own > 0, 2 * hits / (own + given), np.nan)


def _rows(seen: list, kind: str) -> list[Row]:
    found = []
    for size in sorted({each[1] for each in seen if each[0] == kind}):
        chosen = [each[2:] for each in seen if each[:2] == (kind, size) and np.isfinite(each[2]).any()]
        if not chosen:
            continue
        both = np.array(chosen)
        low, high = (float(np.mean([np.nanmean(each) for each in both[:, way]])) for way in (0, 1))
        held = np.flatnonzero(np.isfinite(both[:, 0]).any(axis=0))
        classes = {int(c): (float(np.nanmean(both[:, 0, c])), float(np.nanmean(both[:, 1, c]))) for c in held}
        found.append(Row(**{kind: size}, labels=low, probabilities=high, per_class=classes, masks=len(chosen)))
    return found
