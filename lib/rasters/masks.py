"""Masks from disk to label maps and back: index or colour PNGs, palette PNGs read by what they mean."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from lib import files
from lib.competitions import IGNORE, Competition
from lib.errors import DataError
from lib.rasters.coding import Coding, colours, from_pixels, values
from lib.rasters.images import AGAIN, decode, open_header, read_bytes


def read_labels(path: Path, competition: Competition) -> np.ndarray:
    """A mask file as class indices: (H, W) uint8, 255 where the competition ignores the pixel.

    Raises `DataError` for an unreadable file and for a colour or value that no class has.
    """
    coding = Coding.of(competition)
    return from_pixels(read_pixels(path, colour=coding.kind == "colour"), coding, source=path)


def read_prediction(path: Path, competition: Competition, note: Callable[[str], None] | None = None) -> np.ndarray:
    """A predicted mask as class indices: (H, W) uint8, 255 for no class.

    A colour picture is read by the competition's colours where its classes have some, any other by its values. Where
    there is one foreground class, masks of 0 and 255, or 0 and 1, are read as that; `note` is told so.
    """
    kind = "colour" if is_colour(path) and competition.classes[0].colour else "index"
    pixels = read_pixels(path, colour=kind == "colour")
    if kind == "index":
        pixels = _foreground(pixels, competition, path, note)
        if note:
            _told_of_the_files(pixels, competition, note)
    return from_pixels(pixels, Coding.of_prediction(competition, kind), source=path)


def is_colour(path: Path) -> bool:
    """Whether a mask file holds colours; a JPEG, which changes the values of a mask, is a `DataError`."""
    with open_header(path, path) as header:
        if header.format == "JPEG":
            raise DataError(f"{path} is a JPEG, which changes the values of a mask", "save masks as PNG or TIFF")
        return header.mode in ("RGB", "RGBA")


def _told_of_the_files(pixels: np.ndarray, competition: Competition, note: Callable[[str], None]) -> None:
    """Say so where a value of no class is a class in the competition's file, whose pictures these may be."""
    pictures = competition.submission.pictures
    sent = dict(zip((pictures and pictures.values) or (), competition.names, strict=False))
    for label in competition.ignore:
        if label.value in sent and (pixels == label.value).any():
            note(
                f"value {label.value} was read as {label.name!r}, which has no class; in the competition's own file it "
                f"is {sent[label.value]!r}: if these masks were unpacked from one, decode it instead"
            )


def _foreground(
    pixels: np.ndarray, competition: Competition, path: Path, note: Callable[[str], None] | None
) -> np.ndarray:
    """Pixels of 0 and 255 (or 1) in the values of a competition that has other ones."""
    most = int(pixels.max()) if pixels.size else 0
    if most not in (1, IGNORE) or most in competition.values or not set(np.unique(pixels)) <= {0, most}:
        return pixels  # sorting all pixels is slow, so only where 255 or 1 is the largest
    values = sorted(competition.values)
    if len(values) == 2 and values[0] == 0:
        if note:
            name = competition.names[competition.values.index(values[1])]
            note(f"masks of 0 and {most} were read as 0 and {values[1]}: {name} is the one foreground class")
        return np.where(pixels == most, values[1], 0).astype(pixels.dtype)
    if most == IGNORE and 0 in pixels:
        raise DataError(
            f"{path} holds only 0 and 255, as a mask of one foreground class does; here 255 would mean no class",
            f"write the classes' values: {', '.join(map(str, competition.values[:12]))}",
        )
    return pixels


def read_pixels(path: Path, colour: bool) -> np.ndarray:
    """A mask file's stored pixels: (H, W, 3) uint8 RGB when `colour`, else (H, W) uint8 or uint16.

    In a palette PNG the stored numbers are indices, and the palette their colours; in a 1-bit PNG they are 0 and 1.
    """
    return decode_mask(read_bytes(path), colour, path)


def decode_mask(content: bytes, colour: bool, source: Path | str) -> np.ndarray:
    """The pixels of a mask file's content, as `read_pixels` gives them; `source` is named in errors."""
    with open_header(io.BytesIO(content), source) as header:
        if header.mode in ("P", "1"):
            try:
                return np.array(header.convert("RGB") if colour else header, np.uint8)
            except (OSError, SyntaxError):
                raise DataError(f"{source} is damaged or cut short", AGAIN) from None
    if colour:
        return cv2.cvtColor(
            decode(content, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION, source), cv2.COLOR_BGR2RGB
        )
    pixels = decode(content, cv2.IMREAD_UNCHANGED, source)
    if pixels.ndim == 3:
        if not (pixels[..., :1] == pixels[..., 1:3]).all():
            raise DataError(
                f"{source} is a colour picture, and masks are coded by index", 'set masks.coding = "colour"'
            )
        pixels = np.ascontiguousarray(pixels[..., 0])
    if pixels.dtype not in (np.uint8, np.uint16):
        raise DataError(f"{source} holds {pixels.dtype} values; an index mask is uint8 or uint16")
    return pixels


def encode_png(pixels: np.ndarray) -> bytes:
    """PNG bytes of (H, W) uint8/uint16 or (H, W, 3) uint8 RGB pixels."""
    if pixels.ndim == 3:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    done, content = cv2.imencode(".png", pixels)
    if not done:
        raise DataError(f"a mask of shape {pixels.shape} and type {pixels.dtype} cannot be written as PNG")
    return content.tobytes()


def empty_mask(competition: Competition, size: tuple[int, int]) -> np.ndarray | list:
    """A mask of the competition's kind in which there is nothing; `size`: height and width."""
    if competition.kind == "instances":
        return []
    if competition.kind == "bits":
        return np.zeros(size, np.uint32)
    return np.full(size, competition.unclaimed, np.uint8)


def write_labels(path: Path, labels: np.ndarray, competition: Competition) -> None:
    """Write a label map (H, W) uint8 as an index PNG in the competition's values, whole or not at all."""
    files.write(path, encode_png(values(competition)[labels]))


def write_colours(path: Path, labels: np.ndarray, competition: Competition) -> None:
    """Write a label map (H, W) uint8 as a colour PNG in the competition's colours."""
    files.write(path, encode_png(colours(competition)[labels]))
