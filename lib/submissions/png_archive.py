"""The zip of pictures: one index or colour PNG an image."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np

from lib.competitions import Competition
from lib.errors import DataError, UsageError
from lib.rasters import Coding, colours, encode_png, from_pixels, values
from lib.submissions.layout import Layout, Masks, sized

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
    colour = kind == "colour"
    coding = Coding.of_prediction(competition, kind)
    with open_zip(path) as archive:
        for row in layout.rows:
            try:
                content = np.frombuffer(archive.read(row.id), np.uint8)
            except KeyError:
                raise DataError(f"{path} has no member {row.id}") from None
            except zipfile.BadZipFile as error:
                raise DataError(f"{path}: {row.id} is damaged: {error}") from None
            pixels = (
                cv2.imdecode(content, cv2.IMREAD_COLOR if colour else cv2.IMREAD_UNCHANGED) if len(content) else None
            )
            if pixels is None or (not colour and pixels.ndim != 2):
                raise DataError(f"{path}: {row.id} is not a PNG of {kind} pixels")
            size = layout.sizes[row.image]
            if size is not None and pixels.shape[:2] != tuple(size):
                raise DataError(f"{path}: {row.id} is {pixels.shape[1]}x{pixels.shape[0]}, not {size[1]}x{size[0]}")
            if colour:
                pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
            yield row.image, from_pixels(pixels, coding, source=f"{path}: {row.id}")


def open_zip(path: Path) -> zipfile.ZipFile:
    """A zip file opened for reading; an error says when it is none."""
    try:
        return zipfile.ZipFile(path)
    except FileNotFoundError:
        raise UsageError(f"{path} does not exist") from None
    except (zipfile.BadZipFile, OSError) as error:
        raise DataError(f"{path} is not a readable zip file: {error}") from None
