"""Finds the outputs of the session that this one goes on from, of a run or of a run of folds.

The bundle names its kernel as owner/slug (`SWATH_RESUMES`), and Kaggle mounts that kernel's outputs, or a data set with
them:

    outputs = predecessor(folders)       # None for a fresh start
    outputs = earlier_folds(folders)     # the same, of a run of folds
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lib import files
from lib.errors import DataError, Failed, UsageError
from lib.folders import FOLDS, STATE, SUMMARY, Folders
from lib.mounts import below, mounted, places
from lib.recipe import Recipe
from lib.training.state import read


def predecessor(folders: Folders, state: Path = STATE) -> Path | None:
    """The folder with the outputs of the session to go on from; None when this one starts anew.

    `state`: the file, or the folder, among them that it goes on from.

    Raises `DataError` with the top of the mounted tree when no state is mounted, `UsageError` when the run that left
    those outputs is over: a session that was told to go on never starts anew in silence. The process of one fold finds
    its state where the session has brought it: in its own folder.
    """
    if folders.fold is not None:
        return folders.working if (folders.working / STATE).is_file() else None
    if folders.resumes is None:
        return None
    for folder in _places(folders.inputs, folders.resumes):
        if (folder / state).exists():
            _must_be_unfinished(folder, folders.resumes)
            return folder
    raise _nothing_left(folders, state.as_posix())


def earlier_folds(folders: Folders) -> Path | None:
    """The folder with what an earlier session left of a run of folds; None when this one starts anew.

    Raises as `predecessor` does.
    """
    return predecessor(folders, Path(FOLDS))


def earlier_recipe(folders: Folders) -> Recipe | None:
    """The recipe that an earlier session of the run went by, with what it had found out; None for a fresh start."""
    if folders.recipe().train.folds:
        outputs = earlier_folds(folders)
        return outputs and Recipe.model_validate(files.read_json(outputs / SUMMARY)["recipe"])
    outputs = predecessor(folders)
    return outputs and Recipe.model_validate_json(read(outputs / STATE)["recipe"])


def _nothing_left(folders: Folders, what: str) -> DataError:
    """The error for a session that finds nothing to go on from; `UsageError` is raised where the run is over."""
    for folder in places(folders.inputs, "notebooks", folders.resumes):
        _must_be_unfinished(folder, folders.resumes)
    return DataError(
        f"this session goes on from {folders.resumes}, and no {what} is under {folders.inputs}; "
        + mounted(folders.inputs),
        f"only a version that is COMPLETE is mounted with its outputs: see https://www.kaggle.com/code/{folders.resumes}",
    )


def _places(inputs: Path, resumes: str) -> Iterator[Path]:
    yield from places(inputs, "notebooks", resumes)
    yield from sorted((inputs / "datasets").glob("*/*"))
    yield from below(inputs)


def _must_be_unfinished(folder: Path, resumes: str) -> None:
    try:
        summary = files.read_json(folder / SUMMARY)
    except Failed:  # ended before it wrote one: there is more to train
        return
    if isinstance(summary, dict) and summary.get("finished") is True:
        raise UsageError(
            f"{resumes} is over, after {summary.get('epochs_done')} epochs: there is nothing to go on with",
            "python submit.py, or train longer from its weights: --set model.weights=…/best.safetensors",
        )
