"""Files that name classes, beside the pictures of a data set: class_dict.csv, classes.json, classes.txt and the like.

for table in tables(Path("classes.json")):       # usually one
    table[0].name, table[0].colour, table[0].value      # "Water", 0x50E3C2, None

Understood are a CSV file with a header, and JSON of any depth: lists of objects, `{"Water": "#50E3C2"}`,
`{"#50E3C2": "Water"}`, `{"Water": 3}`, `{"3": "Water"}`, `["Land", "Water"]`; and text with a name a line.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib.rasters.packing import pack

LARGEST = 1 << 20
"""Bytes of a file that is read."""

ROWS = 512
"""Rows of a CSV file that are read; competitions have at most 250 classes."""

NAMES = ("name", "class_name", "classname", "label_name", "title", "class", "label", "category")
VALUES = ("value", "id", "index", "class_id", "classid", "label_id", "code", "pixel_value", "class", "label")
COLOURS = ("color", "colour", "hex", "rgb", "color_hex")
BANDS = (("r", "g", "b"), ("red", "green", "blue"))


@dataclass(frozen=True)
class Entry:
    """What a file says of one class."""

    name: str
    colour: int | None = None
    """0xRRGGBB."""
    value: int | None = None
    """Its number in masks."""

    @property
    def is_named(self) -> bool:
        """Whether the name is a word, and not a number."""
        return not self.name.lstrip("-").isdecimal()


Table = list[Entry]


def tables(path: Path) -> list[Table]:
    """The tables of classes in a file, with all that it says of each class; [] for a file that holds none.

    Entries without colour and value are there only where nothing but names is given, or beside others that have some.
    """
    try:
        if path.stat().st_size > LARGEST:
            return []
        text = path.read_text(encoding="utf-8-sig")
        found: list[Table] = []
        if path.suffix.lower() == ".json":
            found = list(_of_json(json.loads(text)))
        elif path.suffix.lower() == ".csv":
            rows = csv.DictReader(io.StringIO(text), skipinitialspace=True)
            found = [_table(list(itertools.islice(rows, ROWS)))]
        elif re.search("class|label", path.stem.lower()):
            found = [[Entry(line.strip()) for line in text.splitlines() if line.strip()]]
    except (OSError, ValueError, RecursionError, csv.Error):
        return []
    return [table for table in found if table]


def colour_of(value: Any, loose: bool = False) -> int | None:
    """A colour as 0xRRGGBB from `#3C1098`, `[60, 16, 152]`, `60, 16, 152`; None for anything else.

    `loose`: of what is said to be a colour, from `3C1098` and `rgb(60, 16, 152)`, too.
    """
    parts: Sequence[Any] = value if isinstance(value, list | tuple) else []
    if isinstance(value, str):
        match = re.fullmatch(r"#?([0-9A-Fa-f]{6})" if loose else r"#([0-9A-Fa-f]{6})", value.strip())
        if match:
            return int(match[1], 16)
        parts = re.findall(r"\d+", value) if loose or re.fullmatch(r"[\s\d,;()\[\]]+", value) else []
    numbers = [_number(part) for part in parts]
    return pack(numbers) if len(numbers) == 3 and all(n is not None and 0 <= n < 256 for n in numbers) else None


def _of_json(part: Any, within: bool = False) -> Iterator[Table]:
    """The tables in a part of a document; `within` a list of objects, which may be anything, those with colours."""
    if isinstance(part, list):
        plain = bool(part) and all(isinstance(each, str) for each in part)
        rows = [{"name": name} for name in part] if plain else [each for each in part if isinstance(each, dict)]
        inner, within_inner = part, True
    elif isinstance(part, dict):
        rows = _rows(part) or [each for each in part.values() if isinstance(each, dict) and _coloured(each)]
        inner, within_inner = list(part.values()), within
    else:
        return
    table = _table(rows)
    if table and (not within or any(entry.colour is not None for entry in table)):
        yield table
    for each in inner:
        if not (isinstance(each, dict) and _coloured(each)):
            yield from _of_json(each, within_inner)


def _rows(part: dict[str, Any]) -> list[dict[str, Any]]:
    """A mapping of names to colours or values, or the other way round, as rows."""
    rows = []
    for key, value in part.items():
        if key.lower() not in COLOURS and colour_of(value) is not None:
            rows.append({"name": key, "color": value})
        elif isinstance(value, str) and colour_of(key) is not None:
            rows.append({"name": value, "color": key})
    if rows or not part:
        return rows
    if all(key.lstrip("-").isdecimal() and isinstance(value, str) for key, value in part.items()):
        return [{"name": value, "value": key} for key, value in part.items()]
    if all(isinstance(value, int) and not isinstance(value, bool) for value in part.values()):
        return [{"name": key, "value": value} for key, value in part.items()]
    if all(colour_of(value, loose=True) is not None for value in part.values()):
        return [{"name": key, "color": value} for key, value in part.items()]
    return []


def _table(rows: list[dict[str, Any]]) -> Table:
    """Rows as classes; [] where none of them has a colour or a value, unless all are names and nothing else."""
    lower = [{str(key).strip().lower(): cell for key, cell in row.items() if key} for row in rows]
    entries = [(entry, set(row) == {"name"}) for row in lower if (entry := _entry(row))]
    known = [entry for entry, bare in entries if bare or entry.colour is not None or entry.value is not None]
    told = any(entry.colour is not None or entry.value is not None for entry in known)
    return known if told or all(set(row) == {"name"} for row in lower) else []


def _entry(row: dict[str, Any]) -> Entry | None:
    """A row's class, by its first name that is a word, else by its first; None without any."""
    said = [row[key].strip() for key in NAMES if isinstance(row.get(key), str) and row[key].strip()]
    entries = [Entry(name, _colour(row), _value(row)) for name in said]
    return next((entry for entry in entries if entry.is_named), entries[0] if entries else None)


def _coloured(part: dict[str, Any]) -> bool:
    """Whether an object is a class with its colour."""
    entry = _entry({str(key).lower(): cell for key, cell in part.items()})
    return entry is not None and entry.colour is not None


def _colour(row: dict[str, Any]) -> int | None:
    said = [colour_of([row.get(band) for band in bands]) for bands in BANDS]
    said += [colour_of(row.get(key), loose=True) for key in COLOURS]
    return next((colour for colour in said if colour is not None), None)


def _value(row: dict[str, Any]) -> int | None:
    return next((number for key in VALUES if (number := _number(row.get(key))) is not None), None)


def _number(cell: Any) -> int | None:
    try:
        return int(cell) if not isinstance(cell, bool | float) else None
    except (TypeError, ValueError):
        return None
