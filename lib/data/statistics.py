"""The bands' statistics of a set, measured once: streamed over its images, kept by content, used wherever it is read.

    radiometry = measure(pairs, competition.images, recipe.data.radiometry, cache=folders.scratch / "statistics")

All labelled images count, held out or not: no label is looked at, and every fold has one rule.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lib import files
from lib.competitions import Pair
from lib.competitions.pixels import Images
from lib.errors import DataError, Failed
from lib.rasters.radiometry import IMAGENET, Radiometry
from lib.rasters.reader import open_image

PERCENTILES = (0.1, 99.9)
"""What becomes 0 and 1."""

BAND = 4_000_000
"""Values read at a time."""

LARGE = 100_000_000
"""Pixels from which on an image is measured on blocks of it, evenly spread."""

BLOCK, BLOCKS = 512, 12
"""Side of such blocks, and their number along each side."""

SAMPLE = 200_000
"""Values of an image and a band that percentiles of fractional numbers are taken from."""

VERSION = 1


@dataclass
class Moments:
    """Count, mean and sum of squared deviations of each band, which add up (Chan, Golub & LeVeque 1979)."""

    count: np.ndarray
    mean: np.ndarray
    squares: np.ndarray
    samples: list[np.ndarray] = field(default_factory=list)
    """(n, B) values, drawn evenly."""

    @classmethod
    def of(cls, values: np.ndarray, step: int) -> Moments:
        """Those of (n, B) values."""
        values = values.astype(np.float64)
        mean = values.mean(axis=0)
        squares = np.square(values - mean).sum(axis=0)
        return cls(np.full(values.shape[1], len(values)), mean, squares, [values[::step].astype(np.float32)])

    def __add__(self, other: Moments) -> Moments:
        count = self.count + other.count
        delta = other.mean - self.mean
        mean = self.mean + delta * other.count / count
        squares = self.squares + other.squares + np.square(delta) * self.count * other.count / count
        return Moments(count, mean, squares, self.samples + other.samples)


def measure(
    pairs: list[Pair],
    images: Images,
    how: str = "auto",
    cache: Path | None = None,
) -> Radiometry:
    """The rule of a set of images (`data.radiometry`); its images are read unless they are 8-bit RGB or were before.

    Raises `DataError` where bands are of several types, or no pixel has data.
    """
    paths = sorted({pair.image for pair in pairs})
    with open_image(paths[0], images) as first:
        dtype = np.dtype(first.dtype)
    if how == "imagenet" or (how == "auto" and dtype == np.uint8 and images.bands is None):
        if dtype != np.uint8 or images.channels != 3:
            raise DataError(
                f"{paths[0]} has {images.channels} bands of {dtype}, and ImageNet's statistics are those of 8-bit RGB",
                "--set data.radiometry=auto",
            )
        return IMAGENET
    known = cache / f"{_key(paths, images, how)}.json" if cache else None
    if known and known.is_file():
        try:
            return Radiometry.of(files.read_json(known))
        except (Failed, TypeError):
            known.unlink()
    with ThreadPoolExecutor() as pool:
        parts = list(pool.map(lambda path: _moments(path, images, dtype), paths))
    found = _rule([part for part in parts if part is not None], dtype, how, paths[0])
    if known:
        files.write_json(known, found.as_dict())
    return found


def _rule(parts: list[Moments], dtype: np.dtype, how: str, example: Path) -> Radiometry:
    if not parts:
        raise DataError(f"no pixel of {example} and the others has data", "check [images] nodata of the competition")
    whole = parts[0]
    for part in parts[1:]:
        whole = whole + part
    mean, std = whole.mean, np.sqrt(whole.squares / whole.count)
    if dtype == np.uint8:
        return Radiometry(_numbers(mean), _numbers(np.maximum(std, 1)))
    sample = np.concatenate(whole.samples)
    clip = how != "statistics"
    low, high = np.percentile(sample, PERCENTILES, axis=0) if clip else (mean - 3 * std, mean + 3 * std)
    high = np.where(high > low, high, low + 1)
    if clip:
        fed = np.clip((sample - low) / (high - low), 0, 1)
        mean, std = fed.mean(axis=0), fed.std(axis=0)
    else:
        mean, std = (mean - low) / (high - low), std / (high - low)
    return Radiometry(_numbers(mean), _numbers(np.maximum(std, 1e-3)), _numbers(low), _numbers(high), clip)


def _moments(path: Path, images: Images, dtype: np.dtype) -> Moments | None:
    """Those of an image's pixels that have data; None without any."""
    total = None
    with open_image(path, images) as image:
        if image.dtype != dtype:
            raise DataError(
                f"{path} holds {image.dtype} values, others of the set {dtype}: they cannot have one radiometry",
                "bring them to one type, for example with gdal_translate -ot",
            )
        height, width = image.shape
        step = max(1, min(height * width, BLOCKS * BLOCKS * BLOCK * BLOCK) // SAMPLE)
        for top, bottom, left, right in _windows(height, width, images.channels):
            raw, valid = image.raw(top, bottom, left, right), image.valid(top, bottom, left, right)
            values = raw.reshape(-1, raw.shape[-1]) if valid is None else raw[valid]
            if values.dtype.kind == "f":
                values = values[np.isfinite(values).all(axis=1)]
            if len(values):
                part = Moments.of(values, step)
                total = part if total is None else total + part
    return total


def _windows(height: int, width: int, channels: int) -> Iterator[tuple[int, int, int, int]]:
    """Bands of rows, or evenly spread blocks of an image that is too large to be read whole for this."""
    if height * width <= LARGE:
        rows = max(1, BAND // (width * channels))
        for top in range(0, height, rows):
            yield top, min(top + rows, height), 0, width
        return
    tops, lefts = (np.linspace(0, side - min(side, BLOCK), BLOCKS).astype(int) for side in (height, width))
    for top, left in itertools.product(tops.tolist(), lefts.tolist()):
        yield top, min(top + BLOCK, height), left, min(left + BLOCK, width)


def _numbers(values: np.ndarray) -> tuple[float, ...]:
    return tuple(float(f"{value:.7g}") for value in values)


def _key(paths: list[Path], images: Images, how: str) -> str:
    """What the statistics depend on: the files, as their size and time of change tell them, and how they are read."""
    states = [[str(path), files.state_of(path)] for path in paths]
    text = json.dumps([VERSION, states, images.model_dump(mode="json"), how])
    return hashlib.sha256(text.encode()).hexdigest()[:32]
