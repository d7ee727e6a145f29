"""Pictures for a page: what a finding points at, and where the rarest classes are.

for view in of_findings(diagnosis):
    view.title, view.number, view.panels      # [Panel("image", pixels, row, column), …]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from lib.competitions import IGNORE
from lib.data.doctor.ceiling import labels_of
from lib.data.doctor.findings import Diagnosis, Example, relative
from lib.data.doctor.records import Mask, Record
from lib.data.tiles import around
from lib.errors import SwathError
from lib.rasters.headers import Header, read_header
from lib.rasters.stored import LARGE, in_colours, small, strips, window

SIDE = 360
"""Longest side of a panel, in pixels."""

NEAR = 96
"""Side of the part that is shown around a pixel."""

MOST = 14
"""Findings that get pictures."""

RAREST = 6
"""Classes that get pictures."""

STRANGE = (255, 0, 144)
"""The colour of what no class has."""


@dataclass(frozen=True)
class Panel:
    """One picture; the pixel that is meant, where there is one, in the panel's own pixels."""

    name: str
    pixels: np.ndarray
    """(h, w, 3) uint8 RGB."""
    row: int | None = None
    column: int | None = None


@dataclass(frozen=True)
class View:
    """Pictures that belong together: of finding `number`, or of a class."""

    number: int | None
    title: str
    panels: tuple[Panel, ...]


def of_findings(diagnosis: Diagnosis) -> list[View]:
    """What the first findings point at."""
    masks = {record.mask.path: record for record in diagnosis.images if record.mask}
    found = []
    for number, finding in enumerate(diagnosis.findings):
        if finding.example is None or len(found) == MOST:
            continue
        panels = _panels(finding.example, masks, diagnosis)
        if panels:
            found.append(View(number, finding.example.place(diagnosis.root), tuple(panels)))
    return found


def of_rare_classes(diagnosis: Diagnosis) -> list[View]:
    """Where the rarest classes are, in the mask that holds most of each; the class in its colour, the rest dim."""
    table, judge = diagnosis.table, diagnosis.judge
    rows = [row for row in reversed(diagnosis.facts["classes"]) if row["pixels"]][:RAREST]
    swatches = [swatch["name"] for swatch in judge.swatches(table)]
    found = []
    for row in rows:
        index = swatches.index(row["name"])
        places = np.flatnonzero(table.meaning == index) if judge.competition else np.array([index])
        place = places[table.pixels[places].argmax()]
        record = next(each for each in table.holders[place] if each.mask.path == table.examples[place].mask)
        if record.mask.head.size > LARGE:
            continue
        try:
            panels = _of_class(record, index, diagnosis)
        except SwathError:
            continue
        title = f"{row['name']}: {relative(record.mask.path, diagnosis.root)}"
        found.append(View(None, title, tuple(panels)))
    return found


