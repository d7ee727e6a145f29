"""Paths with named holes: `Tile {tile}/images/{name}.jpg` finds files and says what stood in each hole.

A hole matches inside one folder or file name, never across a slash; the same hole twice must match the same text.
`{n:03}` writes a number with leading zeros.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import AfterValidator

_HOLE = re.compile(r"\{([a-z_]+(?::0[1-9])?)\}")


def _checked(text: str) -> str:
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts or "\\" in text:
        raise ValueError("a pattern is a relative path with forward slashes, inside the data root")
    if "{" in _HOLE.sub("", text) or "}" in _HOLE.sub("", text):
        raise ValueError("a field is written {name}, in small letters")
    return text


Pattern = Annotated[str, AfterValidator(_checked)]


def fields(pattern: str) -> list[str]:
    """The names of a pattern's holes, each once, in order."""
    return list(dict.fromkeys(hole.partition(":")[0] for hole in _HOLE.findall(pattern)))


def fill(pattern: str, values: dict[str, str]) -> str:
    """The pattern with every hole filled from `values`; holes that `values` does not name stay."""

    def text(hole: re.Match) -> str:
        name, _, width = hole[1].partition(":")
        value = str(values.get(name, hole[0]))
        return value.zfill(int(width)) if width and value.isdecimal() else value

    return _HOLE.sub(text, pattern)


def find(root: Path, pattern: str) -> Iterator[tuple[Path, dict[str, str]]]:
    """Every file under `root` that fits, with the text of each hole, in the order of names.

    Folders that cannot fit are not read.
    """
    yield from _descend(Path(root), PurePosixPath(pattern).parts, {})


def _descend(folder: Path, parts: tuple[str, ...], known: dict[str, str]) -> Iterator[tuple[Path, dict[str, str]]]:
    part, rest = fill(parts[0], known), parts[1:]
    if not fields(part):
        names = [(part, {})] if (folder / part).exists() else []
    else:
        shape = re.compile(_regex(part))
        try:
            names = [(name, match.groupdict()) for name in _listing(folder) if (match := shape.fullmatch(name))]
        except OSError:
            return
    for name, found in names:
        path = folder / name
        if rest:
            if path.is_dir():
                yield from _descend(path, rest, known | found)
        elif path.is_file():
            yield path, known | found


def _listing(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))


def _regex(part: str) -> str:
    seen: set[str] = set()

    def hole(match: re.Match) -> str:
        name = match[1].partition(":")[0]
        if name in seen:
            return f"(?P={name})"
        seen.add(name)
        return f"(?P<{name}>.+?)"

    pieces = _HOLE.split(part)
    literal = [re.escape(piece) if place % 2 == 0 else "{" + piece + "}" for place, piece in enumerate(pieces)]
    return _HOLE.sub(hole, "".join(literal))
