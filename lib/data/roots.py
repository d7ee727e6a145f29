"""Finds a competition's data root: the folder that its patterns start from, in a session or at home."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lib.competitions import Competition
from lib.competitions.layout import holds
from lib.competitions.schema import Source
from lib.data import sample
from lib.errors import DataError, UsageError
from lib.folders import Folders
from lib.mounts import below, mounted, places


def home_root(competition: Competition, given: Path | None, cache: Path) -> Path:
    """The data root on this machine: the generated sample under `cache`, or the folder that was given."""
    if competition.data.built_in:
        return sample.build(cache)
    if given is None:
        raise UsageError(f"where are the images of {competition.name}?", "give the data root with --data DIR")
    return given


def find_root(competition: Competition, folders: Folders, source: Source | None = None) -> Path:
    """The data root among what a session has mounted: where images of `source` lie, by default those for training.

    Scenes that are mounted come before built-in ones. Raises `DataError` with the top of the mounted tree when no
    folder fits.
    """
    source, built_in = source or competition.data.train, competition.data.built_in
    for folder in (*_expected(competition, folders.inputs), *(() if built_in else below(folders.inputs))):
        if folder.is_dir() and holds(source, folder):
            return folder
    if built_in:
        return sample.build(folders.scratch)
    raise DataError(
        f"no folder under {folders.inputs} holds images like {source.images!r}; " + mounted(folders.inputs),
        "check the competition's [kaggle] sources: a data set must exist and be READY when the kernel is pushed",
    )


def _expected(competition: Competition, inputs: Path) -> Iterator[Path]:
    for reference in competition.kaggle.datasets:
        yield from places(inputs, "datasets", reference)
    yield from places(inputs, "competitions", competition.kaggle.competition or competition.name)
