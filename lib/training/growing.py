"""A table that grows while a run trains, as CSV, and that a later session takes over from an earlier one.

    table = Growing(working / "gradients.csv", ("step", "block", "grad_norm", "update_ratio"))
    table.take_over(outputs / "gradients.csv", lambda row: int(row["step"]) <= 120)
    table.add([{"step": 150, "block": "decoder", "grad_norm": 0.4, "update_ratio": 0.001}])

A cell that is None is empty.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lib import files


class Growing:
    """Rows are appended, so that a long table costs no more than a short one."""

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self.path, self.columns = path, list(columns)

    def add(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Append rows; the file begins with the first of them."""
        text = _text(rows, self.columns, header=not self.path.exists())
        with files.told(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(self.path, "a", encoding="utf-8", newline="") as file:
                file.write(text)

    def take_over(self, earlier: Path, keep: Callable[[Mapping[str, str]], bool]) -> None:
        """Begin with the rows of an earlier session's file that `keep` says yes to; none where there is no file."""
        kept = [row for row in read(earlier) if keep(row)]
        if kept:
            files.write(self.path, _text(kept, self.columns))


def write(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write a whole table, with every column that any of its rows has."""
    files.write(path, _text(rows, list(dict.fromkeys(name for row in rows for name in row))))


def _text(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], header: bool = True) -> str:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\n", extrasaction="ignore")
    if header:
        writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def read(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file, each value as text; none when it is missing. A last row that was cut off is left out."""
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    return list(csv.DictReader(lines if not lines or lines[-1].endswith("\n") else lines[:-1]))


def numbers(rows: Iterable[Mapping[str, str]], words: Collection[str] = ()) -> list[dict[str, Any]]:
    """Rows as numbers, an empty cell as None; columns of `words` stay text."""
    return [
        {key: value if key in words else float(value) if value else None for key, value in row.items()} for row in rows
    ]
