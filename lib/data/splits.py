"""Divides a competition's images into training and validation, the same way on every machine.

    division = divide(pairs, competition, recipe, root, shape_of)
    division.training, division.held_out        # pairs sorted by id, some of them windows of an image
    print(division.how)                         # "by group: 10 of 48 images are held out"

Which way is the recipe's `data.split`: official lists, by group, by spatial blocks, by group with every class in both
parts; a share or one of k folds. Only names, sizes and the seed decide: no listing's order does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lib.competitions import Competition, Pair
from lib.data import blocks, lists, portions
from lib.data.lists import ShapeOf, pair_named
from lib.data.stratify import missing, stratify
from lib.errors import DataError, UsageError, first
from lib.recipe import Recipe
from lib.validation import closest


@dataclass(frozen=True)
class Division:
    """What is trained on and what is held out, each sorted by id."""

    training: list[Pair]
    held_out: list[Pair]
    how: str
    """One sentence: by what rule, and how many."""
    excluded: tuple[Pair, ...] = ()
    """Parts of images that `data.exclude` names: nothing in their windows is to be trained on."""


def divide(
    pairs: list[Pair],
    competition: Competition,
    recipe: Recipe,
    root: Path,
    shape_of: ShapeOf,
    counts_of: Callable[[Pair], np.ndarray] | None = None,
) -> Division:
    """Divide whole images as the recipe says; the seed is `train.seed`.

    `shape_of(pair)` is the image's own (H, W); `counts_of(pair)` its (C,) pixels of each class, asked for by
    `stratified` alone. Images that `data.exclude` names are left out of training, whatever the rule, and change nothing
    else. Raises `DataError` when the images cannot be divided so, `UsageError` for a name that nothing has.
    """
    pairs = sorted(pairs, key=lambda pair: pair.id)
    way = _way(pairs, competition, recipe, shape_of)
    if way == "official":
        division = _official(pairs, competition, recipe, Path(root), shape_of)
    elif way == "block":
        division = Division(*blocks.hold_out(pairs, recipe, Path(root), shape_of))
    elif way == "stratified":
        division = _stratified(pairs, competition, recipe, counts_of)
    else:
        division = _by_group(pairs, recipe)
    return _excluding(division, pairs, competition, recipe.data.exclude, shape_of)


def split(pairs: list[Pair], share: float, seed: int) -> tuple[list[Pair], list[Pair]]:
    """Training and validation pairs by group, each sorted by id; a group is never divided.

    Validation gets groups, in the order of a hash of seed and name, as long as each brings it nearer to `share` of the
    images, always at least one and never all.
    """
    chosen = portions.held_out(_groups(pairs, 2), share, seed)
    return _parted(pairs, lambda pair: pair.group in chosen)


def _way(pairs: list[Pair], competition: Competition, recipe: Recipe, shape_of: ShapeOf) -> str:
    """The recipe's rule; for "auto", the one that fits."""
    asked = recipe.data.split
    if asked == "official" and competition.data.lists is None:
        raise UsageError(
            f"data.split = official: {competition.name} has no lists",
            "name them in [data.lists], or --set data.split=auto",
        )
    if asked != "auto":
        return asked
    if is_official(competition, recipe):
        return "official"
    few = len({pair.group for pair in pairs}) < 3
    return "block" if few and any(blocks.several(shape_of(pair), recipe) for pair in pairs) else "group"


def is_official(competition: Competition, recipe: Recipe) -> bool:
    """Whether the competition's own lists say what is trained on."""
    return competition.data.lists is not None and recipe.data.split in ("auto", "official")


def _parted(pairs: list[Pair], out: Callable[[Pair], bool]) -> tuple[list[Pair], list[Pair]]:
    ordered = sorted(pairs, key=lambda pair: pair.id)
    return [pair for pair in ordered if not out(pair)], [pair for pair in ordered if out(pair)]


def _groups(pairs: list[Pair], least: int) -> dict[str, int]:
    """How many images each group has; `DataError` when there are fewer than `least` groups."""
    sizes: dict[str, int] = defaultdict(int)
    for pair in pairs:
        sizes[pair.group] += 1
    if len(sizes) < least:
        parts = "training and validation" if least == 2 else f"{least} folds"
        groups = "one group" if len(sizes) == 1 else f"{len(sizes)} groups"
        raise DataError(
            f"{len(pairs)} image(s) in {groups} cannot be split into {parts}",
            "add images, write data.train.group so that it tells more groups apart, or hold out parts of large images: "
            "--set data.split=block",
        )
    return dict(sizes)


