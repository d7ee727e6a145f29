"""Where things lie: the project's folders at home, Kaggle's folders inside a session, wherever their root is.

The bundle sets `SWATH_ROOT` (on Kaggle `/kaggle`; elsewhere a folder laid out in the same way) and `SWATH_PAYLOAD`
(where it unpacked itself) before it starts the kernel.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.errors import UsageError

if TYPE_CHECKING:
    from lib.competitions import Competition
    from lib.recipe import Recipe

SETTINGS = "SWATH_SETTINGS"
"""The variable with what a session has found out about its recipe, such as {"train.batch": 16}, for its ranks."""

BEST, STATE = Path("checkpoints", "best.safetensors"), Path("checkpoints", "last.ckpt")
SUMMARY, FOLDS, OOF = "summary.json", "folds", "oof"
"""Among a session's outputs: the best weights, and what a training goes on from; what it says of itself; of a run of
folds, a folder for each fold that was begun, and the probabilities of all labelled images, a file each."""

PROJECT = Path(__file__).resolve().parents[1]
"""The folder of launch.py."""


def cache_folder() -> Path:
    """What can be made again, at home: the sample, encoders' weights. `cache/` beside launch.py, or `SWATH_CACHE`."""
    return Path(os.environ.get("SWATH_CACHE", PROJECT / "cache")).expanduser()


def runs_folder() -> Path:
    """Where runs are kept, at home: `runs/` beside launch.py, or `SWATH_RUNS`."""
    return Path(os.environ.get("SWATH_RUNS", PROJECT / "runs")).expanduser()


FOLD = "SWATH_FOLD"
"""The environment of a process that trains one fold of several: a `Fold` as JSON."""


@dataclass(frozen=True)
class Fold:
    """The fold that this process trains."""

    number: int
    """From 0, as `data.fold` counts."""
    beside: int = 1
    """Folds that train at a time on this machine."""
    keeps: bool = True
    """Whether what it predicts of its held-out images is kept."""
    parent: int = 0
    """The process that started it, without which it is not to go on."""


@dataclass(frozen=True)
class Folders:
    """The folders of the session that this process runs in."""

    root: Path
    payload: Path
    fold: Fold | None = None
    """None: this process trains all of the run."""

    @classmethod
    def here(cls) -> Folders:
        """The folders that the bundle announced; `UsageError` outside a session."""
        try:
            fold = Fold(**json.loads(os.environ[FOLD])) if os.environ.get(FOLD) else None
            return cls(Path(os.environ["SWATH_ROOT"]), Path(os.environ["SWATH_PAYLOAD"]), fold)
        except KeyError as error:
            raise UsageError(
                f"a kernel runs inside a session, and {error.args[0]} is not set", "start it with: python launch.py"
            ) from None

    @property
    def inputs(self) -> Path:
        """Data sets and competitions are mounted here, read-only."""
        return self.root / "input"

    @property
    def outputs(self) -> Path:
        """What is left here comes home."""
        return self.root / "working"

    @property
    def working(self) -> Path:
        """This process's own part of the outputs: all of them, or its fold's."""
        return self.outputs if self.fold is None else self.outputs / "folds" / str(self.fold.number)

    @property
    def scratch(self) -> Path:
        """For files that need not come home; `SWATH_CACHE` names one that outlives the session."""
        if "SWATH_CACHE" in os.environ:
            return Path(os.environ["SWATH_CACHE"])
        temp = self.root / "temp"
        return temp if temp.is_dir() else Path(tempfile.gettempdir())

    @property
    def resumes(self) -> str | None:
        """The kernel, as owner/slug, whose outputs are mounted for this session to go on from; None: a fresh start."""
        return os.environ.get("SWATH_RESUMES") or None

    def plan(self) -> dict[str, Any]:
        """What was asked for: kernel, accelerator, bundle."""
        return json.loads((self.payload / "plan.json").read_text())

    def competition(self) -> Competition:
        """The competition that the bundle carries."""
        from lib.competitions import parse

        return parse(self.payload / "competition.toml")

    def settings(self) -> dict[str, Any]:
        """Recipe keys that this session has found out."""
        return json.loads(os.environ.get(SETTINGS, "{}"))

    def recipe(self) -> Recipe:
        """The resolved recipe that the bundle carries, with what this session has found out; of a fold's process, that
        fold's."""
        from lib.recipe import Recipe
        from lib.validation import validated

        recipe = json.loads((self.payload / "recipe.json").read_text())
        for key, value in self.settings().items():
            table, name = key.split(".")
            recipe.setdefault(table, {})[name] = value
        resolved = validated(Recipe, recipe, lambda key: "recipe.json")
        return resolved if self.fold is None else resolved.of_fold(self.fold.number)
