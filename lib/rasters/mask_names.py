"""Which file of a folder is the mask of which image, by names alone.

files = mask_files(folder)                     # {"271": folder/271.png, …}
files = mask_files(folder, competition)        # 271_mask.png too, where the competition's own file calls it that
classes = class_folders(folder, competition)   # {3: [folder/tree]}: a folder for each class
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from lib.competitions import Competition
from lib.errors import DataError, UsageError

SUFFIXES = (".png", ".tif", ".tiff", ".jpg", ".jpeg")
"""What counts as a mask; a JPEG is found so that it can be refused."""

INDEX = "predictions.json"
"""Marks a folder whose masks the kit wrote, and may write again."""

LAYER = "~"
"""Stands between a class's folder and the number of a further layer, where instances of the class overlap."""


def mask_files(
    folder: Path, competition: Competition | None = None, suffixes: tuple[str, ...] = SUFFIXES
) -> dict[str, Path]:
    """The masks in a folder by image id, which is the file's name without its ending, sorted.

    With a competition whose file holds pictures, files that are called like its members are known by their id, and
    an image's further pictures are left aside. Raises `UsageError` when there are none, `DataError` when two files
    are masks of one image.
    """
    members = _members(competition) if competition else []
    paths = listed(folder, suffixes)
    main = members and any(members[0].fullmatch(path.stem) for path in paths)
    found: dict[str, Path] = {}
    for path in paths:
        match = members[0].fullmatch(path.stem) if main else None
        if main and not match and any(member.fullmatch(path.stem) for member in members[1:]):
            continue
        image = match["id"] if match else path.stem
        if image in found:
            raise DataError(f"{found[image]} and {path} are both masks of {image}", "keep one of them")
        found[image] = path
    if not found:
        what = "holds no masks" if folder.is_dir() else "is no folder"
        raise UsageError(f"{folder} {what}", "index PNGs named ID.png, as `python submit.py predict` writes them")
    return found


def listed(folder: Path, suffixes: tuple[str, ...] = SUFFIXES) -> list[Path]:
    """The files directly in a folder that have one of the endings, sorted; hidden ones are none."""
    return [
        path
        for path in (sorted(folder.iterdir()) if folder.is_dir() else [])
        if path.suffix.lower() in suffixes and not path.name.startswith(".") and path.is_file()
    ]


def class_folders(folder: Path, competition: Competition) -> dict[int, list[Path]]:
    """The folders of classes below a folder, with further layers behind the first; empty when there are none."""
    there = {path.name: path for path in folder.iterdir() if path.is_dir()} if folder.is_dir() else {}
    found = {}
    for index, name in enumerate(map(folder_name, competition.names)):
        names = [name, *(f"{name}{LAYER}{layer}" for layer in range(2, 100))] if name in there else []
        if names:
            found[index] = [there[each] for each in names if each in there]
    return found


def folder_name(name: str) -> str:
    """A class's name as a folder: `Road/Highway` becomes `Road_Highway`."""
    return re.sub(r'[\\/:*?"<>|~\x00-\x1f]', "_", name).strip(" .") or "_"


def confidences_of(image: str) -> str:
    """The name of an image's JSON list of how sure each of its instances is, in the order that they are read in."""
    return f"confidences/{image}.json"


def file_of(image: str, files: Mapping[str, Path]) -> Path | None:
    """An image's file; numbers are the same with and without leading zeros."""
    if image in files or not image.isdecimal():
        return files.get(image)
    return next((path for name, path in files.items() if name.isdecimal() and int(name) == int(image)), None)


def _members(competition: Competition) -> list[re.Pattern]:
    """The names of an image's pictures in the competition's file, without ending, as patterns with a group `id`."""
    pictures = competition.submission.pictures
    templates = [member.member for member in (pictures, *pictures.also)] if pictures else []
    return [
        re.compile(re.escape(PurePosixPath(template).stem).replace(r"\{id\}", "(?P<id>.+)", 1))
        for template in templates
    ]
