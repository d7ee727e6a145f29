"""Which bands of a file the model sees, from what the file has and what the competition's file says.

found = Found(count=8, dtype=np.dtype("int16"), alpha=None)
chosen_bands(found, images, path)        # (2, 3, 4), counted from 1
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lib.competitions.pixels import Images
from lib.errors import DataError
from lib.rasters.radiometry import Radiometry

PLAIN = Images()
"""Images of a competition that says nothing of them."""

GREY, RGB = (1, 1, 1), (1, 2, 3)


@dataclass(frozen=True)
class Found:
    """What a file has: all its bands, of one dtype, and which of them (from 1) is transparency."""

    count: int
    dtype: np.dtype
    alpha: int | None = None

    def __str__(self) -> str:
        return f"{self.count} band{'s' if self.count > 1 else ''} of {self.dtype}"


def chosen_bands(found: Found, images: Images, path: Path) -> tuple[int, ...]:
    """The bands, from 1, in the order in which the model sees them.

    `DataError` where the file lacks one of them, and where the competition's file must say which: for anything but
    8-bit grey, RGB or more bands, of which the first three are red, green and blue.
    """
    if found.dtype.kind not in "uif":
        raise DataError(f"{path} has {found}; pixels are whole or real numbers")
    if images.bands is not None:
        lacking = [band for band in images.bands if band > found.count]
        if lacking:
            raise DataError(
                f"{path} has {found}, and images.bands asks for band {lacking[0]}",
                f"choose among 1 to {found.count} in [images] bands of the competition's file, counted from 1",
            )
        return images.bands
    colours = found.count - (found.alpha is not None)
    if found.dtype != np.uint8 or colours == 2:
        raise DataError(
            f"{path} has {found}; without images.bands an image is 8-bit grey or RGB",
            f"say which bands the model sees, in the competition's file: [images] bands = {_all(found)}",
        )
    return GREY if colours == 1 else RGB


def must_fit(radiometry: Radiometry, bands: int, dtype: np.dtype, path: Path) -> None:
    """Raise `DataError` where a set's radiometry is not one for such a file."""
    if radiometry.channels != bands:
        raise DataError(
            f"{path} gives {bands} bands, and the set's radiometry (data.radiometry) is for {radiometry.channels}",
            "all images of a set have the bands that [images] bands names",
        )
    if radiometry.low is None and dtype != np.uint8:
        raise DataError(
            f"{path} has {dtype} values, and the set's radiometry (data.radiometry) feeds 8-bit values as they are",
            'let values be stretched: data.radiometry = "statistics" or "percentiles"',
        )
    if radiometry.low is not None and dtype == np.uint8 and (max(radiometry.high) > 255 or min(radiometry.low) < 0):
        raise DataError(
            f"{path} has 8-bit values, and the set's radiometry (data.radiometry) stretches values from "
            f"{min(radiometry.low):g} to {max(radiometry.high):g}",
            "all images of a set have one type: convert this one, or leave it out",
        )


def _all(found: Found) -> str:
    bands = [str(band) for band in range(1, found.count + 1) if band != found.alpha]
    return f"[{', '.join([*bands[:3], '…', bands[-1]] if len(bands) > 13 else bands)}]"
