"""Opens every image and mask once before any training, so that a bad file costs seconds, not hours."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

from lib.competitions import Competition, Pair
from lib.errors import DataError
from lib.rasters import header_size, read_image, read_labels

SHOWN = 5


def check(pairs: list[Pair], competition: Competition) -> None:
    """Decode every pair and compare sizes.

    Raises one `DataError` that names the first few bad files, each with its reason.
    """
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        mistakes = [mistake for mistake in pool.map(lambda pair: _mistake(pair, competition), pairs) if mistake]
    if mistakes:
        reasons = "\n       ".join(mistake.reason for mistake in mistakes[:SHOWN])
        more = f"\n       and {len(mistakes) - SHOWN} more" if len(mistakes) > SHOWN else ""
        raise DataError(reasons + more, mistakes[0].hint)


def _mistake(pair: Pair, competition: Competition) -> DataError | None:
    try:
        if pair.mask is not None:
            image, mask = header_size(pair.image), header_size(pair.mask)
            if image != mask:
                return DataError(
                    f"{pair.image} is {_size(image)}, its mask {pair.mask.name} is {_size(mask)}",
                    "a mask must have its image's size: bring the right file, or leave the pair out",
                )
            read_labels(pair.mask, competition)
        read_image(pair.image)
    except DataError as error:
        return error
    return None


def _size(size: tuple[int, int]) -> str:
    return f"{size[1]}x{size[0]} (width x height)"
