"""A folder of predicted masks, one file an image, named by the image's id.

masks = masks_in(folder, competition)         # masks("5000") -> (H, W) uint8
write(folder, competition, ids, made, about)  # `made` gives pairs of id and label map
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lib import files
from lib.competitions import Competition
from lib.errors import DataError, SwathError, UsageError
from lib.rasters.masks import read_prediction, write_labels

INDEX = "predictions.json"
"""Marks a folder whose masks the kit wrote, and may write again."""

SUFFIXES = (".png", ".tif", ".tiff", ".jpg", ".jpeg")
"""What counts as a mask; a JPEG is found so that it can be refused."""


def mask_files(folder: Path) -> dict[str, Path]:
    """The masks in a folder by image id, which is the file's name without its ending, sorted.

    Raises `UsageError` when there are none, `DataError` when two files are masks of one image.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.suffix.lower() in SUFFIXES and not path.name.startswith("."):
            if path.stem in found:
                raise DataError(f"{found[path.stem]} and {path} are both masks of {path.stem}", "keep one of them")
            found[path.stem] = path
    if not found:
        raise UsageError(
            f"{folder} holds no masks", "index PNGs named ID.png, as `python submit.py predict` writes them"
        )
    return found


def masks_in(folder: Path, competition: Competition) -> Callable[[str], np.ndarray]:
    """The predicted masks of a folder, as a function of the image's id."""
    paths = mask_files(folder)

    def mask(image: str) -> np.ndarray:
        if image not in paths:
            raise DataError(f"{folder} holds no mask of {image}", f"save it as {image}.png")
        return read_prediction(paths[image], competition)

    return mask


def write(
    folder: Path,
    competition: Competition,
    ids: Sequence[str],
    masks: Iterable[tuple[str, np.ndarray]],
    about: dict[str, Any],
) -> None:
    """Write `masks`, pairs of id and (H, W) uint8, as index PNGs, and last predictions.json, which holds `about`.

    `ids` are all that will come. Raises `UsageError` before any work when files would be overwritten that the kit did
    not write. When making the masks fails, what this call has written goes away again.
    """
    must_be_free(folder, ids)
    before = _written(folder)
    fresh = []
    try:
        for image, labels in masks:
            path = files.inside(folder, f"{image}.png")
            fresh += [] if path.exists() else [path]
            if not (folder / INDEX).exists():
                fresh.append(folder / INDEX)
                files.write_json(folder / INDEX, {"images": []})
            write_labels(path, labels, competition)
    except SwathError:
        for path in fresh:
            path.unlink(missing_ok=True)
        raise
    for image in before - set(ids):  # of an earlier call, and no part of these
        files.inside(folder, f"{image}.png").unlink(missing_ok=True)
    files.write_json(folder / INDEX, {"images": list(ids), **about})


def _written(folder: Path) -> set[str]:
    """The images whose masks an earlier call has written."""
    content = files.read_json(folder / INDEX) if (folder / INDEX).is_file() else {}
    return set(content.get("images", ()))


def must_be_free(folder: Path, ids: Sequence[str]) -> None:
    """Raise `UsageError` when files named like these masks are there that the kit did not write."""
    taken = [image for image in ids if files.inside(folder, f"{image}.png").exists()]
    if taken and not (folder / INDEX).is_file():
        raise UsageError(
            f"{folder} holds {len(taken)} files that masks would overwrite, {taken[0]}.png among them, and nothing "
            "says that this kit wrote them",
            "choose a new folder with --out DIR",
        )
