"""Where Kaggle mounts what a session reads: data sets, competitions, the outputs of other kernels.

Kaggle changed its mounts in 2026, and both layouts are met: `/kaggle/input/datasets/<owner>/<slug>`,
`/kaggle/input/competitions/<slug>` and `/kaggle/input/notebooks/<owner>/<slug>` today, `/kaggle/input/<slug>` before.
Both are tried, then a search to a bounded depth; when nothing fits, an error shows the top of the tree.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

DEPTH = 4
"""How many folders below /kaggle/input are searched: datasets/<owner>/<slug>/<one more>."""

Kind = Literal["datasets", "competitions", "notebooks"]


def places(inputs: Path, kind: Kind, name: str) -> Iterator[Path]:
    """Where a source should be, in both layouts; `name` is owner/slug, of a competition its slug."""
    yield inputs / kind / name
    yield inputs / name.split("/")[-1]


def below(folder: Path, depth: int = DEPTH) -> Iterator[Path]:
    """Folders under `folder`, nearest first."""
    level = [folder]
    for _ in range(depth):
        level = [entry for parent in level for entry in _entries(parent) if entry.is_dir()]
        yield from level


def mounted(inputs: Path, most: int = 20, root: str = "mounted are") -> str:
    """The end of an error: "mounted are:", and a few lines that show what is."""
    lines = [path.relative_to(inputs).as_posix() + ("/" if path.is_dir() else "") for path in _top(inputs)]
    shown = lines[:most] + ([f"… and {len(lines) - most} more"] if len(lines) > most else []) or ["nothing"]
    return f"{root}:\n" + "\n".join(f"    {line}" for line in shown)


def _top(folder: Path) -> Iterator[Path]:
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