def _of_class(record: Record, index: int, diagnosis: Diagnosis) -> list[Panel]:
    labels = labels_of(record.mask, diagnosis.judge, diagnosis.table)
    plane = (labels == index).astype(np.float32)
    side = min(2 * NEAR, *plane.shape)
    density = cv2.boxFilter(plane, -1, (side // 2 | 1, side // 2 | 1))
    row, column = (int(each) for each in np.unravel_index(density.argmax(), density.shape))
    part = around((row, column), 2 * NEAR, plane.shape)
    colours = _palette(diagnosis)[labels[part[0] : part[1], part[2] : part[3]]]
    chosen = plane[part[0] : part[1], part[2] : part[3], None] > 0
    colours = np.where(chosen, colours, (colours // 4 + 150).astype(np.uint8))
    panels = [Panel("mask", _scaled(colours, cv2.INTER_NEAREST))]
    if record.image.head and record.image.error is None and record.image.head.shape == record.mask.head.shape:
        image = _viewable(window(record.image.path, record.image.head, *part), record.image.head)
        panels.insert(0, Panel("image", _scaled(image, cv2.INTER_CUBIC)))
    return panels


def _panels(example: Example, masks: dict[Path, Record], diagnosis: Diagnosis) -> list[Panel]:
    wanted = [("image", example.image), ("mask", example.mask)]
    wanted.append(("the other" if example.other not in masks else "the other mask", example.other))
    found = []
    for name, path in wanted:
        if path is None:
            continue
        try:
            found.append(_panel(name, path, masks.get(path), example, diagnosis))
        except (SwathError, OSError):  # what cannot be read cannot be shown
            continue
    return found


def _panel(name: str, path: Path, record: Record | None, example: Example, diagnosis: Diagnosis) -> Panel:
    head = read_header(path)
    part = None if example.row is None else around((example.row, example.column), NEAR, head.shape)
    if record is not None and record.mask.readable and record.mask.values.total:
        pixels = _coloured(record.mask, diagnosis, part)
        how = cv2.INTER_NEAREST
    else:
        large = head.size > LARGE
        if part is not None:
            pixels = window(path, head, *part)
        else:
            pixels = small(path, head, SIDE) if large else np.concatenate([strip for _, strip in strips(path, head)])
        pixels, how = _viewable(pixels, head), cv2.INTER_CUBIC
    scaled = _scaled(pixels, how)
    if part is None:
        return Panel(name, scaled)
    scale = scaled.shape[0] / pixels.shape[0]
    at = [int((where - start + 0.5) * scale) for where, start in ((example.row, part[0]), (example.column, part[2]))]
    return Panel(name, scaled, *at)


def _coloured(mask: Mask, diagnosis: Diagnosis, part: Sequence[int] | None) -> np.ndarray:
    """A mask, or a part of it, in its classes' colours; in its own where it has some."""
    large = mask.head.size > LARGE
    if large or diagnosis.judge.kind == "colour" or mask.values.colour:
        whole = (0, mask.head.shape[0], 0, mask.head.shape[1])
        if large and not part:
            return _viewable(small(mask.path, mask.head, SIDE), mask.head)
        return _viewable(window(mask.path, mask.head, *(part or whole)), mask.head)
    labels = labels_of(mask, diagnosis.judge, diagnosis.table)
    if part:
        labels = labels[part[0] : part[1], part[2] : part[3]]
    return _palette(diagnosis)[labels]


def _palette(diagnosis: Diagnosis) -> np.ndarray:
    """(256, 3) uint8: the colour of each label; what is none stands out."""
    palette = np.full((256, 3), STRANGE, np.uint8)
    for place, swatch in enumerate(diagnosis.judge.swatches(diagnosis.table)[:IGNORE]):
        text = swatch["colour"]
        palette[place] = [int(text[start : start + 2], 16) for start in (1, 3, 5)]
    return palette


def _viewable(pixels: np.ndarray, head: Header) -> np.ndarray:
    """Pixels (h, w, B) of any type as (h, w, 3) uint8, each band stretched where it has more than 8 bits."""
    if head.palette is not None or pixels.dtype == np.uint8:
        return in_colours(pixels, head)
    bands = pixels[..., :3] if pixels.shape[2] >= 3 else np.repeat(pixels[..., :1], 3, axis=2)
    values = bands.astype(np.float32)
    known = np.isfinite(values) & (True if head.nodata is None else values != head.nodata)
    low, high = np.percentile(values[known], (1, 99)) if known.any() else (0, 1)
    stretched = np.clip((values - low) * (255 / max(high - low, 1e-6)), 0, 255)
    return np.where(known, stretched, 0).astype(np.uint8)


def _scaled(pixels: np.ndarray, how: int) -> np.ndarray:
    scale = SIDE / max(pixels.shape[:2])
    size = tuple(max(1, round(each * scale)) for each in pixels.shape[1::-1])
    shrinks = scale < 1 and how != cv2.INTER_NEAREST
    return cv2.resize(np.ascontiguousarray(pixels), size, interpolation=cv2.INTER_AREA if shrinks else how)
