"""Picture files: bytes, headers, pixels. One that is damaged or cut short is an error, not a grey strip."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from lib.errors import DataError

JPEG, PNG = b"\xff\xd8", b"\x89PNG\r\n\x1a\n"
"""The first bytes of such files."""

AGAIN = "download the file again, or leave it out of the data folder"


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
