"""`.kernelignore` beside launch.py: what of lib/ stays out of the bundle, in the syntax of `.gitignore`.

    # paths are relative to launch.py's folder
    lib/data/*.bin
    !lib/data/classes.bin
    /lib/reporting/

A file that the kernel imports cannot stay out: that is refused, with the line that says so.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from lib.errors import Refused, UsageError

if TYPE_CHECKING:
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

NAME = ".kernelignore"

BELOW = "ps_d"
"""The group of pathspec's expressions that takes part where a path only lies below the one that a line names."""


@dataclass(frozen=True)
class Ignored:
    """The lines of the file, and what they say of a path."""

    lines: tuple[str, ...] = ()

    def line(self, name: str) -> int | None:
        """The number, from 1, of the line that leaves `name` out; None when it ships.

        As in git, nothing below a folder that is left out can be let in again.
        """
        parts = PurePosixPath(name).parts
        for depth in range(1, len(parts) + 1):
            number, is_out = self._last("/".join(parts[:depth]), depth < len(parts))
            if is_out:
                return number
        return None

    def _last(self, path: str, is_folder: bool) -> tuple[int, bool]:
        """The last line that speaks of this very path, and whether it leaves it out; (0, False) without one."""
        for number in range(len(self.lines), 0, -1):
            pattern, folders_only = self._patterns[number - 1]
            found = pattern.regex.match(path) if pattern.regex and (is_folder or not folders_only) else None
            if found and not found.groupdict().get(BELOW):
                return number, bool(pattern.include)
        return 0, False

    @cached_property
    def _patterns(self) -> list[tuple[GitIgnoreSpecPattern, bool]]:
        """Each line's pattern, and whether it speaks of folders alone: then it ends in a slash."""
        from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

        folders = [line.rstrip().endswith("/") for line in self.lines]
        return [
            (GitIgnoreSpecPattern(line.rstrip()[:-1] if alone else line), alone)
            for line, alone in zip(self.lines, folders, strict=True)
        ]

    def split(self, contents: Mapping[str, bytes]) -> tuple[dict[str, bytes], dict[str, bytes]]:
        """What ships of `contents`, and what stays."""
        out = {name for name in contents if self.lines and self.line(name)}
        return (
            {name: content for name, content in contents.items() if name not in out},
            {name: contents[name] for name in contents if name in out},
        )


def load(project: Path) -> Ignored:
    """The project's `.kernelignore`; one that leaves nothing out where there is none."""
    path = project / NAME
    if not path.is_file():
        return Ignored()
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from None
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern  # not imported without a `.kernelignore`

    for number, line in enumerate(lines, 1):
        try:
            GitIgnoreSpecPattern(line)
        except ValueError as error:
            raise UsageError(f"{path}, line {number}: {error}", "it is written as a .gitignore is") from None
    return Ignored(tuple(lines))


def check_imports(kernel: str, ships: Mapping[str, bytes], stays: Mapping[str, bytes], ignored: Ignored) -> None:
    """Raise `Refused` when `kernel`, or a module that it imports, imports one that stays out.

    Names are paths such as `kernels/train.py` and `lib/errors.py`.
    """
    if not any(name.endswith(".py") for name in stays):
        return
    waiting, known = [kernel], {kernel}
    while waiting:
        name = waiting.pop()
        for other in _imported(name, ships[name]):
            if other in stays:
                number = ignored.line(other)
                raise Refused(
                    f"{name} imports {other}, and {NAME} leaves it out (line {number}: {ignored.lines[number - 1]}), "
                    "so the kernel could not run",
                    f"take the line out of {NAME}, or add one below it: !/{other}",
                )
            if other in ships and other not in known:
                known.add(other)
                waiting.append(other)


def _imported(name: str, source: bytes) -> Iterator[str]:
    """The files that a module's imports may mean, also those within functions, but those for type checkers."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):  # the kernel itself will say so, with its line
        return
    package = PurePosixPath(name).parent.parts
    for node in _nodes(tree):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join(filter(None, (*above, node.module)))
            modules = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        else:
            continue
        for module in modules:
            parts = module.split(".")
            for end in range(1, len(parts) + 1):
                path = "/".join(parts[:end])
                yield f"{path}/__init__.py"
                yield f"{path}.py"


def _nodes(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        yield node
        yield from _nodes(node)
