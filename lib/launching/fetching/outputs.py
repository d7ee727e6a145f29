"""The outputs that a place lists: which are wanted, where each goes, and new addresses for those that have expired.

listing = Listing(session, ref)
targets = places(run.outputs, listing.names)       # {"metrics.csv": .../outputs/metrics.csv}
"""

from __future__ import annotations

import os
import threading
import unicodedata
from collections.abc import Collection, Iterable
from fnmatch import fnmatchcase
from pathlib import Path

from lib import files
from lib.errors import Failed, UsageError, first
from lib.launching.fetching.parts import HIDDEN
from lib.launching.session import KernelRef, Output, Session

SHOWN = 12
"""Names that an error lists at most."""


class Listing:
    """What a place lists of a session; several threads may ask."""

    def __init__(self, session: Session, ref: KernelRef) -> None:
        self._session, self._ref = session, ref
        self._lock = threading.Lock()
        self._outputs = {output.name: output for output in session.outputs(ref)}

    @property
    def names(self) -> list[str]:
        """The outputs' names, in the place's order."""
        return list(self._outputs)

    def output(self, name: str) -> Output:
        """The output, with its newest address."""
        return self._outputs[name]

    def renew(self, stale: Output) -> None:
        """List again, unless somebody has done so since `stale` was listed. `LostConnection` when nobody answers."""
        with self._lock:
            if self._outputs[stale.name] is stale:
                again = {output.name: output for output in self._session.outputs(self._ref)}
                self._outputs = {name: again.get(name, old) for name, old in self._outputs.items()}


def chosen(names: Collection[str], only: Collection[str]) -> list[str]:
    """The names that fit one of the patterns, all without one; `UsageError` that lists them when none fits."""
    found = [name for name in names if not only or any(fnmatchcase(name, pattern) for pattern in only)]
    if found or not only:
        return found
    raise UsageError(
        f"no output is called {' or '.join(map(repr, only))}",
        f"there are {first(sorted(names), SHOWN)}"
        if names
        else "no output is listed yet: a session on Kaggle shows them when it is over",
    )


def places(folder: Path, names: Iterable[str]) -> dict[str, Path]:
    """Where each output goes. `Failed` for a name that leads out of `folder`, or two that would be one file here."""
    targets = {name: _inside(folder, name) for name in names}
    apart = (lambda path: path) if _tells_case(folder) else _folded
    taken: dict[object, str] = {}
    for name, target in targets.items():
        other = taken.setdefault(apart(target), name)
        if other != name:
            raise Failed(f"the outputs {other!r} and {name!r} would be one file in {folder}: refused")
    hidden = apart(files.inside(folder, HIDDEN))
    for name, target in targets.items():
        for parent in (target, *target.parents):
            if apart(parent) == hidden:
                raise Failed(f"the name {name!r} is that of the folder for unfinished downloads: refused")
            if parent != target and apart(parent) in taken:
                raise Failed(f"{taken[apart(parent)]!r} is a file and a folder in {name!r}: refused")
    return targets


def _inside(folder: Path, name: str) -> Path:
    try:
        os.fsencode(name)
        return files.inside(folder, name)
    except ValueError:  # half a character, or a NUL
        raise Failed(f"the name {name!r} is no file's: refused") from None


def _folded(path: Path) -> str:
    return unicodedata.normalize("NFC", str(path)).casefold()


def _tells_case(folder: Path) -> bool:
    """Whether names that differ in case only are two files there, as on Linux and unlike on macOS and Windows."""
    above = [path for path in (folder, *folder.parents) if path.name.swapcase() != path.name]
    seen = next((path for path in above if path.exists()), None)
    other = seen and seen.with_name(seen.name.swapcase())
    return other is None or not (other.exists() and other.samefile(seen))
