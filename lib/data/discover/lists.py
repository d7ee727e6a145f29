"""Text files that divide the images: train.txt, val.txt, test.txt, with an image's or a tile's id a line.

lists, why = official(files, sizes)       # {"train": "train.txt", "validation": "val.txt", "tile": 512}
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import PurePosixPath
from typing import Any

from lib.data.discover.listing import PICTURES, Files
from lib.data.discover.words import DIVISIONS, parts

TILES = (2048, 1536, 1024, 768, 512, 400, 384, 320, 256, 224, 128, 64)
"""Sides of tiles, the largest first."""

KNOWN = 0.9
"""The share of a list's lines that must name images."""


def official(files: Files, ids: set[str], sizes: Callable[[str], tuple[int, int]]) -> tuple[dict[str, Any], str] | None:
    """The table [data.lists] and what it rests on; None without lists. `sizes(id)`: an image's height and width."""
    found, paths = {}, {}
    for path in files.others:
        name = _division(path)
        if name and name not in found and (lines := _lines(files, path)):
            found[name], paths[name] = lines, str(path)
    if "validation" not in found:
        return None
    named = [line for lines in found.values() for line in lines]
    counts = ", ".join(f"{paths[name]} {len(lines)}" for name, lines in found.items())
    if sum(line in ids for line in named) >= KNOWN * len(named):
        return paths, f"lines name images: {counts}"
    tiles = [(match[1], int(match[2])) for line in named if (match := re.fullmatch(r"(.+)_(\d+)", line))]
    tiles = [(name, k) for name, k in tiles if name in ids]
    if len(tiles) < KNOWN * len(named):
        return None
    side = _side(tiles, sizes)
    if side is None:
        return None
    return {
        **paths,
        "tile": side,
    }, f"lines name tiles `image_number`, which {side} is the largest side to fit: {counts}"


def _division(path: PurePosixPath) -> str | None:
    words = set(parts(path.stem))
    return next((name for name, known in DIVISIONS.items() if path.suffix.lower() == ".txt" and words & known), None)


def _lines(files: Files, path: PurePosixPath) -> list[str]:
    """Ids without endings."""
    text = (files.root / path).read_text(encoding="utf-8", errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return [line[: -len(end)] if (end := PurePosixPath(line).suffix).lower() in PICTURES else line for line in lines]


def _side(tiles: Iterable[tuple[str, int]], sizes: Callable[[str], tuple[int, int]]) -> int | None:
    """The largest side under which every number is that of a whole tile, counted row by row with incomplete ones."""
    tiles = list(tiles)
    for side in TILES:
        for name, k in tiles:
            height, width = sizes(name)
            row, column = divmod(k, -(-width // side))
            if (row + 1) * side > height or (column + 1) * side > width:
                break
        else:
            return side
    return None
