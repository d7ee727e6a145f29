"""The files below a folder, by what they may be: pictures, tables, lists.

files = listed(root)          # .pictures, .others: paths below root, with forward slashes, in the order of names
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lib.errors import UsageError

PICTURES = {".jpg", ".jpeg", ".png", ".tif", ".tiff", ".gtif", ".gtiff", ".bmp"}
OTHERS = {".csv", ".json", ".txt"}
MOST = 200_000
"""Files that are looked at."""


@dataclass(frozen=True)
class Files:
    """Paths below the root."""

    root: Path
    pictures: tuple[PurePosixPath, ...]
    others: tuple[PurePosixPath, ...]


def listed(root: Path) -> Files:
    """All pictures, tables and lists below `root`; hidden files and folders are left out.

    Raises `UsageError` when there is no such folder or no picture in it.
    """
    root = Path(root)
    if not root.is_dir():
        raise UsageError(f"the data folder {root} does not exist", "give it with --data DIR")
    pictures, others, seen = [], [], 0
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        below = PurePosixPath(Path(folder).relative_to(root).as_posix())
        for name in sorted(name for name in names if not name.startswith(".")):
            suffix = os.path.splitext(name)[1].lower()
            if suffix in PICTURES:
                pictures.append(below / name)
            elif suffix in OTHERS:
                others.append(below / name)
        seen += len(names)
        if seen > MOST:
            raise UsageError(
                f"{root} holds more than {MOST:,} files", "give the folder of one data set with --data DIR"
            )
    if not pictures:
        raise UsageError(
            f"{root} holds no picture ({', '.join(sorted(PICTURES))})", "give the folder of the images with --data DIR"
        )
    return Files(root, tuple(sorted(pictures)), tuple(sorted(others)))
