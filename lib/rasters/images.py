"""Images from disk. A file that is damaged or cut short is an error, not a grey strip."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from lib.errors import DataError

AGAIN = "download the file again, or leave it out of the data folder"


def read_image(path: Path) -> np.ndarray:
    """An image's pixels as stored: (H, W, 3) uint8 RGB, orientation tags not applied.

    Raises `DataError` for a file that is missing, of an unknown kind, damaged or cut short.
    """
    return cv2.cvtColor(decode(path, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION), cv2.COLOR_BGR2RGB)


def header_size(path: Path) -> tuple[int, int]:
    """Height and width as the file's header says; the pixels are not decoded."""
    with open_header(path) as image:
        return image.height, image.width


def open_header(path: Path) -> Image.Image:
    """The file opened by Pillow, its pixels not yet decoded; `DataError` when it is no image."""
    Image.MAX_IMAGE_PIXELS = None  # aerial mosaics are larger than Pillow's guess of an attack
    try:
        return Image.open(path)
    except FileNotFoundError:
        raise DataError(f"{path} is missing") from None
    except (UnidentifiedImageError, OSError):
        raise DataError(f"{path} is not a readable image", AGAIN) from None


def decode(path: Path, flags: int) -> np.ndarray:
    """Decode a file with OpenCV, refusing the partial pictures it gives for a truncated JPEG or PNG."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    if _cut_short(content):
        raise DataError(f"{path} is cut short ({len(content):,} bytes)", AGAIN)
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), flags) if content else None
    if pixels is None:
        raise DataError(f"{path} is not a readable image", AGAIN)
    return pixels


def _cut_short(content: bytes) -> bool:
    """Whether a JPEG has no end marker or a PNG no final chunk.

    Inside a JPEG's coded data the byte FF is always followed by 00 or a restart marker, so FF D9 in the second half
    of the file is its end.
    """
    if content.startswith(b"\xff\xd8"):
        return content.rfind(b"\xff\xd9", len(content) // 2) < 0
    if content.startswith(b"\x89PNG"):
        return content.rfind(b"IEND", max(0, len(content) - 4096)) < 0
    return False
