"""Images from disk. A file that is damaged or cut short is an error, not a grey strip."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from lib.errors import DataError

JPEG, PNG = b"\xff\xd8", b"\x89PNG\r\n\x1a\n"
"""The first bytes of such files."""

TO_RGB = {1: cv2.COLOR_GRAY2RGB, 3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGB}
CONVERT = "bring it to 8-bit RGB first, for example with gdal_translate -ot Byte -scale -b 1 -b 2 -b 3"
AGAIN = "download the file again, or leave it out of the data folder"


def read_image(path: Path) -> np.ndarray:
    """An image's pixels as stored: (H, W, 3) uint8 RGB, orientation tags not applied.

    Grey pictures become RGB, a PNG's transparency is dropped. Raises `DataError` for a file that is missing, damaged or
    cut short, and for pixels that are not 8-bit RGB: more bits or more bands would be lost without a word.
    """
    content = read_bytes(path)
    if content.startswith(JPEG):
        pixels = decode(content, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION, path)
        return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    pixels = decode(content, cv2.IMREAD_UNCHANGED, path)
    bands = 1 if pixels.ndim == 2 else pixels.shape[2]
    if pixels.dtype != np.uint8 or bands not in (TO_RGB if content.startswith(PNG) else (1, 3)):
        raise DataError(f"{path} has {bands} bands of {pixels.dtype}; images are 8-bit grey or RGB", CONVERT)
    return cv2.cvtColor(pixels, TO_RGB[bands])


def header_size(path: Path) -> tuple[int, int]:
    """Height and width as the file's header says; the pixels are not decoded."""
    with open_header(path, path) as image:
        return image.height, image.width


def open_header(file: Path | BinaryIO, source: Path | str) -> Image.Image:
    """A file opened by Pillow, its pixels not yet decoded; `DataError` that names `source` when it is no image."""
    Image.MAX_IMAGE_PIXELS = None  # aerial mosaics are larger than Pillow's guess of an attack
    try:
        return Image.open(file)
    except FileNotFoundError:
        raise DataError(f"{source} is missing") from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError):
        raise DataError(f"{source} is not a readable image", AGAIN) from None


def read_bytes(path: Path) -> bytes:
    """A file's content; `DataError` when it cannot be read."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None


def decode(content: bytes, flags: int, source: Path | str) -> np.ndarray:
    """Decode a file's content with OpenCV, refusing the partial pictures it gives for a truncated JPEG or PNG."""
    if _cut_short(content):
        raise DataError(f"{source} is cut short ({len(content):,} bytes)", AGAIN)
    try:
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), flags) if content else None
    except cv2.error as error:  # OpenCV decodes up to 2^30 pixels
        raise DataError(f"{source} cannot be decoded: {error.err or error}", AGAIN) from None
    if pixels is None:
        raise DataError(f"{source} is not a readable image", AGAIN)
    return pixels


def _cut_short(content: bytes) -> bool:
    """Whether a JPEG has no end marker or a PNG no final chunk.

    Inside a JPEG's coded data the byte FF is always followed by 00 or a restart marker, so FF D9 in the second half
    of the file is its end.
    """
    if content.startswith(JPEG):
        return content.rfind(b"\xff\xd9", len(content) // 2) < 0
    if content.startswith(PNG):
        return content.rfind(b"IEND", max(0, len(content) - 4096)) < 0
    return False
