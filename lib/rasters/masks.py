"""Masks from disk to label maps and back: index or colour PNGs, palette PNGs read by what they mean."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from lib import files
from lib.competitions import Competition
from lib.errors import DataError, UsageError
from lib.rasters.coding import Coding, colours, from_pixels, values
from lib.rasters.images import AGAIN, decode, open_header


def read_labels(path: Path, competition: Competition) -> np.ndarray:
    """A mask file as class indices: (H, W) uint8, 255 where the competition ignores the pixel.

    Raises `DataError` for an unreadable file and for a colour or value that no class has.
    """
    coding = Coding.of(competition)
    return from_pixels(read_pixels(path, colour=coding.kind == "colour"), coding, source=path)


def read_prediction(path: Path, competition: Competition) -> np.ndarray:
    """A predicted mask as class indices: (H, W) uint8, 255 for no class.

    A colour picture is read by the competition's colours, any other by its values.
    """
    with open_header(path) as header:
        kind = "colour" if header.mode in ("RGB", "RGBA") else "index"
    pixels = read_pixels(path, colour=kind == "colour")
    return from_pixels(pixels, Coding.of_prediction(competition, kind), source=path)


def masks_in(folder: Path, competition: Competition) -> Callable[[str], np.ndarray]:
    """The predicted masks of a folder, `ID.png` each, as a function of the image's id."""
    return lambda image: read_prediction(folder / f"{image}.png", competition)


def images_in(folder: Path) -> list[str]:
    """Ids of the masks in a folder, sorted; `UsageError` when it holds none."""
    found = sorted(path.stem for path in folder.glob("*.png")) if folder.is_dir() else []
    if not found:
        raise UsageError(
            f"{folder} holds no masks", "index PNGs named ID.png, as `python submit.py predict` writes them"
        )
    return found


def read_pixels(path: Path, colour: bool) -> np.ndarray:
    """A mask's stored pixels: (H, W, 3) uint8 RGB when `colour`, else (H, W) uint8 or uint16.

    In a palette PNG the stored numbers are indices, and the palette their colours.
    """
    with open_header(path) as header:
        if header.mode in ("P", "1"):
            try:
                return np.array(header.convert("RGB") if colour else header, np.uint8)
            except (OSError, SyntaxError):
                raise DataError(f"{path} is damaged or cut short", AGAIN) from None
    if colour:
        return cv2.cvtColor(decode(path, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    pixels = decode(path, cv2.IMREAD_UNCHANGED)
    if pixels.ndim == 3:
        if not (pixels[..., :1] == pixels[..., 1:3]).all():
            raise DataError(f"{path} is a colour picture, and masks are coded by index", 'set masks.coding = "colour"')
        pixels = np.ascontiguousarray(pixels[..., 0])
    if pixels.dtype not in (np.uint8, np.uint16):
        raise DataError(f"{path} holds {pixels.dtype} values; an index mask is uint8 or uint16")
    return pixels


def encode_png(pixels: np.ndarray) -> bytes:
    """PNG bytes of (H, W) uint8/uint16 or (H, W, 3) uint8 RGB pixels."""
    if pixels.ndim == 3:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    done, content = cv2.imencode(".png", pixels)
    if not done:
        raise DataError(f"a mask of shape {pixels.shape} and type {pixels.dtype} cannot be written as PNG")
    return content.tobytes()


def write_labels(path: Path, labels: np.ndarray, competition: Competition) -> None:
    """Write a label map (H, W) uint8 as an index PNG in the competition's values, whole or not at all."""
    files.write(path, encode_png(values(competition)[labels]))


def write_colours(path: Path, labels: np.ndarray, competition: Competition) -> None:
    """Write a label map (H, W) uint8 as a colour PNG in the competition's colours."""
    files.write(path, encode_png(colours(competition)[labels]))
