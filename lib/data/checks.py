"""Opens every image and mask once before any training, so that a bad file costs seconds, not hours.

What is decoded for that goes into the cache, so the training does not decode it again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from lib.competitions import Competition, Pair
from lib.data.reading import Reading
from lib.errors import DataError
from lib.rasters import header_size, read_image, read_labels
from lib.rasters.reader import is_tiff

SHOWN = 5

LARGE = 200_000_000
"""Pixels from which on a TIFF is not read from end to end: its windows are checked as they are drawn."""

Track = Callable[[Iterable], Iterable]


def sizes(pairs: list[Pair], competition: Competition) -> None:
    """Compare the sizes of every image and mask, from their headers.

    Raises one `DataError` that names the first few that differ.
    """
    _all(pairs, lambda pair: _sizes(pair, competition), iter)


def check(pairs: list[Pair], reading: Reading, scales: tuple[float, ...], track: Track = iter) -> int:
    """Decode every pair, into the cache where it has room; returns how many are in it.

    Raises one `DataError` that names the first few bad files, each with its reason.
    """
    images = {pair.image: pair for pair in pairs}
    kept = _all(list(images.values()), lambda pair: _decode(pair, reading, scales), track)
    return sum(kept)


def _all(pairs: list[Pair], look: Callable[[Pair], bool], track: Track) -> list[bool]:
    def told(pair: Pair) -> bool | DataError:
        try:
            return look(pair)
        except DataError as error:
            return error

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        found = list(track(pool.map(told, pairs)))
    mistakes = [each for each in found if isinstance(each, DataError)]
    if mistakes:
        reasons = "\n       ".join(mistake.reason for mistake in mistakes[:SHOWN])
        more = f"\n       and {len(mistakes) - SHOWN} more" if len(mistakes) > SHOWN else ""
        raise DataError(reasons + more, mistakes[0].hint)
    return found


def _sizes(pair: Pair, competition: Competition) -> bool:
    if pair.mask is None or competition.masks.resample:
        return True
    image, mask = header_size(pair.image), header_size(pair.mask)
    if image not in (mask, mask[::-1]) or (image != mask and competition.images.orientation == "stored"):
        raise DataError(
            f"{pair.image} is {_size(image)}, its mask {pair.mask.name} is {_size(mask)}",
            "a mask must have its image's size: bring the right file, or leave the pair out",
        )
    return True


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
