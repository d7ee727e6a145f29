"""Where a search's trials run: the session's folders, and Kaggle's folders laid out for each trial alone.

environment = lay_out(place, trial, {"train.lr": 0.001})       # for kernels/train.py as a process of its own
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib import files
from lib.folders import PROJECT, STATE
from lib.recipe import Recipe
from lib.recipe.tune import with_values
from lib.tuning.trials import TUNE, Trial

OWNER = "tune"
"""Below input/notebooks/, where a trial sees what it left itself in an earlier session."""


@dataclass(frozen=True)
class Place:
    """A session's folders as its trials see them: on a cluster, paths that all machines share."""

    inputs: Path
    working: Path
    scratch: Path
    """Decoded images, which all trials use."""
    temp: Path
    """Folders laid out for trials."""
    competition: str
    """Of competition.toml."""
    recipe: str
    """Of recipe.json, which the trials vary."""
    gpu: str
    threads: int
    """Of a trial's computations on the CPU."""
    environment: Mapping[str, str]
    """The session's own variables: SWATH_BUNDLE, SWATH_WEIGHTS."""

    @property
    def ending(self) -> Path:
        """A file whose presence says that the search ends: every training has to save its state."""
        return self.working / TUNE / "ending"


def lay_out(place: Place, trial: Trial, values: Mapping[str, Any]) -> dict[str, str]:
    """Kaggle's folders for one trial, and the variables that say where they are.

    A trial's recipe is settled when it begins: a later session must find the very same one. Raises `UsageError` for
    values that do not go together.
    """
    root = place.temp / trial.name
    shutil.rmtree(root, ignore_errors=True)
    for name in ("temp", "payload", f"input/notebooks/{OWNER}"):
        (root / name).mkdir(parents=True)
    (root / "working").symlink_to(trial.folder.resolve(), target_is_directory=True)
    for source in (*place.inputs.glob("*"), *place.inputs.glob("notebooks/*")):
        link = root / "input" / source.relative_to(place.inputs)
        if not link.exists():
            link.symlink_to(source.resolve(), target_is_directory=source.is_dir())
    recipe = trial.folder / "recipe.json"
    if not recipe.is_file():
        files.write(recipe, with_values(Recipe.model_validate_json(place.recipe), values).model_dump_json(indent=2))
    shutil.copyfile(recipe, root / "payload" / "recipe.json")
    files.write(root / "payload" / "competition.toml", place.competition)
    files.write_json(root / "payload" / "plan.json", {"kernel": "train.py", "gpu": place.gpu})
    resumes = ""
    if (trial.folder / STATE).is_file():
        (root / "input" / "notebooks" / OWNER / trial.name).symlink_to(trial.folder.resolve())
        resumes = f"{OWNER}/{trial.name}"
    path = os.pathsep.join([str(PROJECT), str(PROJECT / "site"), os.environ.get("PYTHONPATH", "")])
    folders = {"SWATH_ROOT": root, "SWATH_PAYLOAD": root / "payload", "SWATH_CACHE": place.scratch}
    return {
        **os.environ,
        **place.environment,
        **{name: str(folder) for name, folder in folders.items()},
        "SWATH_BEGIN": repr(time.time()),
        "SWATH_LIMIT": "",  # the search ends its trials
        "SWATH_RESUMES": resumes,
        "OMP_NUM_THREADS": str(place.threads),
        "PYTHONPATH": path.rstrip(os.pathsep),
        "PYTHONUNBUFFERED": "1",
    }
