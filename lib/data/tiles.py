"""Tiles of an image: any size, any overlap, nothing lost at the borders; and the names that lists and pages give them.

    grid((9000, 9500), side=512, overlap=0.25)          # [(0, 512, 0, 512), …]: top, bottom, left, right
    name("M-33-20", (0, 512, 1024, 1536))               # "M-33-20@r0-512c1024-1536"
    parse("M-33-20@r0-512c1024-1536")                   # ("M-33-20", (0, 512, 1024, 1536))

A name counts rows and columns in the image's own pixels, so that it means the same place at any scale and under any
split. It holds no space, comma or slash: it is a file's name and a list's line as it stands.
"""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import replace

from lib.competitions import Pair
from lib.competitions.layout import Window

NAME = re.compile(r"(?P<id>.+)@r(\d+)-(\d+)c(\d+)-(\d+)", re.DOTALL)


def begins(length: int, side: int, overlap: float = 0.0) -> list[int]:
    """First pixels of tiles of `side` that cover `length`, evenly spread, from 0.

    Neighbours share at least `overlap` (0 ≤ overlap < 1) of a side; the last tile ends where the length does. One tile,
    at 0, where the length is no longer than a side.
    """
    if length <= side:
        return [0]
    step = max(1, int(side * (1 - overlap)))
    count = math.ceil((length - side) / step) + 1
    return [place * (length - side) // (count - 1) for place in range(count)]


def grid(shape: tuple[int, int], side: int, overlap: float = 0.0, within: Window | None = None) -> list[Window]:
    """The tiles of an image of `shape` (H, W), row by row: every pixel is in one, and every one is in the image.

    A tile has `side` pixels, or as many as the image where that is smaller. `within`: tiles of this part of it only.
    """
    return _product(_tiles, shape, side, overlap, within)


def cores(shape: tuple[int, int], side: int, overlap: float = 0.0, within: Window | None = None) -> list[Window]:
    """Each tile's own part, in the order of `grid`: overlaps are divided in their middle, so every pixel is in one."""
    return _product(_cores, shape, side, overlap, within)


def name(identity: str, window: Window) -> str:
    """The name of a part of the image with this id."""
    top, bottom, left, right = window
    return f"{identity}@r{top}-{bottom}c{left}-{right}"


def parse(text: str) -> tuple[str, Window] | None:
    """The image's id and the part, from a name; None when it names no part."""
    found = NAME.fullmatch(text)
    if found is None:
        return None
    top, bottom, left, right = (int(number) for number in found.groups()[1:])
    return (found["id"], (top, bottom, left, right)) if top < bottom and left < right else None


def part(pair: Pair, window: Window) -> Pair:
    """The part of a pair's image, as a pair with the part's name and the same group."""
    return replace(pair, id=name(pair.id, window), window=window)


def image_of(pair: Pair) -> str:
    """The id of the image that a pair, whole or a part by `part`, belongs to."""
    found = parse(pair.id) if pair.window else None
    return found[0] if found and found[1] == pair.window else pair.id


def around(place: tuple[int, int], side: int, shape: tuple[int, int]) -> Window:
    """The window of a side around a pixel, moved to lie inside of an image; all of an axis that is shorter."""
    top, left = (max(0, min(at - side // 2, whole - side)) for at, whole in zip(place, shape, strict=True))
    return top, min(shape[0], top + side), left, min(shape[1], left + side)


def area(window: Window) -> int:
    """Pixels of a window."""
    top, bottom, left, right = window
    return (bottom - top) * (right - left)


def _product(along, shape: tuple[int, int], side: int, overlap: float, within: Window | None) -> list[Window]:
    top, bottom, left, right = within or (0, shape[0], 0, shape[1])
    rows, columns = along(bottom - top, side, overlap), along(right - left, side, overlap)
    return [
        (top + first, top + last, left + begin, left + end)
        for (first, last), (begin, end) in itertools.product(rows, columns)
    ]


def _tiles(length: int, side: int, overlap: float) -> list[tuple[int, int]]:
    return [(begin, min(begin + side, length)) for begin in begins(length, side, overlap)]


def _cores(length: int, side: int, overlap: float) -> list[tuple[int, int]]:
    firsts = begins(length, side, overlap)
    cuts = [(one + side + other) // 2 for one, other in itertools.pairwise(firsts)]
    return list(itertools.pairwise([0, *cuts, length]))
