"""Scores a submitted file against truth masks by the competition's own rule.

paths = truths(competition, folder)
total, each = score_file(path, competition, expected(competition, sizes_of(paths)), paths)
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np

from lib.competitions import Competition
from lib.competitions.patterns import fields, find
from lib.competitions.schema import Source
from lib.errors import DataError, UsageError
from lib.rasters import header_size, read_labels
from lib.scoring import Score, areas, image_score, score
from lib.submissions.container import read
from lib.submissions.layout import Layout


def truths(competition: Competition, folder: Path) -> dict[str, Path]:
    """Truth masks in a folder by image id: laid out like the data root, or flat, or simply `{id}.png`."""
    if not folder.is_dir():
        raise UsageError(f"the truth folder {folder} does not exist", "give it with --truth DIR")
    for source in (competition.data.test, competition.data.train):
        for pattern in (source.masks, PurePosixPath(source.masks).name) if source and source.masks else ():
            found = masks_by_id(source, pattern, folder)
            if found:
                return found
    found = {path.stem: path for path in sorted(folder.iterdir()) if path.suffix.lower() in (".png", ".tif", ".tiff")}
    if not found:
        raise UsageError(f"{folder} holds no truth masks", "files named like the competition's masks, or ID.png")
    return found


def masks_by_id(source: Source, pattern: str, folder: Path) -> dict[str, Path]:
    """The files under `folder` that fit a pattern of masks, by image id; empty when the pattern cannot tell an id."""
    wanted = set(fields(source.id or source.images))
    found = find(folder, pattern) if wanted <= set(fields(pattern)) else ()
    return {source.identity(values): path for path, values in found}


def sizes_of(paths: Mapping[str, Path]) -> dict[str, tuple[int, int]]:
    """Height and width of each image's file, from its header."""
    return {image: header_size(path) for image, path in paths.items()}


def score_file(
    path: Path,
    competition: Competition,
    layout: Layout,
    paths: Mapping[str, Path],
) -> tuple[Score, dict[str, float | None]]:
    """The file's score over every image of the layout, and each image's own; None where nothing of it counts.

    Where the file has a fixed size, the truth is brought to it by nearest neighbour.
    """
    missing = [image for image in layout.images if image not in paths]
    if missing:
        raise DataError(
            f"{len(missing)} images have no truth mask: {', '.join(missing[:3])}", "give the right --truth DIR"
        )
    counts, images = [], []
    for image, labels in read(path, competition, layout):
        truth = read_labels(paths[image], competition)
        if truth.shape != labels.shape:
            truth = cv2.resize(truth, labels.shape[::-1], interpolation=cv2.INTER_NEAREST)
        counts.append(areas(truth, labels, len(competition.classes)))
        images.append(image)
    table = np.stack(counts)
    each = {image: image_score(part, competition) for image, part in zip(images, table, strict=True)}
    return score(table, competition), each


def score_document(competition: Competition, total: Score, each: dict[str, float | None]) -> dict[str, Any]:
    """A score as `--json` prints it."""
    return {
        "competition": competition.name,
        "score": total.value,
        "rule": competition.metric.label,
        "baselines": total.baselines,
        "per_class": total.per_class,
        "images": each,
    }
