"""Scores a submitted file against truth masks by the competition's own rule.

score = score_file(path, competition, truths(competition, folder))
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath

import cv2
import numpy as np

from lib.competitions import Competition
from lib.competitions.patterns import fields, find
from lib.errors import DataError, UsageError
from lib.rasters import header_size, read_labels
from lib.scoring import Score, areas, score
from lib.submissions.container import read
from lib.submissions.layout import Layout


def truths(competition: Competition, folder: Path) -> dict[str, Path]:
    """Truth masks in a folder by image id: laid out like the data root, or flat, or simply `{id}.png`."""
    if not folder.is_dir():
        raise UsageError(f"the truth folder {folder} does not exist", "give it with --truth DIR")
    sources = [source for source in (competition.data.test, competition.data.train) if source and source.masks]
    for source in sources:
        for pattern in (source.masks, PurePosixPath(source.masks).name):
            wanted = set(fields(source.id or "".join(f"{{{name}}}" for name in fields(source.images))))
            if wanted <= set(fields(pattern)):
                found = {source.identity(values): path for path, values in find(folder, pattern)}
                if found:
                    return found
    found = {path.stem: path for path in sorted(folder.iterdir()) if path.suffix.lower() in (".png", ".tif", ".tiff")}
    if not found:
        raise UsageError(f"{folder} holds no truth masks", "files named like the competition's masks, or ID.png")
    return found


def sizes_of(paths: Mapping[str, Path]) -> dict[str, tuple[int, int]]:
    """Height and width of each image's file, from its header."""
    return {image: header_size(path) for image, path in paths.items()}


def score_file(
    path: Path,
    competition: Competition,
    layout: Layout,
    paths: Mapping[str, Path],
    tick: Callable[[Iterable], Iterable] = iter,
) -> tuple[Score, dict[str, float]]:
    """The file's score over every image of the layout, and each image's own.

    Where the file has a fixed size, the truth is brought to it by nearest neighbour.
    """
    missing = [image for image in layout.images if image not in paths]
    if missing:
        raise DataError(
            f"{len(missing)} images have no truth mask: {', '.join(missing[:3])}", "give the right --truth DIR"
        )
    counts, images = [], []
    for image, labels in tick(read(path, competition, layout)):
        truth = read_labels(paths[image], competition)
        if truth.shape != labels.shape:
            truth = cv2.resize(truth, labels.shape[::-1], interpolation=cv2.INTER_NEAREST)
        counts.append(areas(truth, labels, len(competition.classes)))
        images.append(image)
    table = np.stack(counts)
    each = {image: score(part[None], competition).value for image, part in zip(images, table, strict=True)}
    return score(table, competition), each
