"""Finds the outputs of the session that this one goes on from.

The bundle names its kernel as owner/slug (`SWATH_RESUMES`), and Kaggle mounts that kernel's outputs, or a data set with
them:

    outputs = predecessor(folders)       # None for a fresh start
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lib import files
from lib.errors import DataError, Failed, UsageError
from lib.folders import Folders
from lib.mounts import below, mounted, places
from lib.training.state import STATE

SUMMARY = "summary.json"


def predecessor(folders: Folders, state: Path = STATE) -> Path | None:
    """The folder with the outputs of the session to go on from; None when this one starts anew.

    `state`: the file, or the folder, among them that it goes on from.

    Raises `DataError` with the top of the mounted tree when no state is mounted, `UsageError` when the run that left
    those outputs is over: a session that was told to go on never starts anew in silence.
    """
    if folders.resumes is None:
        return None
    for folder in _places(folders.inputs, folders.resumes):
        if (folder / state).exists():
            _must_be_unfinished(folder, folders.resumes)
            return folder
    for folder in places(folders.inputs, "notebooks", folders.resumes):
        _must_be_unfinished(folder, folders.resumes)
    raise DataError(
        f"this session goes on from {folders.resumes}, and no {state} is under {folders.inputs}; "
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