def _by_group(pairs: list[Pair], recipe: Recipe) -> Division:
    data, seed = recipe.data, recipe.train.seed
    if not data.folds:
        training, held_out = split(pairs, data.validation, seed)
    else:
        fold_of = portions.folds(_groups(pairs, data.folds), data.folds, seed)
        training, held_out = _parted(pairs, lambda pair: fold_of[pair.group] == data.fold)
    return Division(training, held_out, _sentence(f"{_fold(recipe)}by group", held_out, pairs))


def _stratified(
    pairs: list[Pair], competition: Competition, recipe: Recipe, counts_of: Callable[[Pair], np.ndarray] | None
) -> Division:
    if counts_of is None:
        raise ValueError("a stratified split needs counts_of")
    data, number = recipe.data, recipe.data.folds or 2
    sizes = _groups(pairs, number)
    names = portions.shuffled(sizes, recipe.train.seed)
    place = {name: row for row, name in enumerate(names)}
    counts = np.zeros((len(names), len(competition.classes)))
    for pair in pairs:
        counts[place[pair.group]] += np.asarray(counts_of(pair))[: len(competition.classes)]
    ratios = [1 / number] * number if data.folds else [1 - data.validation, data.validation]
    parts = stratify(np.column_stack([counts, [sizes[name] for name in names]]), ratios)
    chosen = {name for name, part in zip(names, parts, strict=True) if part == (data.fold if data.folds else 1)}
    training, held_out = _parted(pairs, lambda pair: pair.group in chosen)
    how = _sentence(f"{_fold(recipe)}by group and class content", held_out, pairs)
    lacking = [competition.names[index] for index in np.flatnonzero(missing(counts, parts, number))]
    if lacking:
        how += f"; no division brings these classes to every part: {first(lacking, 5)}"
    alone = [competition.names[index] for index in np.flatnonzero((counts > 0).sum(axis=0) == 1)]
    if alone:
        how += f"; in one group, and so in one part only: {first(alone, 5)}"
    return Division(training, held_out, how)


def _official(pairs: list[Pair], competition: Competition, recipe: Recipe, root: Path, shape_of: ShapeOf) -> Division:
    if recipe.data.folds:
        raise UsageError(
            f"data.folds = {recipe.data.folds}: the official lists of {competition.name} say what is held out, once; "
            "folds would train on what they keep for validation and test",
            "leave data.folds out, or --set data.split=group (or block, stratified) if that is what you want",
        )
    named = lists.read(pairs, competition, root, shape_of)
    told = competition.data.lists
    things = f"tiles of {told.tile}" if told.tile else "images"
    how = f"by the official lists: {len(named.train)} training and {len(named.validation)} held-out {things}"
    if told.test:
        how += f"; {len(named.test)} in {told.test}, left out"
    if named.unnamed:
        how += f"; {named.unnamed} in no list, left out"
    if not named.train or not named.validation:
        raise DataError(f"{how}: there is nothing to {'validate' if named.train else 'train'} on", f"look at {root}")
    return Division(named.train, named.validation, how)


def _excluding(
    division: Division, pairs: list[Pair], competition: Competition, names: tuple[str, ...], shape_of: ShapeOf
) -> Division:
    """The division without what `data.exclude` names: whole images here, parts of images in `excluded`."""
    known = {pair.id: pair for pair in pairs}
    parts = {pair.id: pair for pair in (*division.training, *division.held_out)}
    whole, excluded = set(), []
    for name in dict.fromkeys(names):
        meant = parts.get(name) or pair_named(name, known, competition, shape_of)
        if meant is None:
            raise UsageError(f"data.exclude: {name!r} is no image and no part of one", closest(name, sorted(known)))
        if meant.window is None:
            whole.add(meant.image)
        else:
            excluded.append(meant)
    gone = {(pair.image, pair.window) for pair in excluded}
    training = [p for p in division.training if p.image not in whole and (p.image, p.window) not in gone]
    if names and not training:
        raise DataError("data.exclude names every image that would be trained on", "shorten the list")
    how = division.how
    if len(training) < len(division.training):
        how += f"; {len(division.training) - len(training)} of those to train on are excluded"
    return replace(division, training=training, how=how, excluded=tuple(excluded))


def _fold(recipe: Recipe) -> str:
    return f"fold {recipe.data.fold} of {recipe.data.folds} " if recipe.data.folds else ""


def _sentence(way: str, held_out: list[Pair], pairs: list[Pair]) -> str:
    groups = len({pair.group for pair in pairs})
    of = f" ({len({pair.group for pair in held_out})} of {groups} groups)" if groups < len(pairs) else ""
    return f"{way}: {len(held_out)} of {len(pairs)} images{of} are held out"
