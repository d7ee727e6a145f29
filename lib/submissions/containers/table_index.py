"""One pass over a CSV file that notes where each row stands and what it is about, and keeps no text.

index = scan(path, keys)                       # or scan(path, keys, {"a": 0, "b": 1}): only these images are known
index.codes, index.offsets                     # a row each: 16 bytes
with index.open() as rows: rows.at(17)         # the cells of row 17

A row is one line of the file: a mask's text holds no line break.
"""

from __future__ import annotations

import csv
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np

from lib.errors import DataError, UsageError
from lib.submissions.keys import Key, Keys

UNKNOWN = -1
"""The code of a row that fits no template, or is about an image that nobody asked for."""

KEPT = 1000
"""Unknown rows that are remembered by their text."""

MOST_PIXELS = 2**31
"""Pixels of the largest image; the largest of a competition so far has 1.5e9."""

BOM = b"\xef\xbb\xbf"

LONGEST = 2**28
"""Bytes of a line; the mask of 1.5e9 pixels has a tenth of them."""

OTHERS = {
    b"\x1f\x8b": "it is compressed with gzip",
    b"PK\3\4": "it is a zip archive, or a workbook of Excel",
    b"\xff\xfe": "it is written in UTF-16, and has to be in UTF-8",
    b"\xfe\xff": "it is written in UTF-16, and has to be in UTF-8",
    b"PAR1": "it is a Parquet file",
}
"""What files that are no CSV begin with."""


def code(image: int, key: Key, by_class: bool) -> int:
    """A row's number: its image's, its class's or patch's."""
    return image << 40 | key.x << 20 | key.y | (key.index if by_class else 0)


def image_of(codes: np.ndarray) -> np.ndarray:
    """The images' numbers of rows' codes; `UNKNOWN` stays."""
    return codes >> 40


def absent(codes: np.ndarray, among: np.ndarray) -> np.ndarray:
    """The places of codes that are not `among` others; np.isin needs several times the memory."""
    if not len(among):
        return np.arange(len(codes))
    known = np.sort(among)
    return np.flatnonzero(known[np.minimum(np.searchsorted(known, codes), len(known) - 1)] != codes)


def is_size(height: int, width: int) -> bool:
    """Whether an image may be so large; a file that says more would only fill the memory."""
    return height > 0 and width > 0 and height * width < MOST_PIXELS


@dataclass
class Index:
    """A CSV file's columns, and each row's code and place."""

    path: Path
    columns: list[str] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    codes: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    offsets: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Height and width of images whose rows say them."""
    unknown: list[str] = field(default_factory=list)
    """Key cells of the first unknown rows."""
    ragged: tuple[int, int] | None = None
    """The first line with another number of fields than the header, and that number."""
    bom: bool = False
    carriage_returns: bool = False

    def open(self) -> Reader:
        """A reader of the file's rows by their number."""
        return Reader(self)


class Reader:
    """Reads rows of a file where an index says that they stand."""

    def __init__(self, index: Index) -> None:
        self.index = index
        self.file = open(index.path, "rb")  # noqa: SIM115 (it closes with the reader)
        self.place = 0

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self.file.close()

    def at(self, row: int) -> list[str]:
        """The cells of a row."""
        offset = int(self.index.offsets[row])
        if offset != self.place:  # a seek throws away what was read ahead
            self.file.seek(offset)
        line = self.file.readline()
        self.place = offset + len(line)
        return next(csv.reader([line.decode("utf-8")]))


