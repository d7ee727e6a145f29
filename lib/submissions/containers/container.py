"""Masks into the competition's file and back, whichever container it asks for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lib import files
from lib.competitions import Competition
from lib.errors import UsageError
from lib.rasters.mask_names import INDEX
from lib.submissions.containers import coco_file, pictures, table
from lib.submissions.containers.archive import open_archive
from lib.submissions.containers.coco_file import Results
from lib.submissions.containers.pictures import Album, Places, image_ids, nowhere
from lib.submissions.containers.table import Table
from lib.submissions.layout import Layout, Mask, Masks


def suffix(competition: Competition) -> str:
    """The file's ending: `.csv`, `.zip`, `.json`, or nothing for a folder."""
    return competition.submission.suffix


def write(masks: Masks, competition: Competition, layout: Layout, path: Path, places: Places = nowhere) -> None:
    """Write the competition's file, whole or not at all; `places` says where GeoTIFF masks lie.

    Raises `UsageError` for a name with another ending, `DataError` when a mask has not the size that the file needs.
    """
    form = competition.submission
    if path.suffix != form.suffix and not (form.folder and path.suffix not in (".csv", ".zip", ".json")):
        wanted = f"a {form.suffix} file" if form.suffix else "a folder"
        raise UsageError(f"{path}: {competition.name} takes {wanted}", "give --out that ending")
    if form.folder:
        pictures.write_folder(masks, competition, layout, path, places)
        return
    with files.replacing(path) as file:
        if form.zip:
            pictures.write_zip(masks, competition, layout, file, places)
        else:
            (table if form.csv else coco_file).write(masks, competition, layout, file)


def opened(path: Path, competition: Competition, layout: Layout) -> Table | Album | Results:
    """A file whose masks are read image by image: `with opened(…) as file: file.mask(image)`."""
    form = competition.submission
    return (Table if form.csv else Results if form.coco else Album)(path, competition, layout)


def is_file_of(folder: Path, competition: Competition) -> bool:
    """Whether a folder is to be read as the competition's file, in the file's own values, and not as masks, in the
    classes' values.

    It is where the competition takes a folder and files in it are called like its members, unless the kit marked it as
    its masks (predictions.json).
    """
    if not competition.submission.folder or (folder / INDEX).is_file():
        return False
    return bool(image_ids(competition, open_archive(folder).names))


def read(path: Path, competition: Competition, layout: Layout) -> Iterator[tuple[str, Mask]]:
    """Every image's id and mask of the competition's `kind`: labels (H, W) uint8 with 255 where the file gives no
    class, bits (H, W) uint32, or instances.

    Raises `DataError` for a file that does not decode to exactly the layout's images.
    """
    with opened(path, competition, layout) as file:
        file.must_fit()
        for image in layout.images:
            yield image, file.mask(image)


@contextmanager
def place_in(path: Path, competition: Competition, layout: Layout) -> Iterator[Places]:
    """Where the masks of a file lie on the Earth: that of GeoTIFF pictures, by the image's id."""
    if competition.submission.pictures is None:
        yield nowhere
        return
    with Album(path, competition, layout) as album:
        yield album.place


def digest(path: Path) -> str:
    """The SHA-256 of a file; of a folder, that of its files' names and their SHA-256."""
    if path.is_file():
        return files.sha256(path)
    lines = [f"{files.sha256(path / name)}  {name}\n" for name in open_archive(path).names]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def weight(path: Path) -> int:
    """The bytes of a file, or of all files of a folder."""
    found = [path] if path.is_file() else [path / name for name in open_archive(path).names]
    return sum(file.stat().st_size for file in found)
