"""What the images are: sizes, bands, types, no-data, a camera's orientation, and whether masks lie on their grid.

seen = surveyed(pairs, root)     # .images {"bands": [1, 2, ...]}, .masks {"resample": "majority"}, .why, .notes
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from lib.errors import first
from lib.rasters.headers import Header, read_header
from lib.rasters.stored import glance

NO_DATA = (-9999, -32768, -99999, -999)
"""Values that stand for no data in images whose files do not say so."""


@dataclass(frozen=True)
class Survey:
    """What the headers of images and masks say."""

    images: dict[str, Any]
    masks: dict[str, Any]
    why: dict[str, str]
    """Of each key above, as in `images.bands`, what it rests on."""
    notes: tuple[str, ...]
    smallest: tuple[int, int]
    """Height and width of the smallest image and of the largest."""
    largest: tuple[int, int]
    summary: str


def surveyed(pairs: list[tuple[PurePosixPath, PurePosixPath]], root: Path) -> Survey:
    """Look at the headers of pairs, and at a few images' pixels."""
    headers = [(read_header(root / image), read_header(root / mask)) for image, mask in pairs]
    images = [image for image, _ in headers]
    table: dict[str, Any] = {}
    why: dict[str, str] = {}
    notes: list[str] = []
    bands, kinds = Counter(image.bands for image in images), Counter(image.dtype for image in images)
    count, dtype = bands.most_common(1)[0][0], kinds.most_common(1)[0][0]
    if len(bands) > 1 or len(kinds) > 1:
        notes.append(f"images differ: bands {dict(bands)}, types {dict(kinds)}; the most frequent are taken")
    model = count - any(image.alpha for image in images) if count > 1 else count
    if dtype != "uint8" or model not in (1, 3):
        table["bands"] = list(range(1, model + 1))
        why["images.bands"] = f"images have {count} bands of {dtype}; their order and names are in no file"
    _no_data(table, why, pairs, images, root, dtype)
    _orientation(table, why, notes, headers)
    masks = _grids(why, notes, headers, table.get("orientation") == "exif")
    sizes = sorted({image.shape for image in images}, key=lambda size: size[0] * size[1])
    places = sorted({image.crs.to_string() for image in images if image.crs})
    spread = f"{_size(sizes[0])}" + (f" to {_size(sizes[-1])}" if len(sizes) > 1 else "")
    summary = f"{spread}, {count} band(s) of {dtype}" + (f", {first(places, 3)}" if places else ", no georeference")
    return Survey(table, masks, why, tuple(notes), sizes[0], sizes[-1], summary)


def _no_data(
    table: dict[str, Any],
    why: dict[str, str],
    pairs: list[tuple[PurePosixPath, PurePosixPath]],
    images: list[Header],
    root: Path,
    dtype: str,
) -> None:
    """A value such as -9999 that stands in images whose files have no such tag."""
    tagged = [image for image in images if image.nodata is not None]
    if tagged or dtype.startswith("uint"):
        return
    seen: Counter = Counter()
    for (image, _), head in zip(pairs[:8], images, strict=False):
        stored = glance(root / image, head)
        for value in NO_DATA:
            share = float(np.mean(stored == value))
            if share > 1e-4:
                seen[value] += 1
    if seen:
        value, count = seen.most_common(1)[0]
        table["nodata"] = value
        why["images.nodata"] = f"{value} stands in {count} of {len(pairs[:8])} images looked at, and no tag says so"


def _orientation(
    table: dict[str, Any], why: dict[str, str], notes: list[str], headers: list[tuple[Header, Header]]
) -> None:
    turned = [(image, mask) for image, mask in headers if image.orientation != 1]
    fits = [mask.shape == image.upright != image.shape for image, mask in turned]
    if turned and all(fits):
        table["orientation"] = "exif"
        why["images.orientation"] = f"{len(turned)} images carry a camera's turn, and masks have the turned size"
    elif turned:
        notes.append(
            f"{len(turned)} images carry a camera's orientation tag; masks fit the pixels as stored"
            + (f", but for {sum(fits)}" if any(fits) else "")
        )


def _grids(why: dict[str, str], notes: list[str], headers: list[tuple[Header, Header]], exif: bool) -> dict[str, Any]:
    """`resample` where masks have another size than their images."""
    other = [(image, mask) for image, mask in headers if mask.shape != (image.upright if exif else image.shape)]
    if not other:
        return {}
    image, mask = other[0]
    finer = mask.size > image.size
    placed = all(one.placed and two.placed for one, two in other)
    sizes = (
        f"{len(other)} of {len(headers)} masks have another size than their image "
        f"({_size(mask.shape)} over {_size(image.shape)})"
    )
    if placed:
        why["masks.resample"] = f"{sizes}; georeferences tie them together"
    else:
        why["masks.resample"] = f"{sizes}; nothing ties them together but their corners"
        notes.append(f"{sizes}, and have no georeference: look whether they show the same ground")
    return {"resample": "majority" if finer else "nearest"}


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