def scan(path: Path, keys: Keys, images: Mapping[str, int] | None = None, by_class: bool = True) -> Index:
    """Index a file. `images` gives known images' numbers by canonical id; None: images are numbered as they come.

    Rows are told apart by image and patch, with `by_class` also by class. Raises `DataError` for a file that is no
    CSV of one line a row.
    """
    index = Index(Path(path))
    csv.field_size_limit(2**31 - 1)
    codes, offsets = array("q"), array("q")
    numbers = {} if images is None else images
    sizes = _Sizes(keys)
    for offset, line, cells in _rows(index):
        if not cells:
            continue
        if len(cells) != len(index.columns):
            index.ragged = index.ragged or (line, len(cells))
        key = keys.parse(cells) if len(cells) > keys.places[-1] else None
        number = numbers.get(key.image, UNKNOWN) if key else UNKNOWN
        if key and images is None and number == UNKNOWN:
            number = numbers[key.image] = len(numbers)
        if number == UNKNOWN and len(index.unknown) < KEPT:
            index.unknown.append(",".join(cells[place] for place in keys.places if place < len(cells)))
        if number != UNKNOWN:
            sizes.note(key.image, cells, index)
        codes.append(code(number, key, by_class) if number != UNKNOWN else UNKNOWN)
        offsets.append(offset)
    index.images = list(numbers) if images is None else []
    index.codes, index.offsets = np.array(codes, np.int64), np.array(offsets, np.int64)
    return index


def _rows(index: Index) -> Iterator[tuple[int, int, list[str]]]:
    """Offset, line number and cells of each row behind the header, which goes into the index."""
    try:
        with open(index.path, "rb") as file:
            lines = _Lines(file, index.path)
            reader = csv.reader(lines)
            index.columns = next(reader, [])
            lines.pulled = 0
            index.bom, index.carriage_returns = lines.bom, lines.carriage_returns
            for cells in reader:
                yield lines.offset, lines.number, cells
                lines.pulled = 0
    except FileNotFoundError:
        raise UsageError(f"{index.path} does not exist") from None
    except UnicodeDecodeError:
        raise DataError(f"{index.path} is not a readable CSV file: line {lines.number} is not UTF-8") from None
    except csv.Error as error:
        reason = "its lines end with CR alone" if "new-line" in str(error) else str(error)
        raise DataError(f"{index.path} is not a readable CSV file: {reason}") from None
    except OSError as error:
        raise DataError(f"{index.path} cannot be read: {error.strerror}") from None


class _Lines:
    """A file's lines as text, and where the last one began. `pulled`: how many lines the row now read has so far.

    A row of two lines is a `DataError` at its second, so that a quotation mark left open does not pull in the file.
    """

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self.path, self.file = path, file
        self.offset, self.after, self.number, self.pulled = 0, 0, 0, 0
        self.bom = self.carriage_returns = False

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self.file.readline(LONGEST)
        if self.pulled:
            what = "goes over several lines" if line else "has a quotation mark that nothing closes"
            raise DataError(f"{self.path}: the row at line {self.number} {what}")
        if not line:
            raise StopIteration
        if len(line) == LONGEST:
            raise DataError(f"{self.path}: line {self.number + 1} has more than {LONGEST:,} bytes: refused")
        self.offset, self.after = self.after, self.after + len(line)
        self.number += 1
        self.pulled += 1
        if self.number == 1:
            other = next((what for magic, what in OTHERS.items() if line.startswith(magic)), None)
            if other:
                raise DataError(f"{self.path} is not a CSV file: {other}")
            self.bom, self.carriage_returns = line.startswith(BOM), line.endswith(b"\r\n")
            line = line.removeprefix(BOM)
        return line.decode("utf-8")


class _Sizes:
    """Height and width where cells of a row hold nothing else."""

    def __init__(self, keys: Keys) -> None:
        row = keys.competition.submission.csv.row
        self.places = [row.index(hole) if hole in row else None for hole in ("{height}", "{width}")]

    def note(self, image: str, cells: list[str], index: Index) -> None:
        if None in self.places or image in index.sizes or len(cells) <= max(self.places):
            return
        texts = [cells[place] for place in self.places]
        if all(text.isascii() and text.isdecimal() and len(text) < 10 for text in texts):
            size = int(texts[0]), int(texts[1])
            index.sizes |= {image: size} if is_size(*size) else {}
