"""Label maps into the competition's file and back, whichever container it asks for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from lib import files
from lib.competitions import Competition
from lib.errors import UsageError
from lib.submissions import png_archive, run_table
from lib.submissions.layout import Layout, Masks


def suffix(competition: Competition) -> str:
    """The file's ending: `.csv` or `.zip`."""
    return ".csv" if competition.submission.csv else ".zip"


def write(masks: Masks, competition: Competition, layout: Layout, path: Path) -> None:
    """Write the competition's file, whole or not at all.

    Raises `UsageError` for a name with another ending, `DataError` when a mask has not the size that the file needs.
    """
    if path.suffix != suffix(competition):
        raise UsageError(f"{path}: {competition.name} takes a {suffix(competition)} file", "give --out that ending")
    with files.replacing(path) as file:
        _kind(competition).write(masks, competition, layout, file)


def read(path: Path, competition: Competition, layout: Layout) -> Iterator[tuple[str, np.ndarray]]:
    """Every image's id and label map, (H, W) uint8; 255 where the file gives no class.

    Raises `DataError` for a file that does not decode to exactly the layout's images.
    """
    return _kind(competition).read(path, competition, layout)


def sent_only(labels: np.ndarray, competition: Competition) -> np.ndarray:
    """A label map as its file can hold it: pixels of classes without rows become `competition.unclaimed`."""
    keep = np.full(256, competition.unclaimed, np.uint8)
    keep[list(competition.sent)] = competition.sent
    return cv2.LUT(labels, keep)


def _kind(competition: Competition):
    return run_table if competition.submission.csv else png_archive
