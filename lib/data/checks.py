"""Opens every image and mask once before any training, so that a bad file costs seconds, not hours.

What is decoded for that goes into the cache, so the training does not decode it again.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

from lib.competitions import Competition, Pair
from lib.data.reading import Reading
from lib.errors import DataError
from lib.rasters import header_size, read_image, read_labels
from lib.rasters.reader import is_tiff

SHOWN = 5

LARGE = 200_000_000
"""Pixels from which on a TIFF is not read from end to end: its windows are checked as they are drawn."""


def check(pairs: list[Pair], reading: Reading, scales: tuple[float, ...]) -> int:
    """Compare the sizes of every image and its mask and decode both, into the cache where it has room.

    Returns how many images are in the cache. Raises one `DataError` that names the first few bad files, each with its
    reason.
    """

    def told(pair: Pair) -> bool | DataError:
        try:
            _sizes(pair, reading.competition)
            return _decode(pair, reading, scales)
        except DataError as error:
            return error

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        found = list(pool.map(told, {pair.image: pair for pair in pairs}.values()))
    mistakes = [each for each in found if isinstance(each, DataError)]
    if mistakes:
        reasons = "\n       ".join(mistake.reason for mistake in mistakes[:SHOWN])
        more = f"\n       and {len(mistakes) - SHOWN} more" if len(mistakes) > SHOWN else ""
        raise DataError(reasons + more, mistakes[0].hint)
    return sum(found)


def _sizes(pair: Pair, competition: Competition) -> None:
    if pair.mask is None or competition.masks.resample:
        return
    image, mask = header_size(pair.image, competition.images), header_size(pair.mask)
    if image != mask:
        raise DataError(
            f"{pair.image} is {_size(image)}, its mask {pair.mask.name} is {_size(mask)}",
            "a mask must have its image's size: bring the right file, or leave the pair out",
        )


def _decode(pair: Pair, reading: Reading, scales: tuple[float, ...]) -> bool:
    kept = [reading.keep(pair, scale) for scale in scales]
    if not all(kept):
        height, width = header_size(pair.image)
        if not (is_tiff(pair.image) and height * width > LARGE):
            read_image(pair.image, reading.competition.images, reading.radiometry)
            if pair.mask is not None and not reading.competition.masks.resample:
                read_labels(pair.mask, reading.competition)
    return all(kept)


def _size(size: tuple[int, int]) -> str:
    return f"{size[1]}x{size[0]} (width x height)"
