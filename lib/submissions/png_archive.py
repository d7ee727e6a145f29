"""The zip of pictures: one index or colour PNG an image."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from lib.competitions import Competition
from lib.errors import DataError, UsageError
from lib.rasters import PNG, Coding, colours, decode_mask, encode_png, from_pixels, values
from lib.submissions.layout import Layout, Masks, sized

DAMAGES = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError)
"""What reading a member may end in: broken streams, a password, a compression that Python lacks."""

EPOCH = (1980, 1, 1, 0, 0, 0)
"""The date of every member, so that the same masks give the same bytes."""


def write(masks: Masks, competition: Competition, layout: Layout, file: BinaryIO) -> None:
    """Write a member for each row of the layout."""
    coded = (colours if competition.submission.zip.pixels == "colour" else values)(competition)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for row in layout.rows:
            labels = sized(masks(row.image), row.image, layout)
            archive.writestr(zipfile.ZipInfo(row.id, EPOCH), encode_png(coded[labels]))


def read(path: Path, competition: Competition, layout: Layout) -> Iterator[tuple[str, np.ndarray]]:
    """Every image's id and label map; `DataError` for a member that is missing, unreadable or of another size."""
    kind = competition.submission.zip.pixels
    coding = Coding.of_prediction(competition, kind)
    with open_zip(path) as archive:
        extra = set(archive.namelist()) - {row.id for row in layout.rows}
        if extra:
            raise DataError(f"{path} has {len(extra)} members that nobody asked for: {min(extra)}")
        for row in layout.rows:
            try:
                content = archive.read(row.id)
            except KeyError:
                raise DataError(f"{path} has no member {row.id}") from None
            except DAMAGES as error:
                raise DataError(f"{path}: {row.id} is damaged: {error}") from None
            if not content.startswith(PNG):
                raise DataError(f"{path}: {row.id} is not a PNG")
            pixels = decode_mask(content, kind == "colour", f"{path}: {row.id}")
            size = layout.sizes[row.image]
            if size is not None and pixels.shape[:2] != tuple(size):
                raise DataError(f"{path}: {row.id} is {pixels.shape[1]}x{pixels.shape[0]}, not {size[1]}x{size[0]}")
            yield row.image, from_pixels(pixels, coding, source=f"{path}: {row.id}")


def open_zip(path: Path) -> zipfile.ZipFile:
    """A zip file opened for reading; an error says when it is none."""
    try:
        return zipfile.ZipFile(path)
    except FileNotFoundError:
        raise UsageError(f"{path} does not exist") from None
    except (zipfile.BadZipFile, OSError) as error:
        raise DataError(f"{path} is not a readable zip file: {error}") from None
