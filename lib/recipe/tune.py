"""`[tune]`: how many trials a search makes, and the ranges of the recipe keys that it tries.

    [tune]
    trials = 24
    [tune.space]
    "train.lr" = {low = 1e-4, high = 1e-2, log = true}
    "model.encoder" = ["resnet34", "resnet50"]

It stands beside a recipe's own tables and is no part of them: a trial's recipe has none.

    layers, tables = split(layers)                    # what is the recipe's, what is the search's
    search = resolve_tune(tables, recipe)             # every bound and every choice is one that its key takes
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args, get_origin

from pydantic import Field, model_validator

from lib.errors import UsageError
from lib.recipe.layers import Layer, leaves
from lib.recipe.recipe import Recipe
from lib.validation import Strict, closest, validated

TABLE = "tune"

EXAMPLE = '"train.lr" = {low = 1e-4, high = 1e-2, log = true}'

COMPARABLE = (
    "data.split", "data.validation", "data.folds", "data.fold", "data.block", "data.margin", "train.seed",
)  # fmt: skip
"""Keys that decide which images are validated, or where: trials that differ in them cannot be compared."""

MACHINE = ("train.epochs", "train.folds", "train.gpus", "train.ranks", "train.device")
"""Keys that say how long and on what a trial trains, which is the search's part."""


