"""What a sweep tries: a TOML file with a grid of recipe keys, a list of trials, or both.

grid.train.lr = [0.001, 0.0003]
grid.model.encoder = ["resnet34", "resnet50"]

[[trials]]                      # each with every point of the grid
data.crop = 512
[[trials]]
data.crop = 768
infer.window = 1024
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field

from lib import files
from lib.errors import UsageError
from lib.recipe import leaves
from lib.validation import Strict, read_toml, validated

MOST = 200
"""Trials of a sweep; a file that makes more is a slip."""


class SweepFile(Strict):
    """A sweep as a user writes it."""

    grid: dict[str, Any] = Field(default_factory=dict)
    """Recipe keys, each with a list of values."""
    trials: list[dict[str, Any]] = Field(default_factory=list)
    """Tables of recipe keys."""


@dataclass(frozen=True)
class Trial:
    """One run's settings, as `--set` takes them."""

    settings: tuple[str, ...]

    @property
    def name(self) -> str:
        """The settings in one line."""
        return " ".join(self.settings)


def read(path: Path) -> list[Trial]:
    """The trials of a file, in its order, none twice; `UsageError` for a file that makes none, or too many."""
    content = validated(SweepFile, read_toml(path), lambda key: files.shown(path))
    grid = dict(leaves(content.grid))
    for key, values in grid.items():
        if not isinstance(values, list) or not values:
            raise UsageError(f"{files.shown(path)}: grid.{key} = {values!r} is not a list of values", "write [a, b, c]")
    points = [dict(zip(grid, point, strict=True)) for point in itertools.product(*grid.values())]
    tables = [dict(leaves(table)) for table in content.trials] or [{}]
    twice = next((key for table in tables for key in table if key in grid), None)
    if twice:
        raise UsageError(f"{files.shown(path)}: {twice} stands in the grid and in trials", "leave it in one of them")
    trials = list(dict.fromkeys(_trial(table | point) for table in tables for point in points if table | point))
    if not trials:
        raise UsageError(f"{files.shown(path)} holds no trial", "give it [grid] or [[trials]] with recipe keys")
    if len(trials) > MOST:
        raise UsageError(f"{files.shown(path)} makes {len(trials)} trials, and {MOST} is the most", "make it smaller")
    return trials


def _trial(values: Mapping[str, Any]) -> Trial:
    return Trial(tuple(f"{key}={_toml(value)}" for key, value in values.items()))


def _toml(value: Any) -> str:
    """A value as TOML writes it; JSON's strings, numbers, booleans and lists are TOML's too, but for DEL as it is."""
    return json.dumps(value, ensure_ascii=False, default=str).replace("\x7f", "\\u007f")
