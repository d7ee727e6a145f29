"""What was found wrong or strange in a data set: a sentence each, with where, how much, an example and what to do.

Finding("error", "values", "value 9 is no class's (0.41% of the pixels of 3 masks)", (path,), 0.0041, "add it to …")
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Level = Literal["error", "warning", "note"]

LEVELS: tuple[Level, ...] = ("error", "warning", "note")
"""Worst first. Only errors make the command fail."""

LISTED = 50
"""Paths of one finding that a document lists."""


@dataclass(frozen=True)
class Example:
    """A place to look at: a pixel of an image or of its mask, and where two images are compared the other one."""

    image: Path | None = None
    mask: Path | None = None
    row: int | None = None
    column: int | None = None
    other: Path | None = None

    def place(self, root: Path) -> str:
        """In words: `masks/a.png at row 3, column 9`."""
        file = self.mask or self.image
        words = relative(file, root) if file else ""
        if self.row is not None:
            words += f" at row {self.row}, column {self.column}"
        return words + (f" and {relative(self.other, root)}" if self.other else "")


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong (error), harmful or doubtful (warning), or good to know (note)."""

    level: Level
    check: str
    """The check's theme, such as `values`."""
    what: str
    where: tuple[Path, ...] = ()
    share: float | None = None
    """How much of the pixels or of the images, 0..1, where that can be said."""
    fix: str | None = None
    example: Example | None = None


@dataclass(frozen=True)
class Diagnosis:
    """Everything about a data set: findings, worst first; facts for tables and pictures."""

    root: Path
    findings: tuple[Finding, ...]
    facts: dict[str, Any] = field(default_factory=dict)
    images: tuple[Any, ...] = ()
    """A record for each image (`lib.data.doctor.records.Record`)."""
    judge: Any = None
    table: Any = None
    """How values were read, and all of them (`lib.data.doctor.judge`)."""

    @property
    def failed(self) -> bool:
        """Whether there is an error."""
        return any(finding.level == "error" for finding in self.findings)

    def document(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {
            "data": str(self.root),
            "findings": [self._document(finding) for finding in self.findings],
            "facts": self.facts,
        }

    def _document(self, finding: Finding) -> dict[str, Any]:
        example = finding.example
        return {
            "level": finding.level,
            "check": finding.check,
            "what": finding.what,
            "fix": finding.fix,
            "share": finding.share,
            "count": len(finding.where),
            "where": [relative(path, self.root) for path in finding.where[:LISTED]],
            "example": example
            and {
                "words": example.place(self.root),
                "row": example.row,
                "column": example.column,
                **{
                    key: relative(path, self.root)
                    for key in ("image", "mask", "other")
                    if (path := getattr(example, key))
                },
            },
        }


def ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Errors first, then warnings, then notes; else as they came."""
    return tuple(sorted(findings, key=lambda finding: LEVELS.index(finding.level)))


def relative(path: Path, root: Path) -> str:
    """A path as seen from the data root."""
    try:
        return path.relative_to(root).as_posix()
    except ValueError:
        return str(path)


def several(number: int, word: str) -> str:
    """`1 mask`, `1,204 masks`."""
    ending = "" if number == 1 else "es" if word.endswith("s") else "s"
    return f"{number:,} {word}{ending}"


def percent(share: float) -> str:
    """A share as people read it: 12.3%, 0.04%, < 0.01%."""
    if 0 < share < 0.0001:
        return "< 0.01%"
    return f"{share:.2%}" if share < 0.01 else f"{share:.1%}"


def first_folders(paths: Iterable[Path], root: Path, most: int = 3) -> str:
    """The folders of files in few words: those below the data root in which they differ."""
    folders = list(dict.fromkeys(relative(path.parent, root) for path in paths))
    parts = [folder.split("/") for folder in folders]
    while len(parts) > 1 and all(len(each) > 1 and each[0] == parts[0][0] for each in parts):
        parts = [each[1:] for each in parts]
    while len(parts) > 1 and all(len(each) > 1 and each[-1] == parts[0][-1] for each in parts):
        parts = [each[:-1] for each in parts]
    names = ["/".join(each) for each in parts]
    return ", ".join(names[:most]) + (f" and {len(names) - most} more folders" if len(names) > most else "")
