"""The size of any picture from its header alone.

header_size(path)                          # (height, width) as stored
header_size(path, competition.images)      # as `open_image` gives it: upright where that is asked for
"""

from __future__ import annotations

from pathlib import Path

from lib.competitions.pixels import Images
from lib.errors import DataError
from lib.rasters.bands import PLAIN
from lib.rasters.images import open_header
from lib.rasters.opening import is_tiff, opened, told
from lib.rasters.orientation import exif_orientation, turned_shape


def header_size(path: Path, images: Images = PLAIN) -> tuple[int, int]:
    """Height and width as the file's header says; the pixels are not decoded. `DataError` for what is no picture."""
    try:
        with open_header(path, path) as image:
            size = image.height, image.width
    except DataError:
        if not is_tiff(path):
            raise
        with told(path), opened(path) as file:  # Pillow knows few types of TIFF
            size = file.height, file.width
    return turned_shape(size, exif_orientation(path)) if images.orientation == "exif" else size
