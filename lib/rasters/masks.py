"""Masks from disk to label maps and back: index or colour, PNG or TIFF, palettes read by what they mean.

labels = read_labels(path, competition)          # (H, W) uint8, 255 = ignored
write_labels(path, labels, competition)
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from lib import files
from lib.competitions import IGNORE, Competition
from lib.errors import DataError
from lib.rasters.coding import Coding, Count, colours, from_pixels, values
from lib.rasters.images import AGAIN, JPEG, decode, open_header, read_bytes
from lib.rasters.mask_tiff import TiffMask, a_colour_picture
from lib.rasters.opening import is_tiff

GREY = 64
"""By how much a grey JPEG's channels may differ."""


def read_labels(path: Path, competition: Competition, note: Count | None = None) -> np.ndarray:
    """A mask file as class indices: (H, W) uint8, 255 where the competition ignores the pixel or the file has no data.

    `note` is told how many pixels have a colour near a class's own. Raises `DataError` for an unreadable file, for a
    colour or value that no class has, and for a JPEG where nothing is said of values that are not exact.
    """
    coding = Coding.of(competition)
    colour = coding.kind == "colour"
    if is_tiff(path):
        with TiffMask(path, colour) as mask:
            pixels = mask.read(0, mask.shape[0], 0, mask.shape[1])
            return from_pixels(pixels, coding.without(mask.nodata), path, note)
    content = read_bytes(path)
    if content.startswith(JPEG) and not coding.stands_compression:
        raise a_jpeg(path, "save masks as PNG or TIFF, or set masks.threshold or, for colours, masks.tolerance")
    return from_pixels(decode_mask(content, colour, path), coding, path, note)


def read_prediction(path: Path, competition: Competition, note: Callable[[str], None] | None = None) -> np.ndarray:
    """A predicted mask as class indices: (H, W) uint8, 255 for no class.

    A colour picture is read by the competition's colours where its classes have some, any other by its values. Where
    there is one foreground class, masks of 0 and 255, or 0 and 1, are read as that; `note` is told so.
    """
    kind = "colour" if is_colour(path) and competition.classes[0].colour else "index"
    pixels = read_pixels(path, colour=True) if kind == "colour" else read_numbers(path)
    if kind == "index":
        pixels = _foreground(pixels, competition, path, note)
        if note:
            _told_of_the_files(pixels, competition, note)
    return from_pixels(pixels, Coding.of_prediction(competition, kind), source=path)


def is_colour(path: Path) -> bool:
    """Whether a mask file holds colours; a JPEG, which changes the values of a mask, is a `DataError`."""
    if is_tiff(path):
        with TiffMask(path, colour=False) as mask:
            return mask.colour
    with open_header(path, path) as header:
        if header.format == "JPEG":
            raise a_jpeg(path, "save masks as PNG or TIFF")
        return header.mode in ("RGB", "RGBA")


def a_jpeg(path: Path, hint: str) -> DataError:
    """What is said of a mask that is a JPEG."""
    return DataError(f"{path} is a JPEG, which changes the values of a mask", hint)


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
    """A mask file's stored pixels: (H, W, 3) uint8 RGB when `colour`, else (H, W), uint8 or uint16, of a TIFF any type.

    In a palette PNG the stored numbers are indices, and the palette their colours; in a 1-bit PNG they are 0 and 1.
    """
    if is_tiff(path):
        with TiffMask(path, colour) as mask:
            return mask.read(0, mask.shape[0], 0, mask.shape[1])
    return decode_mask(read_bytes(path), colour, path)


def read_numbers(path: Path) -> np.ndarray:
    """The numbers of a mask file, (H, W) uint8 or uint16, whatever type they are stored in.

    Raises `DataError` for numbers below 0, above 65535 or not whole.
    """
    pixels = read_pixels(path, colour=False)
    if pixels.dtype in (np.uint8, np.uint16):
        return pixels
    with np.errstate(invalid="ignore"):
        found = pixels.astype(np.uint16)
    if (found != pixels).any():
        raise DataError(
            f"{path} holds {pixels.dtype} values that are not whole numbers of 0 to 65535",
            "save masks as uint8 or uint16",
        )
    return found


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
        grey = pixels[..., :1].astype(np.int32)
        if np.abs(pixels[..., 1:3] - grey).max() > (GREY if content.startswith(JPEG) else 0):
            raise a_colour_picture(source)
        pixels = np.ascontiguousarray(pixels[..., 1])
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
