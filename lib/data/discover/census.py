"""The values or colours of a data set's masks, counted over a sample of them that is the same every time.

census = counted(paths)       # .shares {0x3C1098: 0.119, ...}, the largest first; .coding "colour"
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from lib.rasters.headers import Header, read_header
from lib.rasters.packing import packed
from lib.rasters.stored import glance, in_colours

SAMPLED = 200
"""Masks, and images, that are looked at."""

BORDER = 2
"""Pixels that count as a picture's border."""

DIFFERENT = 4096
"""Values kept of one mask, the most frequent; one with more has soft borders, or is a JPEG."""


def sampled(items: Sequence[Any], most: int = SAMPLED) -> list[Any]:
    """At most `most` of the items, spread evenly over their order."""
    if len(items) <= most:
        return list(items)
    return [items[round(place)] for place in np.linspace(0, len(items) - 1, most)]


@dataclass
class Census:
    """What stands in masks."""

    coding: Literal["index", "colour"]
    headers: list[Header] = field(default_factory=list)
    pixels: Counter = field(default_factory=Counter)
    """Of each value, or colour 0xRRGGBB: its pixels."""
    border: Counter = field(default_factory=Counter)
    """Of each: its pixels within two of a mask's border."""
    files: Counter = field(default_factory=Counter)
    """Of each: the masks that have it."""
    palette: dict[int, int] = field(default_factory=dict)
    """Of each value the colour 0xRRGGBB that palettes give it."""

    @property
    def shares(self) -> dict[int, float]:
        """Of each value the share of all pixels, the largest first."""
        total = sum(self.pixels.values()) or 1
        return {value: count / total for value, count in self.pixels.most_common()}

    def at_border(self, value: int) -> float:
        """The share of a value's pixels that lie at a border."""
        return self.border[value] / self.pixels[value]

    def merged(self, table: dict[int, int]) -> Census:
        """The same with each value replaced as `table` says."""
        new = Census(self.coding, self.headers, palette=self.palette)
        for counter, into in ((self.pixels, new.pixels), (self.border, new.border), (self.files, new.files)):
            for value, count in counter.items():
                into[table[value]] += count
        return new


def counted(paths: Iterable[Path]) -> Census:
    """Count the masks at `paths`; by colour where bands differ in any, or palettes from one to another."""
    paths = list(paths)
    headers = [read_header(path) for path in paths]
    colour = any(_differ(glance(path, head)) for path, head in _of(paths, headers, lambda head: head.bands >= 3))
    palette = None if colour else _palette(_of(paths, headers, lambda head: head.palette is not None))
    colour = colour or palette is None
    census = Census("colour" if colour else "index", headers, palette=palette or {})
    for path, head in zip(paths, headers, strict=True):
        pixels = glance(path, head)
        values, counts, edges = runs(packed(in_colours(pixels, head)) if colour else pixels[..., 0])
        for place in np.argsort(counts)[: -DIFFERENT - 1 : -1]:
            key = int(values[place])
            census.pixels[key] += int(counts[place])
            census.border[key] += int(edges[place])
            census.files[key] += 1
    return census


def runs(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which values stand in a picture (H, W), how many pixels each has, and how many of those lie at its border.

    Three arrays (N,), the values in order. Labels lie in runs, and counting runs is faster than sorting pixels.
    """
    found, counts = _counted(values)
    inner, inside = _counted(values[BORDER:-BORDER, BORDER:-BORDER])
    edges = counts.copy()
    edges[np.searchsorted(found, inner)] -= inside
    return found, counts, edges


def _counted(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    flat = values.ravel()
    if flat.dtype.kind == "f":
        flat = flat[np.isfinite(flat)]
    if not flat.size:
        return flat, np.zeros(0, np.int64)
    starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1])
    lengths = np.diff(np.append(starts, flat.size))
    found, places = np.unique(flat[starts], return_inverse=True)
    return found, np.bincount(places, weights=lengths).astype(np.int64)


def _of(
    paths: list[Path], headers: list[Header], fits: Callable[[Header], bool], most: int = 12
) -> list[tuple[Path, Header]]:
    """A few of the pictures whose headers fit."""
    return sampled([(path, head) for path, head in zip(paths, headers, strict=True) if fits(head)], most)


def _palette(pictures: list[tuple[Path, Header]]) -> dict[int, int] | None:
    """The colour of each number in these pictures' palettes; None where two disagree."""
    table: dict[int, int] = {}
    for path, head in pictures:
        for number in np.unique(glance(path, head)).tolist():
            shown = head.palette[number] if number < len(head.palette) else 0
            if table.setdefault(number, shown) != shown:
                return None
    return table


def _differ(picture: np.ndarray) -> bool:
    return bool((picture[..., :1] != picture[..., 1:3]).any())
