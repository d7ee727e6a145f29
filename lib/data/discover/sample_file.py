"""The submission's table, from a sample submission beside the data: its columns, and how ids are made.

guess = guessed(files, ids, numbers={1: "roof", 2: "pool"})    # .csv {"columns": [...], "id": "{id}_{class}", ...}
"""

from __future__ import annotations

import csv
import itertools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib.data.discover.listing import Files

ROWS = 50_000
"""Rows that are read."""

CELLS = {"height": "{height}", "width": "{width}", "class": "{class}", "classid": "{class}", "classtype": "{class}"}
CELLS |= {"imageheight": "{height}", "imagewidth": "{width}", "categoryid": "{class}"}
"""What a column between the first and the last holds, by its name in small letters."""


@dataclass(frozen=True)
class Guess:
    """The table [submission.csv], with what it rests on."""

    csv: dict[str, Any]
    why: str
    notes: tuple[str, ...] = ()


def guessed(files: Files, ids: set[str], numbers: dict[int, str]) -> Guess | None:
    """The guess; None without a sample. `ids`: of the test images; `numbers`: each class's number and name."""
    path = next((p for p in files.others if p.suffix.lower() == ".csv" and _is_sample(p.stem)), None)
    if path is None:
        return None
    header, rows = _read(files.root / path)
    if len(header) < 2 or not rows:
        return None
    shapes = [shape for row in rows if (shape := _shape(row[0], ids))]
    notes = []
    if len(shapes) < len(rows) / 2:
        notes.append(f"{path}: {len(rows) - len(shapes)} of {len(rows)} ids hold no test image's id")
    endings = {ending for ending, _ in shapes}
    behind = {rest for _, rest in shapes if rest}
    table: dict[str, Any] = {"columns": header}
    cells = [CELLS.get(re.sub(r"[^a-z]", "", name.lower()), "") for name in header[1:-1]]
    has_class = "{class}" in cells
    table["id"] = "{id}" + (endings.pop() if len(endings) == 1 else "")
    if behind:
        table["id"] += "_{class}" if all(rest.isdecimal() for rest in behind) else "_{name}"
        sent = [n for k, n in numbers.items() if str(k) in behind or n in behind]
        if len(sent) < len(behind):
            notes.append(f"{path}: ids end in {len(behind)} different words, and {len(sent)} of them are classes here")
    elif has_class:
        sent = list(numbers.values())
    else:
        sent = [name for number, name in sorted(numbers.items()) if number != 0][-1:] or list(numbers.values())[-1:]
        if len(numbers) > 2:
            notes.append(f"{path} has a row an image, and there are {len(numbers)} classes: which one has rows?")
    if len(cells) and not all(cells):
        notes.append(
            f"{path}: what stands in {', '.join(n for n, c in zip(header[1:-1], cells, strict=True) if not c)}?"
        )
    table["cells"] = [*(cell or "" for cell in cells), "{mask}"]
    if len(cells) == 0:
        del table["cells"]
    if sent and len(sent) < len(numbers):
        table["classes"] = sent
    empty = {row[-1].strip() for row in rows} & {"-", "-1"}
    if empty:
        table["empty"] = empty.pop()
    table["sample"] = str(path)
    return Guess(table, f"the columns and ids of {path}, {len(rows)} rows read", tuple(notes))


def _is_sample(stem: str) -> bool:
    return bool(re.search(r"sample.*sub|sub.*sample|^sample$", stem.lower()))


def _read(path: Path) -> tuple[list[str], list[list[str]]]:
    with open(path, encoding="utf-8-sig", newline="", errors="replace") as file:
        reader = csv.reader(file)
        header = next(reader, [])
        return header, [row for row in itertools.islice(reader, ROWS) if len(row) == len(header)]


def _shape(text: str, ids: set[str]) -> tuple[str, str] | None:
    """A row's id as what stands behind the image's: a file's ending, and the rest behind an underscore."""
    for end in range(len(text), 0, -1):
        if text[:end] in ids:
            found = re.fullmatch(r"(\.[A-Za-z]{2,4})?(?:_(.+))?", text[end:])
            return (found[1] or "", found[2] or "") if found else None
    return None
