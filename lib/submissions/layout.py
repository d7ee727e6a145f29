"""What a competition's file must hold: which rows (or members), for which image and class, in which order.

A sample submission's ids come first; without one they are made from the competition's template.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lib.competitions import Competition
from lib.competitions.patterns import fields, fill
from lib.errors import DataError, UsageError

Size = tuple[int, int]

Masks = Callable[[str], np.ndarray]
"""Gives an image's label map, (H, W) uint8, by the image's id."""


@dataclass(frozen=True)
class Row:
    """One row of a CSV file, or one member of a zip (`index` is None: all classes)."""

    id: str
    image: str
    index: int | None


@dataclass(frozen=True)
class Layout:
    """The rows in their order, and the size (height, width) of each image's mask; None where nobody knows it."""

    rows: tuple[Row, ...]
    sizes: Mapping[str, Size | None]

    @property
    def images(self) -> tuple[str, ...]:
        """Image ids, in the order of their first row."""
        return tuple(dict.fromkeys(row.image for row in self.rows))


def expected(
    competition: Competition, sizes: Mapping[str, Size | None] | None = None, sample: Path | None = None
) -> Layout:
    """The layout of a file for images of these original sizes, in a sample submission's order when there is one.

    With a sample alone (`sizes` None) its ids say which images there are. Raises `DataError` when sample and images
    do not belong together.
    """
    if sizes is None and (sample is None or competition.submission.csv is None):
        ways = "--data DIR" + (", or --sample CSV" if competition.submission.csv else "")
        raise UsageError("nobody said which images the file is for", f"give {ways}; to check also --masks DIR")
    made = {row.id: row for image in sorted(sizes or {}) for row in _rows(competition, image)}
    if sample is None or competition.submission.csv is None:
        return Layout(tuple(made.values()), _target_sizes(competition, sizes))
    ids = sample_ids(competition, sample)
    if sizes is None:
        rows = tuple(parse_row_id(competition, row_id, sample) for row_id in ids)
        return Layout(rows, dict.fromkeys((row.image for row in rows), competition.submission.size))
    asked = set(ids)
    missing = [row_id for row_id in ids if row_id not in made]
    extra = [row_id for row_id in made if row_id not in asked]
    if missing or extra:
        raise DataError(
            f"{sample} and the images do not belong together: {_some(missing, 'asked for without an image')}"
            f"{'; ' if missing and extra else ''}{_some(extra, 'not asked for')}",
            "check the competition's submission.csv.id and data.test",
        )
    return Layout(tuple(made[row_id] for row_id in ids), _target_sizes(competition, sizes))


def sample_ids(competition: Competition, sample: Path) -> list[str]:
    """The ids of a sample submission, in its order; its columns must be the competition's."""
    rows = read_rows(sample)
    columns = next(rows, None)
    if columns != list(competition.submission.csv.columns):
        raise DataError(
            f"{sample}: the columns are {columns or 'missing'}, not {list(competition.submission.csv.columns)}"
        )
    ids = [row[0] for row in rows if row]
    twins = [row_id for row_id, count in Counter(ids).items() if count > 1]
    if twins:
        raise DataError(f"{sample}: the id {twins[0]!r} stands twice")
    return ids


def read_rows(path: Path) -> Iterator[list[str]]:
    """The rows of a CSV file, header first. A mask's text may be longer than the csv module's usual limit."""
    csv.field_size_limit(2**31 - 1)
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            yield from csv.reader(file)
    except FileNotFoundError:
        raise UsageError(f"{path} does not exist") from None
    except (csv.Error, UnicodeDecodeError, OSError) as error:
        raise DataError(f"{path} is not a readable CSV file: {error}") from None


def parse_row_id(competition: Competition, row_id: str, source: Path | str) -> Row:
    """Image and class of a row's id, by the competition's template."""
    template = competition.submission.csv.id
    words = {
        "class": {str(competition.values[index]): index for index in competition.sent},
        "name": {competition.names[index]: index for index in competition.sent},
    }
    shape = re.escape(template)
    for hole in fields(template):
        known = "|".join(re.escape(word) for word in words.get(hole, ()))
        first, again = (f"(?P<{hole}>{known})" if known else f"(?P<{hole}>.+?)"), f"(?P={hole})"
        shape = shape.replace(re.escape("{" + hole + "}"), first, 1).replace(re.escape("{" + hole + "}"), again)
    match = re.fullmatch(shape, row_id)
    if match is None:
        raise DataError(f"{source}: the id {row_id!r} does not fit {template!r} with this competition's classes")
    found = match.groupdict()
    indices = {words[hole][found[hole]] for hole in ("class", "name") if hole in found} or {competition.sent[0]}
    if len(indices) > 1:
        raise DataError(f"{source}: the id {row_id!r} names two classes")
    return Row(row_id, found["id"], indices.pop())


def sized(labels: np.ndarray, image: str, layout: Layout) -> np.ndarray:
    """The label map itself, when it has the size that the file needs; labels are never resized."""
    size = layout.sizes[image]
    if size is not None and labels.shape != tuple(size):
        raise DataError(
            f"the mask of {image} is {labels.shape[1]}x{labels.shape[0]}, and the file needs {size[1]}x{size[0]}",
            "predict at that size: labels are never resized",
        )
    return labels


def _rows(competition: Competition, image: str) -> Iterator[Row]:
    form = competition.submission
    if form.zip:
        yield Row(fill(form.zip.member, {"id": image}), image, None)
        return
    for index in competition.sent:
        known = {"id": image, "class": str(competition.values[index]), "name": competition.names[index]}
        yield Row(fill(form.csv.id, known), image, index)


def _target_sizes(competition: Competition, sizes: Mapping[str, Size | None]) -> dict[str, Size | None]:
    """The competition's fixed size for every image, or each image's own."""
    return {image: competition.submission.size or size for image, size in sizes.items()}


def _some(ids: list[str], what: str) -> str:
    return f"{len(ids)} {what} ({', '.join(ids[:3])}{', …' if len(ids) > 3 else ''})" if ids else ""
