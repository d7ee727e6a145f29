"""Large images divided by spatial blocks: some held out, the rest trained on, with a margin between them.

    training, held_out, how = hold_out(pairs, recipe, root, shape_of)
    training[0].id, training[0].window                  # "april@r0-3512c0-30000", (0, 3512, 0, 30000)

Neighbouring pixels of one image are alike, so a random choice of tiles would test on what was trained on.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np

from lib.competitions import Pair
from lib.competitions.layout import Window
from lib.data import portions, tiles
from lib.errors import DataError
from lib.recipe import Recipe

Edges = tuple[list[int], list[int]]
"""Where blocks begin and end: rows, columns."""

REACH = 16
"""Windows for training are looked for among so many blocks by so many at a time: a search that stays short."""


def several(shape: tuple[int, int], recipe: Recipe) -> bool:
    """Whether an image of this shape makes more than one block."""
    rows, columns = block_edges(shape, _side(shape, recipe))
    return len(rows) > 2 or len(columns) > 2


def hold_out(
    pairs: list[Pair], recipe: Recipe, root: Path, shape_of: Callable[[Pair], tuple[int, int]]
) -> tuple[list[Pair], list[Pair], str]:
    """Windows to train on, blocks that are held out, each sorted by id, and a sentence about them.

    Which blocks follows from the seed and the mask's path under `root`: images with one mask, such as April's and
    August's, have the same blocks held out. Raises `DataError` where there is too little to divide.
    """
    data = recipe.data
    shapes = {pair.id: shape_of(pair) for pair in pairs}
    places: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        places[_place(pair, root)].append(pair)
    edges: dict[str, Edges] = {}
    weights: dict[str, float] = {}
    for place, images in places.items():
        like = min(shapes[pair.id] for pair in images)
        for pair in images:
            edges[pair.id] = block_edges(shapes[pair.id], _side(like, recipe), like)
        for block in _blocks(edges[images[0].id]):
            weights[_unit(place, block)] = sum(tiles.area(window(edges[pair.id], block)) for pair in images)
    if len(weights) < max(2, data.folds):
        parts = f"{data.folds} folds" if data.folds else "training and validation"
        raise DataError(
            f"{len(pairs)} image(s) make {len(weights)} block(s), too few for {parts}",
            "smaller blocks: --set data.block=… (by itself an eighth of an image, and no less than two crops)",
        )
    if data.folds:
        fold_of = portions.folds(weights, data.folds, recipe.train.seed)
        chosen = {unit for unit, fold in fold_of.items() if fold == data.fold}
    else:
        chosen = portions.held_out(weights, data.validation, recipe.train.seed)

    half = max(1, round(data.crop / data.scale / 2))
    margin = half if data.margin is None else data.margin
    training: list[Pair] = []
    held_out: list[Pair] = []
    for place, images in places.items():
        for pair in images:
            out = {block for block in _blocks(edges[pair.id]) if _unit(place, block) in chosen}
            if out:
                windows = free(edges[pair.id], out, margin, min(half, *shapes[pair.id]))
                training += [tiles.part(pair, each) for each in windows]
                held_out += [tiles.part(pair, window(edges[pair.id], block)) for block in out]
            else:
                training.append(pair)
    pixels = sum(height * width for height, width in shapes.values())
    used = sum(
        tiles.area(part.window or (0, shapes[part.id][0], 0, shapes[part.id][1])) for part in training + held_out
    )
    fold = f"fold {data.fold} of {data.folds} " if data.folds else ""
    how = (
        f"{fold}by spatial blocks: {len(chosen)} of {len(weights)} are held out, {margin} pixels or more from what is "
        f"trained on; {100 * (1 - used / pixels):.0f} % of the pixels lie between"
    )
    if not training:
        raise DataError(f"{how}: nothing is left to train on", "--set data.margin=0, or other blocks: data.block")
    return sorted(training, key=lambda part: part.id), sorted(held_out, key=lambda part: part.id), how


def block_edges(shape: tuple[int, int], block: int, like: tuple[int, int] | None = None) -> Edges:
    """Blocks of at least `block` pixels over an image of `shape` (H, W), all nearly alike, so that none is a sliver.

    `like`: as many blocks as an image of this shape has, for one of the same place at another size.
    """
    numbers = [max(1, side // block) for side in like or shape]
    rows, columns = (
        [length * place // number for place in range(number + 1)] for length, number in zip(shape, numbers, strict=True)
    )
    return rows, columns


def window(edges: Edges, block: tuple[int, int]) -> Window:
    """The window of a block, which is named by its row and column."""
    (rows, columns), (row, column) = edges, block
    return rows[row], rows[row + 1], columns[column], columns[column + 1]


def free(edges: Edges, held_out: set[tuple[int, int]], margin: int, least: int) -> list[Window]:
    """Windows, none over another, of all that is `margin` pixels or more away from every held-out block.

    Where blocks meet they are one window: the largest comes first, then the largest of what is left. What is narrower
    than `least` pixels is left out.
    """
    rows, columns = edges
    barred = [_wider(window(edges, block), margin) for block in held_out]
    found: list[Window] = []
    for row, column in itertools.product(range(0, len(rows) - 1, REACH), range(0, len(columns) - 1, REACH)):
        last = min(row + REACH, len(rows) - 1), min(column + REACH, len(columns) - 1)
        found += _rectangles((rows[row], rows[last[0]], columns[column], columns[last[1]]), barred, least)
    return sorted(found)


def _side(shape: tuple[int, int], recipe: Recipe) -> int:
    """Side of the blocks of an image of this shape, in its own pixels."""
    return recipe.data.block or max(min(shape) // 8, round(2 * recipe.data.crop / recipe.data.scale))


def _place(pair: Pair, root: Path) -> str:
    """What images of one place share: their mask's path under the root; an image without a mask has its id."""
    if pair.mask is None:
        return pair.id
    return pair.mask.relative_to(root).as_posix() if pair.mask.is_relative_to(root) else pair.mask.name


