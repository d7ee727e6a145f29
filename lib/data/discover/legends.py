"""Names of classes from the files beside the pictures: class_dict.csv, classes.json, classes.txt.

legends = found(files)        # [Legend(path, colours={0x00FFFF: "urban_land"}, values={}, names=[...])]
"""

from __future__ import annotations

import csv
import json
import re
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from lib.data.discover.listing import Files

MOST_BYTES = 200_000
NAMES = ("name", "class_name", "classname", "label_name", "class", "label", "title", "category")
VALUES = ("value", "id", "index", "class_id", "classid", "label_id", "code", "pixel_value", "class", "label")
BANDS = (("r", "g", "b"), ("red", "green", "blue"))


@dataclass(frozen=True)
class Legend:
    """What one file says of classes."""

    path: PurePosixPath
    colours: dict[int, str] = field(default_factory=dict)
    """0xRRGGBB → name."""
    values: dict[int, str] = field(default_factory=dict)
    """Mask value → name."""
    names: tuple[str, ...] = ()
    """Names in the file's order."""


def found(files: Files) -> list[Legend]:
    """All legends, files near the root first; what cannot be read as one is none."""
    legends = []
    for path in sorted(files.others, key=lambda path: (len(path.parts), path)):
        if (files.root / path).stat().st_size <= MOST_BYTES:
            try:
                rows = _rows(files.root / path)
            except (ValueError, csv.Error, UnicodeDecodeError, RecursionError):
                continue
            legend = _legend(path, rows)
            if legend.colours or legend.values or legend.names:
                legends.append(legend)
    return legends


def _rows(path: Path) -> list[dict[str, Any]]:
    """A file as rows with keys in small letters."""
    text = path.read_text(encoding="utf-8-sig")
    if path.suffix.lower() == ".csv":
        rows = list(csv.DictReader(text.splitlines(), skipinitialspace=True))
    elif path.suffix.lower() == ".json":
        rows = _objects(json.loads(text))
    elif "class" in path.stem.lower() or "label" in path.stem.lower():
        rows = [{"name": line.strip()} for line in text.splitlines() if line.strip()]
    else:
        rows = []
    return [{str(key).strip().lower(): value for key, value in row.items() if key} for row in rows]


def _objects(document: Any) -> list[dict[str, Any]]:
    """The objects of a JSON document that may be classes: a list's, or a table's of names or colours."""
    if isinstance(document, list):
        if document and all(isinstance(each, str) for each in document):
            return [{"name": name} for name in document]
        return [each for each in document if isinstance(each, dict)]
    if not isinstance(document, dict):
        return []
    if document and all(key.lstrip("-").isdecimal() and isinstance(name, str) for key, name in document.items()):
        return [{"value": key, "name": name} for key, name in document.items()]
    if document and all(isinstance(each, int) and not isinstance(each, bool) for each in document.values()):
        return [{"value": value, "name": name} for name, value in document.items()]
    if document and all(_colour_of({"color": each}) is not None for each in document.values()):
        return [{"name": name, "color": colour} for name, colour in document.items()]
    inner = [_objects(each) for each in document.values() if isinstance(each, list | dict)]
    return max(inner, key=len, default=[])


def _legend(path: PurePosixPath, rows: list[dict[str, Any]]) -> Legend:
    colours, values, names = {}, {}, []
    for row in rows:
        name = next(
            (str(row[key]).strip() for key in NAMES if isinstance(row.get(key), str) and _is_name(row[key])), ""
        )
        if not name:
            continue
        colour = _colour_of(row)
        number = next((n for key in VALUES if (n := _number(row.get(key))) is not None), None)
        if colour is not None:
            colours[colour] = name
        if number is not None:
            values[number] = name
        if set(row) == {"name"} or colour is not None or number is not None:
            names.append(name)
    if len(names) > 250 or (not colours and not values and not all(set(row) == {"name"} for row in rows)):
        return Legend(path)
    return Legend(path, colours, values, tuple(names))


def _is_name(text: str) -> bool:
    return bool(text.strip()) and not text.strip().lstrip("-").isdecimal()


def _number(cell: Any) -> int | None:
    try:
        return int(cell) if not isinstance(cell, bool | float) else None
    except (TypeError, ValueError):
        return None


def _colour_of(row: dict[str, Any]) -> int | None:
    for bands in BANDS:
        numbers = [_number(row.get(band)) for band in bands]
        if None not in numbers and all(0 <= number <= 255 for number in numbers):
            return numbers[0] << 16 | numbers[1] << 8 | numbers[2]
    for key in ("color", "colour", "hex", "rgb"):
        said = row.get(key)
        if isinstance(said, str) and (hexadecimal := re.fullmatch(r"#?([0-9A-Fa-f]{6})", said.strip())):
            return int(hexadecimal[1], 16)
        numbers = re.findall(r"\d+", said) if isinstance(said, str) else said
        if isinstance(numbers, list) and len(numbers) == 3 and all(_number(n) is not None for n in numbers):
            red, green, blue = (min(255, max(0, int(n))) for n in numbers)
            return red << 16 | green << 8 | blue
    return None
