"""A competition's official division: text files that name images, or tiles of them, one a line.

    [data.lists]
    train = "train.txt"                 # M-33-20-D-c-4-2_0
    validation = "val.txt"              # M-33-20-D-c-4-2_11
    test = "test.txt"
    tile = 512

LandCover.ai's script cuts its 41 orthophotos into tiles of 512, counts those at the right and lower border too, and
drops them; its lists name the others by the image's name and the tile's number.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from lib.competitions import Competition, Pair, find_pairs
from lib.competitions.layout import Window, holds
from lib.data import tiles
from lib.errors import DataError

ShapeOf = Callable[[Pair], tuple[int, int]]
"""The height and width of a pair's whole image at its own size."""


@dataclass(frozen=True)
class Named:
    """What each list names, sorted by id; `unnamed` images or tiles are in none of them."""

    train: list[Pair]
    validation: list[Pair]
    test: list[str]
    unnamed: int


def read(pairs: list[Pair], competition: Competition, root: Path, shape_of: ShapeOf) -> Named:
    """Read the competition's lists under `root`; without a list for training, it is all that no list names.

    Raises `DataError` that names file and line for an entry that names nothing or is in two lists.
    """
    lists = competition.data.lists
    everything = {pair.id: pair for pair in pairs}
    if lists.tile:
        everything = {part.id: part for pair in pairs for part in numbered(pair, lists.tile, shape_of(pair))}
    spelled = _spellings(everything, root)
    others = competition.data.test
    elsewhere = {pair.id: pair for pair in find_pairs(others, root, masks=False)} if holds(others, root) else {}
    spelled_elsewhere = _spellings(elsewhere, root)

    places: dict[str, str] = {}
    found: dict[str, list[str]] = {"train": [], "validation": [], "test": []}
    for part, name in (("train", lists.train), ("validation", lists.validation), ("test", lists.test)):
        for number, entry in _entries(root, name, f"data.lists.{part}") if name else ():
            place = f"{name}, line {number}"
            identity = _meant(entry, spelled)
            if identity is None and part == "test":
                identity = _meant(entry, spelled_elsewhere)
            if identity is None:
                near = difflib.get_close_matches(entry, [*everything], n=1)
                thing = f"tile of {lists.tile} pixels" if lists.tile else "image"
                hint = f"did you mean {near[0]}?" if near else f"images are called {min(everything, default='?')}"
                raise DataError(f"{root / name}, line {number}: {entry!r} names no {thing}", hint)
            before = places.setdefault(identity, place)
            if before != place and before.partition(",")[0] != name:
                raise DataError(
                    f"{entry!r} is in two lists: {before}, and {place}", f"leave it in one of them ({root})"
                )
            found[part].append(identity)
    left = sorted(set(everything) - set(places))
    train = found["train"] if lists.train else left
    return Named(
        [everything[identity] for identity in sorted(set(train))],
        [everything[identity] for identity in sorted(set(found["validation"]))],
        sorted(set(found["test"])),
        len(left) if lists.train else 0,
    )


def numbered(pair: Pair, side: int, shape: tuple[int, int]) -> list[Pair]:
    """The complete tiles of a pair's image, `{id}_{k}`: k counts the grid's tiles row by row, incomplete ones too."""
    across = -(-shape[1] // side)
    return [
        replace(pair, id=f"{pair.id}_{row * across + column}", window=_tile(row, column, side))
        for row in range(shape[0] // side)
        for column in range(shape[1] // side)
    ]


def pair_named(name: str, pairs: dict[str, Pair], competition: Competition, shape_of: ShapeOf) -> Pair | None:
    """The image, or the part of one, that a name of a list, a page or a run's summary means; None if there is none.

    `pairs` are the images by id. A name is an id, `{id}_{k}` of a list of tiles, or a part's (lib/data/tiles.py).
    """
    if name in pairs:
        return pairs[name]
    lists = competition.data.lists
    if lists and lists.tile:
        identity, _, number = name.rpartition("_")
        if identity in pairs and number.isdecimal() and number.isascii():
            shape = shape_of(pairs[identity])
            row, column = divmod(int(number), -(-shape[1] // lists.tile))
            if row < shape[0] // lists.tile and column < shape[1] // lists.tile and str(int(number)) == number:
                return replace(pairs[identity], id=name, window=_tile(row, column, lists.tile))
    piece = tiles.parse(name)
    whole = pair_named(piece[0], pairs, competition, shape_of) if piece else None
    if whole is None:
        return None
    return replace(whole, id=name, window=piece[1]) if _inside(piece[1], shape_of(whole)) else None


def _tile(row: int, column: int, side: int) -> Window:
    return row * side, (row + 1) * side, column * side, (column + 1) * side


def _inside(window: Window, shape: tuple[int, int]) -> bool:
    return window[1] <= shape[0] and window[3] <= shape[1]


def _entries(root: Path, name: str, key: str) -> list[tuple[int, str]]:
    """The lines of a list that say something, with their numbers from 1."""
    path = root / name
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        raise DataError(
            f"{path} is missing: {key} of the competition names it",
            "bring the file, or divide the images otherwise: --set data.split=group",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as text: {error}") from None
    return [(number, line.strip()) for number, line in enumerate(lines, 1) if line.strip()]


def _spellings(everything: dict[str, Pair], root: Path) -> dict[str, str | None]:
    """How each may be written, by id, by file name, by path under the root; None for what several could be."""
    spelled: dict[str, str | None] = {}
    for identity, pair in everything.items():
        path = pair.image
        if pair.window or path is None:
            continue
        ways = {path.name, path.stem}
        if path.is_relative_to(root):
            ways |= {path.relative_to(root).as_posix(), path.relative_to(root).with_suffix("").as_posix()}
        for way in ways:
            spelled[way] = identity if spelled.get(way, identity) == identity else None
    return spelled | {identity: identity for identity in everything}


def _meant(entry: str, spelled: dict[str, str | None]) -> str | None:
    """The id that an entry means: as it stands, without its ending, without its folders."""
    name = entry.rpartition("/")[2]
    for way in (entry, entry.rpartition(".")[0], name, name.rpartition(".")[0]):
        if spelled.get(way) is not None:
            return spelled[way]
    return None
