"""A whole image, window by window, in bands: memory grows with a band of it, never with classes × height × width.

    for top, rows in probability_bands(predictor, source):       # (C, r, w) float32 tensors, from the top down
        ...                                                      # use them at once: the next band takes their memory

Windows are merged row by row of windows. What no later window covers is done, handed out and forgotten. On a GPU the
bands stay there; strips of the source are read one ahead, in a thread.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from lib.inference.predictor import Predictor
from lib.inference.windows import Axis
from lib.rasters.reader import Reader

BAND_BYTES = 512_000_000
"""What one band may take; a wider image is predicted in panels of columns."""

PIECE_BYTES = 64_000_000
"""What is handed out at a time; whoever takes it needs as much again."""


def probability_bands(
    predictor: Predictor, source: Reader, columns: tuple[int, int] | None = None, first_row: int = 0
) -> Iterator[tuple[int, torch.Tensor]]:
    """Class probabilities of an image at the working size, from the top: (top, (C, r, w) float32) on the device.

    `columns` [left, right) and `first_row` leave out what is not asked for; what comes is the same, bit for bit, as
    without them. A band is valid until the next one is asked for.
    """
    height, width = source.shape
    rows = Axis.of(height, predictor.window, predictor.overlap, predictor.blend)
    across = Axis.of(width, predictor.window, predictor.overlap, predictor.blend)
    left, right = columns or (0, width)
    wanted, chosen = rows.touching(first_row, height), across.touching(left, right)
    begin, end = across.firsts[chosen[0]], across.firsts[chosen[-1]] + across.side

    def strip(number: int) -> np.ndarray:
        top = rows.firsts[number]
        return source.read(top, top + rows.side, begin, end)

    total, above = None, rows.firsts[wanted[0]]
    for number, pixels in _ahead(strip, wanted):
        tiles = _upload(pixels, predictor)
        top = rows.firsts[number]
        if len(rows.firsts) == len(across.firsts) == 1:
            total = predictor(tiles)[0]
        else:
            total = _merged(predictor, tiles, total, top - above, rows, number, across, chosen)
        above = top
        bottom = rows.firsts[number + 1] if number + 1 < len(rows.firsts) else height
        done = total[:, : bottom - top, left - begin : right - begin]
        most = max(1, PIECE_BYTES // (4 * done.shape[0] * done.shape[2]))
        for row in range(max(0, first_row - top), bottom - top, most):
            yield top + row, done[:, row : row + most]


def panels(predictor: Predictor, shape: tuple[int, int], classes: int) -> list[tuple[int, int]]:
    """Columns [left, right) at the working size that an image is divided into, so that a band fits `BAND_BYTES`."""
    height, width = shape
    side = min(height, predictor.window)
    most = max(2 * predictor.window, BAND_BYTES // (4 * classes * side))
    count = -(-width // most)
    edges = [round(number * width / count) for number in range(count + 1)]
    return list(itertools.pairwise(edges))


@torch.inference_mode()
def _merged(
    predictor: Predictor,
    pixels: torch.Tensor,
    total: torch.Tensor | None,
    shift: int,
    rows: Axis,
    number: int,
    across: Axis,
    chosen: range,
) -> torch.Tensor:
    """`total` (C, side, w), moved up by `shift` rows, with a row of windows added."""
    begin, side = across.firsts[chosen[0]], across.side
    down = torch.from_numpy(rows.shares[number]).to(predictor.device)[:, None]
    if total is not None:
        _move_up(total, shift)
    rest = list(chosen)
    while rest:
        part, rest = rest[: predictor.batch], rest[predictor.batch :]  # a batch may be halved on the way
        places = [across.firsts[column] - begin for column in part]
        tiles = [pixels[..., place : place + side] for place in places]
        maps = predictor(tiles[0] if len(tiles) == 1 else torch.cat(tiles))
        if total is None:
            total = maps.new_zeros((maps.shape[1], rows.side, pixels.shape[-1]))
        for column, place, found in zip(part, places, maps, strict=True):
            blend = down * torch.from_numpy(across.shares[column]).to(predictor.device)
            total[:, :, place : place + side].addcmul_(found, blend)
        del maps, found  # before the next ones are made
    return total


def _move_up(total: torch.Tensor, shift: int) -> None:
    """Move rows of (C, h, w) up in place, and make the rest zero."""
    kept = total.shape[1] - shift
    for begin in range(0, kept, shift):
        end = min(begin + shift, kept)
        total[:, begin:end] = total[:, begin + shift : end + shift]
    total[:, max(0, kept) :] = 0


def _upload(pixels: np.ndarray, predictor: Predictor) -> torch.Tensor:
    """(h, w, B) as (1, B, h, w) on the models' device."""
    images = torch.from_numpy(np.ascontiguousarray(pixels))
    if predictor.on_gpu:
        images = images.pin_memory().to(predictor.device, non_blocking=True)
    return images.permute(2, 0, 1)[None]


def _ahead(read: Callable[[int], np.ndarray], numbers: range) -> Iterator[tuple[int, np.ndarray]]:
    """Each number with what `read` gives for it; the next is read while this one is worked on."""
    if len(numbers) == 1:
        yield numbers[0], read(numbers[0])
        return
    with ThreadPoolExecutor(1, "reader") as pool:
        coming = pool.submit(read, numbers[0])
        for number in numbers:
            pixels = coming.result()
            if number + 1 in numbers:
                coming = pool.submit(read, number + 1)
            yield number, pixels