def _blocks(edges: Edges) -> list[tuple[int, int]]:
    rows, columns = edges
    return list(itertools.product(range(len(rows) - 1), range(len(columns) - 1)))


def _unit(place: str, block: tuple[int, int]) -> str:
    """A block's name, whatever image of the place it is cut from."""
    return f"{place}:{block[0]}:{block[1]}"


def _wider(window: Window, margin: int) -> Window:
    top, bottom, left, right = window
    return top - margin, bottom + margin, left - margin, right + margin


def _rectangles(part: Window, barred: list[Window], least: int) -> list[Window]:
    """The part less what is barred, as rectangles: the one that a crop can move in most, then the next.

    The edges of what is barred cut the part into cells that are free or not.
    """
    near = [one for one in barred if one[0] < part[1] and one[1] > part[0] and one[2] < part[3] and one[3] > part[2]]
    rows = sorted({*part[:2], *(edge for one in near for edge in one[:2] if part[0] < edge < part[1])})
    columns = sorted({*part[2:], *(edge for one in near for edge in one[2:] if part[2] < edge < part[3])})
    cells = np.ones((len(rows) - 1, len(columns) - 1), bool)
    for top, bottom, left, right in near:
        first, last = np.searchsorted(rows, [max(top, part[0]), min(bottom, part[1])])
        begin, end = np.searchsorted(columns, [max(left, part[2]), min(right, part[3])])
        cells[first:last, begin:end] = False
    found = []
    while cells.any():
        top, bottom, left, right = _largest(cells, rows, columns, least)
        cells[top:bottom, left:right] = False
        window = rows[top], rows[bottom], columns[left], columns[right]
        if min(window[1] - window[0], window[3] - window[2]) >= least:
            found.append(window)
    return found


def _largest(cells: np.ndarray, rows: list[int], columns: list[int], least: int) -> tuple[int, int, int, int]:
    """The rectangle of free cells, as cell numbers, in which a crop of side `least` has most places; then most pixels.

    From every row upwards each column is free for some height; of neighbours, the lowest decides.
    """
    best, place = (-1, -1), (0, 0, 0, 0)
    tops = [0] * cells.shape[1]
    for bottom, line in enumerate(cells.tolist()):
        tops = [top if free else bottom + 1 for top, free in zip(tops, line, strict=True)]
        for left in range(len(line)):
            highest = 0
            for right in range(left, len(line)):
                if not line[right]:
                    break
                highest = max(highest, tops[right])
                height, width = rows[bottom + 1] - rows[highest], columns[right + 1] - columns[left]
                score = max(0, height - least + 1) * max(0, width - least + 1), height * width
                if score > best:
                    best, place = score, (highest, bottom + 1, left, right + 1)
    return place
