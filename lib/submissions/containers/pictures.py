"""Pictures of masks, one or several an image, in a zip or in a folder: PNG, TIFF or GeoTIFF by their ending.

Values are the competition's own for the file (LoveDA: label − 1), colours, or those of a further picture (xView2: 0 and
1 beside 0 to 4). With `masks.threshold` a picture is read as its server reads it.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np

from lib import files
from lib.competitions import IGNORE, Competition
from lib.competitions.formats import Member
from lib.errors import DataError, UsageError
from lib.rasters import Coding, colours, decode_mask, encode_png, from_pixels
from lib.rasters.reader import Georeference
from lib.rasters.tiff import encode_tiff, georeference
from lib.submissions.containers.archive import announced, most_bytes, open_archive
from lib.submissions.containers.sent import as_sent
from lib.submissions.layout import Layout, Masks, Row, Size, sized

EPOCH = (1980, 1, 1, 0, 0, 0)
"""The date of every member, so that the same masks give the same bytes."""

Places = Callable[[str], Georeference | None]
"""Gives the place of an image's mask on the Earth by the image's id."""


def nowhere(image: str) -> None:
    """The place of a mask that has none."""


def write_zip(masks: Masks, competition: Competition, layout: Layout, file: BinaryIO, places: Places = nowhere) -> None:
    """Write a member for each row of the layout; an image's mask is asked for once."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, content in _members(masks, competition, layout, places):
            archive.writestr(zipfile.ZipInfo(name, EPOCH), content)


def write_folder(masks: Masks, competition: Competition, layout: Layout, path: Path, places: Places = nowhere) -> None:
    """Write a file for each row of the layout into a folder, which appears whole or not at all.

    A folder that is there may hold an earlier file's members, and nothing else.
    """
    path = Path(path).resolve()
    if path.exists():
        names = set(open_archive(path).names) if path.is_dir() else {path.name}
        strange = names - {row.id for row in layout.rows}
        if strange:
            raise UsageError(f"{path} holds {min(strange)}, which is no part of the file", "choose a new folder")
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{path.name[:100]}.", suffix=".part", dir=path.parent))
    try:
        fresh.chmod(0o755)
        for name, content in _members(masks, competition, layout, places):
            files.write(files.inside(fresh, name), content)
        if path.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{path.name[:100]}.", suffix=".old", dir=path.parent))
            os.replace(path, old)
            os.replace(fresh, path)
            shutil.rmtree(old)
        else:
            os.replace(fresh, path)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


class Album:
    """The pictures of a zip or a folder, image by image."""

    def __init__(self, path: Path, competition: Competition, layout: Layout) -> None:
        self.path, self.competition, self.layout = path, competition, layout
        self.archive = open_archive(path)
        self.names = self.archive.names
        self.rows: dict[str, list[Row]] = {}
        for row in layout.rows:
            self.rows.setdefault(row.image, []).append(row)

    def __enter__(self) -> Album:
        return self

    def __exit__(self, *error) -> None:
        self.archive.__exit__(*error)

    def mask(self, image: str) -> np.ndarray:
        """An image's label map (H, W) uint8; `DataError` for a picture that is missing, unreadable, of another size."""
        row, *further = self.rows[image]
        size = self.layout.sizes[image] or self._announced(row)
        content = self.archive.read(row.id, most_bytes(size, 3))
        labels = labels_of(content, row, self.competition, size, f"{self.path}: {row.id}")
        for other in further:
            content = self.archive.read(other.id, most_bytes(labels.shape, 3))
            _must_agree(content, other, self.competition, labels, f"{self.path}: {other.id}")
        return labels

    def place(self, image: str) -> Georeference | None:
        """Where an image's first picture lies on the Earth."""
        row = self.rows[image][0]
        if not row.id.lower().endswith((".tif", ".tiff")):
            return None
        size = self.layout.sizes[image] or self._announced(row)
        return georeference(self.archive.read(row.id, most_bytes(size, 3)))

    def _announced(self, row: Row) -> Size:
        """Height and width that a picture's header says, of which no more is unpacked."""
        with self.archive.opened(row.id) as file:
            return announced(file, row.id, f"{self.path}: {row.id}")

    def must_fit(self) -> None:
        """Raise `DataError` for members that nobody asked for."""
        extra = set(self.names) - {row.id for rows in self.rows.values() for row in rows}
        if extra:
            raise DataError(f"{self.path} has {len(extra)} members that nobody asked for: {min(extra)}")


def image_ids(competition: Competition, names: Iterable[str]) -> list[str]:
    """The ids of the images whose first picture is among some names."""
    shape = re.escape(competition.submission.pictures.member)
    shape = shape.replace(r"\{id\}", "(?P<id>[^/]+)", 1).replace(r"\{id\}", "(?P=id)")
    return [match["id"] for name in names if (match := re.fullmatch(shape, name))]