class Range(Strict):
    """Numbers between two bounds, both included."""

    low: int | float
    high: int | float
    step: int | float | None = Field(default=None, gt=0)
    """Only `low` and whole steps from it."""
    log: bool = False
    """As likely between 0.0001 and 0.001 as between 0.001 and 0.01."""

    @model_validator(mode="after")
    def _makes_sense(self) -> Range:
        if not self.low < self.high:
            raise ValueError(f"low = {self.low} is not below high = {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"low = {self.low}: with log = true it must be more than 0")
        if self.log and self.step:
            raise ValueError("log = true and step exclude each other")
        return self


Choices = tuple[Any, ...]


class TuneRecipe(Strict):
    """A search, in full."""

    trials: int = Field(default=24, ge=1, le=10_000)
    """Sets of values that are tried, over all sessions."""
    per_gpu: int = Field(default=1, ge=1, le=16)
    """Trials that share a GPU."""
    concurrent: int = Field(default=1, ge=1, le=64)
    """Trials at a time where there is no GPU."""
    grace: int = Field(default=3, ge=1)
    """Epochs that every trial is given; from then on the worse ones are stopped."""
    reduction: int = Field(default=3, ge=2)
    """One in so many trials goes on, at `grace` epochs, and again each time that the epochs have multiplied by it."""
    space: dict[str, Range | Choices] = Field(min_length=1)
    """The recipe keys that are searched, each with a range or a list of choices."""

    def variants(self, recipe: Recipe, table: str, most: int) -> list[Recipe]:
        """The recipes that differ in the choices of one table; when there are more than `most`, one a choice."""
        lists = {key: value for key, value in self.space.items() if not isinstance(value, Range)}
        lists = {key: value for key, value in lists.items() if key.startswith(f"{table}.")}
        points: list[dict[str, Any]] = [{}]
        for key, choices in lists.items():
            points = [point | {key: choice} for point in points for choice in choices]
        if len(points) > most:
            points = [{key: choice} for key, choices in lists.items() for choice in choices]
        return [with_values(recipe, point) for point in points]

    @property
    def needs_hub(self) -> bool:
        """Whether a choice downloads pretrained weights."""
        return "imagenet" in self.space.get("model.weights", ())

    def words(self) -> Iterator[str]:
        """Each searched key and what is tried of it: `train.lr 0.0001…0.01 (log)`."""
        for key, value in self.space.items():
            if isinstance(value, Range):
                how = " (log)" if value.log else f" by {value.step:g}" if value.step else ""
                yield f"{key} {value.low:g}…{value.high:g}{how}"
            else:
                yield f"{key} {' | '.join(map(spelled, value))}"


def spelled(value: Any) -> str:
    """A value in a table's cell."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value)


def with_values(recipe: Recipe, values: Mapping[str, Any], where: str = f"{TABLE}.space") -> Recipe:
    """The recipe with some keys set: `{"train.lr": 0.001}`; `UsageError` that names a value which cannot be."""
    content = recipe.model_dump()
    for key, value in values.items():
        table, _, name = key.partition(".")
        content[table][name] = value
    return validated(Recipe, content, lambda key: where)


def split(layers: Sequence[Layer]) -> tuple[list[Layer], list[Layer]]:
    """The layers without what they say of the search, and what they say of it; both nested or dotted."""
    mine, others = [], []
    for name, table in layers:
        search = {key: value for key, value in table.items() if key == TABLE or key.startswith(f"{TABLE}.")}
        others.append((name, {key: value for key, value in table.items() if key not in search}))
        if search:
            mine.append((name, search))
    return others, mine


def resolve_tune(layers: Sequence[Layer], recipe: Recipe) -> TuneRecipe:
    """Merge what layers say of the search (later ones win), and check it against the recipe that it varies.

    Raises `UsageError` that names the layer, the key, what was found and what is allowed.
    """
    if not layers:
        raise UsageError(
            "--kernel tune needs to know what to try, and no recipe has a [tune] table",
            f"python launch.py --kernel tune --recipe tune.toml, with [tune.space] {EXAMPLE}",
        )
    content, space, origins = {}, {}, {}
    for name, table in layers:
        for key, value in _entries(name, table):
            origins[key] = name
            within = key.removeprefix("space.")
            if within == key:
                content[key] = value
            else:
                space[within] = _read(within, value, f"{name}: {TABLE}.space")
    if not space:
        raise UsageError(f"{layers[-1][0]}: {TABLE}.space is empty", f"for example {EXAMPLE}")
    usual = layers[-1][0]
    search = validated(TuneRecipe, content | {"space": space}, lambda key: f"{origins.get(key, usual)}: {TABLE}")
    _must_train(recipe)
    for key, value in space.items():
        _must_fit(key, value, recipe, f"{origins[f'space.{key}']}: {TABLE}.space")
    return search


def _read(key: str, value: Any, where: str) -> Range | Choices:
    """A range, or the choices; a mistake in either is named."""
    if isinstance(value, Mapping):
        try:
            return validated(Range, dict(value), lambda part: f"{where}: {key}")
        except UsageError as error:
            raise UsageError(error.reason.replace(": the whole file: ", ": ")) from None
    if not isinstance(value, list | tuple):
        raise UsageError(f"{where}: {key}: found {value!r}", "a list of choices, or {low = …, high = …}")
    return tuple(value)


def _entries(name: str, table: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """`trials`, `space.train.lr`, … and their values, however deep the tables are in which they were written."""
    known = dict(leaves(Recipe().model_dump()))

    def walk(prefix: str, value: Any) -> Iterator[tuple[str, Any]]:
        within = prefix.removeprefix(f"{TABLE}.space.")
        if prefix.startswith(f"{TABLE}.space.") and within in known:
            yield f"space.{within}", value
        elif isinstance(value, Mapping) and not (prefix.startswith(f"{TABLE}.space.") and {"low", "high"} & {*value}):
            for inner, content in value.items():
                yield from walk(f"{prefix}.{inner}", content)
        elif prefix.startswith(f"{TABLE}.space."):
            raise UsageError(f"{name}: {TABLE}.space: {within}: unknown recipe key", closest(within, sorted(known)))
        else:
            yield prefix.removeprefix(f"{TABLE}."), value

    for key, value in table.items():
        yield from walk(key, value)


def _must_train(recipe: Recipe) -> None:
    if recipe.train.folds:
        raise UsageError(
            f"train.folds = {recipe.train.folds}: a trial trains one model, and a search of folds would take "
            f"{recipe.train.folds} times as long",
            "--set train.folds=0 for the search; then the folds with --recipe best.toml",
        )
    if not recipe.train.epochs:
        raise UsageError("train.epochs = 0: there is nothing to compare", "--set train.epochs=12")


def _must_fit(key: str, value: Range | Choices, recipe: Recipe, where: str) -> None:
    """Raise `UsageError` for a range or a choice that the recipe key does not take."""
    if key in COMPARABLE:
        raise UsageError(f"{where}: {key} decides what is validated, and trials must be compared on the same images")
    if key in MACHINE:
        raise UsageError(f"{where}: {key} is the same for all trials", f"set it for the search: --set {key}=…")
    if isinstance(value, Range):
        _must_be_numbers(key, value, where)
        for bound in (value.low, value.high):
            with_values(recipe, {key: bound}, where)
        return
    if len({json.dumps(choice, sort_keys=True, default=str) for choice in value}) != max(1, len(value)):
        raise UsageError(f"{where}: {key}: found {list(value)}", "one choice or more, none twice")
    for choice in value:
        made = with_values(recipe, {key: choice}, where)
        if key == "model.weights" and made.starts_from:
            raise UsageError(f"{where}: {key}: found {choice!r}", "imagenet and none can be searched; set a checkpoint")


def _must_be_numbers(key: str, value: Range, where: str) -> None:
    table, _, name = key.partition(".")
    kinds = _numbers_in(getattr(Recipe(), table).__class__.model_fields[name].annotation)
    whole = all(isinstance(number, int) for number in (value.low, value.high, value.step or 1))
    if not kinds:
        raise UsageError(f"{where}: {key} is no number, so it has no range", f'"{key}" = ["one choice", "another"]')
    if kinds == {int} and not whole:
        raise UsageError(f"{where}: {key} takes whole numbers, found {value.low}, {value.high}, {value.step}")


def is_whole(key: str) -> bool:
    """Whether a recipe key takes whole numbers alone."""
    table, _, name = key.partition(".")
    return _numbers_in(getattr(Recipe(), table).__class__.model_fields[name].annotation) == {int}


def _numbers_in(annotation: Any) -> set[type]:
    """Which of int and float an annotation such as `Annotated[float | None, Auto]` takes as they are."""
    if annotation in (int, float):
        return {annotation}
    if isinstance(annotation, type) or get_origin(annotation) in (tuple, list, dict):
        return set()
    return set().union(*(_numbers_in(part) for part in get_args(annotation)))
