"""What each fold of a run trains on and holds out, known before the first of them begins.

parts = plan_folds(competition, recipe, root, scratch, say=print)
parts[2].held_out, parts[2].steps            # ids of images, or of parts of them; optimizer steps of all its epochs
in_order(parts, side_by_side=2)              # the longest first, so that two cards are done at about the same time
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lib.competitions import Competition
from lib.competitions.layout import Window
from lib.data.datasets import TrainingCrops
from lib.data.ready import Ready, make_ready
from lib.errors import DataError, UsageError
from lib.recipe import Recipe
from lib.training.out_of_fold import bytes_of


@dataclass(frozen=True)
class Part:
    """One fold."""

    number: int
    """From 0."""
    training: int
    """Images, or parts of them, that it is trained on…"""
    pixels: float
    """…and their pixels at the working size."""
    steps: int
    held_out: tuple[str, ...]
    """Ids of the images, or parts of them, that it does not see."""
    windows: dict[str, Window]
    """Where those lie that are parts of an image."""
    how: str
    bytes: int
    """What the probabilities of its held-out images take before they are packed."""
    radiometry: dict


def plan_folds(
    competition: Competition, recipe: Recipe, root: Path, scratch: Path, say: Callable[[str], None]
) -> list[Part]:
    """Divide the data for every fold; `say` hears what is there and how it is divided.

    All files are checked and decoded once. Raises `DataError` for files that are wrong and for images that cannot be
    divided so, `UsageError` for a recipe that does not fit the data.
    """
    parts = []
    for number in range(recipe.train.folds):
        own = recipe.of_fold(number)
        ready = make_ready(competition, own, root, scratch, None if parts else say)
        if parts:
            say(f"      {ready.division.how}")
        parts.append(_part(number, ready, competition, own))
    _must_be_divided(parts)
    return parts


def in_order(parts: Sequence[Part], side_by_side: int, begun: Sequence[int] = ()) -> list[Part]:
    """The order in which folds begin: those that an earlier session `begun` first; where several train at a time, then
    the longest first, by steps and pixels; else as they are numbered."""

    def place(part: Part) -> tuple:
        length = (part.steps, part.pixels) if side_by_side > 1 else (0, 0)
        return part.number not in begun, *(-value for value in length), part.number

    return sorted(parts, key=place)


def _part(number: int, ready: Ready, competition: Competition, recipe: Recipe) -> Part:
    crops = TrainingCrops(ready.census, ready.pool, ready.reading, recipe)
    shapes = (ready.reading.shape(pair, recipe.data.scale) for pair in ready.held_out)
    return Part(
        number=number,
        training=len(ready.training),
        pixels=crops.pixels,
        steps=recipe.train.epochs * crops.steps(),
        held_out=tuple(pair.id for pair in ready.held_out),
        windows={pair.id: pair.window for pair in ready.held_out if pair.window},
        how=ready.division.how,
        bytes=bytes_of(shapes, len(competition.classes)),
        radiometry=ready.radiometry.as_dict(),
    )


def _must_be_divided(parts: Sequence[Part]) -> None:
    """Raise unless every fold holds something out that no other one does."""
    seen: dict[str, int] = {}
    for part in parts:
        if not part.held_out:
            raise DataError(
                f"fold {part.number} of {len(parts)} would hold nothing out", "fewer folds: --set train.folds=…"
            )
        for image in part.held_out:
            if image in seen:
                raise UsageError(f"{image} would be held out by fold {seen[image]} and by fold {part.number}")
            seen[image] = part.number