def labels_of(content: bytes, row: Row, competition: Competition, size: Size | None, source: str) -> np.ndarray:
    """A picture's content as class indices (H, W) uint8."""
    pictures = competition.submission.pictures
    pixels = _pixels(content, row, pictures.pixels == "colour", size, source)
    if pictures.pixels == "colour":
        return from_pixels(pixels, Coding.of_prediction(competition, "colour"), source)
    coding = Coding("index", None, tuple(_table(competition, pictures)))
    return from_pixels(_as_read(pixels, competition, [value for value, _ in coding.table], source), coding, source)


def picture_values(competition: Competition, member: Member) -> np.ndarray:
    """(256,) uint8: the value of every value of a label map in one of an image's pictures."""
    pictures = competition.submission.pictures
    own = member.values or pictures.values or competition.values
    none = pictures.none if member is pictures and pictures.none is not None else _free(own)
    table = np.full(256, none, np.uint8 if max(own) < 256 else np.uint16)
    table[: len(own)] = own
    return table


def _members(masks: Masks, competition: Competition, layout: Layout, places: Places) -> Iterator[tuple[str, bytes]]:
    form = competition.submission
    tables = [
        colours(competition) if form.pictures.pixels == "colour" and not number else picture_values(competition, member)
        for number, member in enumerate(_all(competition))
    ]
    image, labels = None, None
    for row in layout.rows:
        if row.image != image:
            image = row.image
            labels = sized(masks(image), image, layout, form.resize == "nearest")
            labels = as_sent(labels, competition) if form.min_area else labels
        yield row.id, encoded(tables[row.index][labels], row.id, places(image))


def encoded(pixels: np.ndarray, name: str, place: Georeference | None = None) -> bytes:
    """A picture's bytes in the format that its name's ending says."""
    ending = Path(name).suffix.lower()
    if ending in (".tif", ".tiff"):
        return encode_tiff(pixels, place)
    if ending != ".png":
        raise UsageError(f"{name}: masks are written as .png, .tif or .tiff", "change submission's member")
    return encode_png(pixels)


def _all(competition: Competition) -> tuple[Member, ...]:
    pictures = competition.submission.pictures
    return (pictures, *pictures.also)


def _pixels(content: bytes, row: Row, colour: bool, size: Size | None, source: str) -> np.ndarray:
    """A member's pixels, its header looked at first: a small file may announce a picture that fills the memory."""
    found = announced(io.BytesIO(content), row.id, source)
    if size is not None and found != tuple(size):
        raise DataError(f"{source} is {found[1]}x{found[0]}, not {size[1]}x{size[0]}")
    return decode_mask(content, colour, source)


def _table(competition: Competition, member: Member) -> Iterator[tuple[int, int]]:
    """Pairs of value and class index, 255 for what is no class; the first of two for one value counts."""
    pictures = competition.submission.pictures
    table = picture_values(competition, member)
    known = {int(table[index]): index for index in reversed(range(len(competition.classes)))}
    known.setdefault(int(table[IGNORE]), IGNORE)
    if pictures.values is None:
        for label in competition.ignore:
            if label.value is not None:
                known.setdefault(label.value, IGNORE)
    yield from known.items()


def _as_read(pixels: np.ndarray, competition: Competition, known: list[int], source: str) -> np.ndarray:
    """Pixels behind the threshold that the server reads them with; pictures of 0 and 1 where 255 belongs, or the
    other way round, are a `DataError`."""
    threshold = competition.masks.threshold
    high, most = max(known), int(pixels.max())
    own = max(competition.submission.pictures.values or competition.values)
    if threshold is not None and own == IGNORE:
        if 0 < most < threshold:
            raise DataError(
                f"{source} holds nothing above {most}, and is read with threshold {threshold}: all of it is value 0",
                f"write {own} where it is {most}",
            )
        return cv2.threshold(pixels, threshold - 1, 255, cv2.THRESH_BINARY)[1]
    if own == 1 and most == IGNORE and high == IGNORE and set(np.unique(pixels)) <= {0, IGNORE}:
        raise DataError(f"{source} holds 0 and 255, where 0 and 1 belong", "write 1 where it is 255")
    return pixels


def _must_agree(content: bytes, row: Row, competition: Competition, labels: np.ndarray, source: str) -> None:
    """Raise `DataError` unless a further picture says the same as the first."""
    pixels = _pixels(content, row, False, labels.shape, source)
    wanted = picture_values(competition, _all(competition)[row.index])[labels]
    wrong = np.count_nonzero(pixels != wanted)
    if wrong:
        raise DataError(f"{source} says otherwise than {row.image}'s first picture at {wrong} pixels")


def _free(values: tuple[int, ...]) -> int:
    return next(value for value in range(IGNORE, -1, -1) if value not in values)
