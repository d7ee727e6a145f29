"""What the tags of a TIFF say, of any bands and types and of BigTIFF, without opening its pixels.

tags = tiff_tags(path)             # {256: width, 257: height, 274: orientation, …}; None for what is no TIFF
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import TiffImagePlugin

from lib.rasters.opening import TIFF

WIDTH, LENGTH, ORIENTATION = 256, 257, 274


def tiff_tags(path: Path) -> Mapping[int, Any] | None:
    """The tags of a file's first directory by number (TIFF 6.0, section 2); None where there is no such directory."""
    with open(path, "rb") as file:
        head = file.read(8)
        if head[:4] not in TIFF:
            return None
        if 43 in (head[2], head[3]):  # BigTIFF, whose header is twice as long
            head += file.read(8)
        try:
            directory = TiffImagePlugin.ImageFileDirectory_v2(head)
            file.seek(directory.next)
            directory.load(file)
        except (SyntaxError, ValueError, struct.error, OSError):
            return None
    return directory
