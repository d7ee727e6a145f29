"""What a file must hold, from whatever is at hand: a sample submission, a folder of data, masks, the file itself.

layout = asked(competition, data, sample, masks, file, size)

For competitions whose data's layout nobody has described: images are known by their files' names.
"""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Mapping
from pathlib import Path

from lib.competitions import Competition
from lib.errors import DataError, UsageError
from lib.rasters import BroughtMasks, header_size
from lib.rasters.tiff import SUFFIXES
from lib.submissions.containers import coco_file
from lib.submissions.containers.archive import open_archive
from lib.submissions.containers.pictures import image_ids
from lib.submissions.layout import Layout, Size, expected, of_table

IMAGES = (".jpg", ".jpeg", ".png", *SUFFIXES)


def asked(
    competition: Competition,
    data: Path | None = None,
    sample: Path | None = None,
    masks: BroughtMasks | None = None,
    file: Path | None = None,
    size: Size | None = None,
) -> Layout:
    """The layout that a sample says, or masks, or a data folder, or the file; all of them say sizes.

    Raises `UsageError` when nobody says which images there are.
    """
    if data and not data.is_dir():
        raise UsageError(f"the data folder {data} does not exist", "give it with --data DIR")
    if sample and competition.submission.csv is None:
        wanted = competition.submission.suffix or "folder"
        raise UsageError(f"a sample submission is a CSV, and {competition.name} takes a {wanted}", "leave --sample out")
    sample = sample or (sample_under(competition, data) if data else None)
    extents = extents_of(competition, data) if data else {}
    if masks:
        layout = expected(competition, _sizes_of(masks, data), sample, extents)
        masks.must_fit(layout.sizes)
    elif sample and competition.submission.csv:
        layout = expected(competition, None, sample, extents)
    elif file:
        layout = _of_file(competition, file, size, extents)
    elif data and (found := _images(data)):
        layout = expected(
            competition, {image: header_size(path) for image, path in sorted(found.items())}, None, extents
        )
    else:
        layout = expected(competition, None, sample, extents)
    return _with_sizes(layout, data, size)


def sample_under(competition: Competition, root: Path) -> Path | None:
    """The sample submission under a data root, where it is there."""
    table = competition.submission.csv
    path = root / table.sample if table and table.sample else None
    return path if path and path.is_file() else None


def extents_of(competition: Competition, root: Path) -> dict[str, tuple[float, float]]:
    """Xmax and Ymin of each image, from the competition's `grid` under a data root; empty when it has none."""
    table = competition.submission.csv
    path = root / table.grid if table and table.grid else None
    if path is None or not path.is_file():
        return {}
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = csv.reader(file)
            next(rows, None)
            found = {row[0]: (float(row[1]), float(row[2])) for row in rows if row}
    except (csv.Error, UnicodeDecodeError, ValueError, IndexError, OSError) as error:
        raise DataError(f"{path} is no table of image, Xmax and Ymin: {error}") from None
    wrong = [image for image, (xmax, ymin) in found.items() if not (0 < abs(xmax) < 1e9 and 0 < abs(ymin) < 1e9)]
    if wrong:
        raise DataError(f"{path}: the extent of {wrong[0]} is {found[wrong[0]]}")
    return found


def _of_file(competition: Competition, file: Path, size: Size | None, extents: Mapping) -> Layout:
    """The layout that a file itself has."""
    if competition.submission.csv:
        layout = of_table(competition, file, extents, size)
    elif competition.submission.coco:
        layout = expected(competition, dict(coco_file.scan(file).sizes))
    else:
        with open_archive(file) as archive:
            found = image_ids(competition, archive.names)
        if not found:
            raise DataError(f"no picture is called like {competition.submission.pictures.member}")
        layout = expected(competition, dict.fromkeys(found))
    return dataclasses.replace(layout, asked=False)


def _sizes_of(masks: BroughtMasks, data: Path | None) -> dict[str, Size]:
    """The sizes of the images that have masks: of the image where the data folder holds it, else of the mask."""
    images = _images(data) if data else {}
    return {image: header_size(images[image]) if image in images else own for image, own in masks.sizes().items()}


def _with_sizes(layout: Layout, data: Path | None, size: Size | None) -> Layout:
    """The layout with sizes of images that a data folder holds, or else `size`, where they are not known."""
    unknown = [image for image, known in layout.sizes.items() if known is None]
    if not unknown or not (data or size):
        return layout
    found = _images(data) if data else {}
    sizes = {image: header_size(found[image]) if image in found else size for image in unknown}
    return dataclasses.replace(layout, sizes={**layout.sizes, **sizes})


def _images(folder: Path) -> dict[str, Path]:
    """The pictures in a folder and below it by their names without ending; what stands twice is one of them."""
    return {path.stem: path for path in sorted(folder.rglob("*")) if path.suffix.lower() in IMAGES and path.is_file()}
