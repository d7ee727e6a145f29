"""Finds a competition's data root: the folder that its patterns start from, in a session or at home.

Kaggle changed its mounts in 2026, and both layouts are met: `/kaggle/input/datasets/<owner>/<slug>` and
`/kaggle/input/competitions/<slug>` today, `/kaggle/input/<slug>` before. Both are tried, then a search to a bounded
depth; when nothing fits, the error shows the top of the tree.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lib.competitions import Competition
from lib.competitions.layout import holds
from lib.data import sample
from lib.errors import DataError, UsageError
from lib.folders import Folders

DEPTH = 4
"""How many folders below /kaggle/input are searched: datasets/<owner>/<slug>/<one more>."""


def home_root(competition: Competition, given: Path | None, cache: Path) -> Path:
    """The data root on this machine: the generated sample under `cache`, or the folder that was given."""
    if competition.data.built_in:
        return sample.build(cache)
    if given is None:
        raise UsageError(f"where are the images of {competition.name}?", "give the data root with --data DIR")
    return given


def find_root(competition: Competition, folders: Folders) -> Path:
    """The data root among what a session has mounted.

    Raises `DataError` with the top of the mounted tree when no folder fits.
    """
    if competition.data.built_in:
        return sample.build(folders.scratch)
    for folder in (*_expected(competition, folders.inputs), *below(folders.inputs, DEPTH)):
        if folder.is_dir() and holds(competition.data.train, folder):
            return folder
    raise DataError(
        f"no folder under {folders.inputs} holds images like {competition.data.train.images!r}; mounted are:\n"
        + "\n".join(f"    {line}" for line in top(folders.inputs)),
        "check the competition's [kaggle] sources: a data set must exist and be READY when the kernel is pushed",
    )


def _expected(competition: Competition, inputs: Path) -> Iterator[Path]:
    for reference in competition.kaggle.datasets:
        yield inputs / "datasets" / reference
        yield inputs / reference.split("/")[1]
    slug = competition.kaggle.competition or competition.name
    yield inputs / "competitions" / slug
    yield inputs / slug


def below(folder: Path, depth: int) -> Iterator[Path]:
    """Folders under `folder`, nearest first."""
    level = [folder]
    for _ in range(depth):
        level = [entry for parent in level for entry in _entries(parent) if entry.is_dir()]
        yield from level


def top(folder: Path, most: int = 20) -> list[str]:
    """A few lines that show what is mounted."""
    lines = [str(path.relative_to(folder)) + ("/" if path.is_dir() else "") for path in _below_and_files(folder)]
    return lines[:most] + ([f"… and {len(lines) - most} more"] if len(lines) > most else []) or ["nothing"]


def _below_and_files(folder: Path) -> Iterator[Path]:
    for entry in _entries(folder):
        yield entry
        if entry.is_dir():
            for inner in _entries(entry)[:5]:
                yield inner
                if inner.is_dir():
                    yield from _entries(inner)[:5]


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []
