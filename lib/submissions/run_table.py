"""The CSV of run lengths: one row an (image, class) pair.

Pixels that no row claims decode to the only class without rows (a background), or to 255 where there is none.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np

from lib.competitions import Competition
from lib.errors import DataError
from lib.submissions import rle
from lib.submissions.layout import Layout, Masks, Row, read_rows, sized


def write(masks: Masks, competition: Competition, layout: Layout, file: BinaryIO) -> None:
    """Write the rows in the layout's order; each image's mask is asked for once and let go after its last row."""
    form = competition.submission.csv
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(form.columns)
    left = Counter(row.image for row in layout.rows)
    texts: dict[str, dict[int, str]] = {}
    for row in layout.rows:
        if row.image not in texts:
            labels = sized(masks(row.image), row.image, layout)
            texts[row.image] = rle.encode(labels, competition.sent, form.order, form.base)
        writer.writerow([row.id, texts[row.image][row.index] or form.empty])
        left[row.image] -= 1
        if not left[row.image]:
            del texts[row.image]
    text.detach()


def read(path: Path, competition: Competition, layout: Layout) -> Iterator[tuple[str, np.ndarray]]:
    """Every image's id and label map; `DataError` for a file that does not hold exactly the layout's rows."""
    known = {row.id: row for row in layout.rows}
    rows: dict[str, dict[str, str]] = {image: {} for image in layout.images}
    lines = read_rows(path)
    next(lines, None)
    for line in lines:
        if not line:
            continue
        row = known.get(line[0])
        if row is None or row.id in rows[row.image]:
            what = "is not asked for" if row is None else "stands twice"
            raise DataError(f"{path}: the id {line[0]!r} {what}", "see all of it: python submit.py check FILE")
        rows[row.image][row.id] = line[1] if len(line) > 1 else ""
    wanted = Counter(row.image for row in layout.rows)
    for image, texts in rows.items():
        size = layout.sizes[image]
        if size is None:
            raise DataError(f"the size of {image} is not known, so its rows cannot be decoded", "give --data DIR")
        if len(texts) != wanted[image]:
            raise DataError(
                f"{path}: {image} has {len(texts)} of {wanted[image]} rows",
                "see all of it: python submit.py check FILE",
            )
        yield image, label_map([(known[row_id], text) for row_id, text in texts.items()], competition, size, path)


def label_map(
    rows: list[tuple[Row, str]], competition: Competition, size: tuple[int, int], source: Path | str
) -> np.ndarray:
    """One image's rows as (H, W) uint8; a pixel that two classes claim is a `DataError`."""
    flat = np.full(size[0] * size[1], competition.unclaimed, np.uint8)
    found = [runs_of(row, text, competition, flat.size, source) for row, text in rows]
    must_not_overlap([row for row, _ in rows], found, source)
    for (row, _), runs in zip(rows, found, strict=True):
        rle.paint(flat, runs, row.index)
    if competition.submission.csv.order == "C":
        return flat.reshape(size)
    return cv2.transpose(flat.reshape(size[::-1])).reshape(size)


def must_not_overlap(rows: list[Row], found: list[np.ndarray], source: Path | str) -> None:
    """Raise `DataError` when a pixel stands in the runs of two rows of an image."""
    runs = np.concatenate(found)
    owner = np.repeat(np.arange(len(rows)), [len(part) for part in found])
    order = np.argsort(runs[:, 0], kind="stable")
    starts, ends = runs[order].T
    clash = np.flatnonzero(starts[1:] < ends[:-1])
    if len(clash):
        one, other = rows[owner[order[clash[0]]]], rows[owner[order[clash[0] + 1]]]
        raise DataError(
            f"{source}: {one.id} and {other.id} both claim pixels of {one.image}: {len(clash)} runs overlap"
        )


def runs_of(row: Row, text: str, competition: Competition, pixels: int | None, source: Path | str) -> np.ndarray:
    """The runs of one row; the competition's word for an empty mask has none."""
    form = competition.submission.csv
    if text.strip() == form.empty:
        return np.empty((0, 2), np.int64)
    if not text.strip():
        raise DataError(f"{source}: {row.id} is blank, and an empty mask is written {form.empty!r}")
    try:
        return rle.parse(text, form.base, pixels)
    except DataError as error:
        raise DataError(f"{source}: {row.id}: {error.reason}") from None
