"""Files of classes that lie beside the data, compared with the masks: `classes.json`, `class_dict.csv` and the like.

Any JSON or CSV that gives names colours counts, as `#RRGGBB`, as `[r, g, b]`, or in columns r, g, b.
"""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lib.data.doctor.findings import Example, Finding, percent, relative, several
from lib.data.doctor.judge import Judge, Table

NAMES = ("title", "name", "label", "class", "class_name", "category")
COLOURS = ("color", "colour", "rgb", "hex", "color_hex")
LARGEST = 1 << 20
"""Bytes of a file that is read."""

FREQUENT = 0.001
"""Share of all pixels from which a colour that the file does not list is told."""

DEEP = 3
"""Folders below the data root in which files are looked for."""


@dataclass(frozen=True)
class Listed:
    """A file of classes: names with their colours, 0xRRGGBB."""

    path: Path
    colours: dict[str, int]


def read_all(root: Path) -> list[Listed]:
    """Every file of classes under `root`."""
    found = []
    for path in _candidates(root):
        colours = _json(path) if path.suffix.lower() == ".json" else _csv(path)
        if len(colours) >= 2:
            found.append(Listed(path, colours))
    return found


def check(files: list[Listed], table: Table, judge: Judge, root: Path) -> list[Finding]:
    """Listed colours that no mask holds, and frequent colours of masks that are not listed."""
    if judge.kind != "colour" or not table.of:
        return []
    return [finding for listed in files if (finding := _compared(listed, table, judge, root))]


def _compared(listed: Listed, table: Table, judge: Judge, root: Path) -> Finding | None:
    share = table.pixels / table.total
    shown = listed.colours
    absent = {name: code for name, code in shown.items() if code not in table.codes}
    common = (share >= FREQUENT) | (table.masks >= 0.2 * table.of)
    missing = [int(place) for place in np.flatnonzero(common & ~np.isin(table.codes, list(shown.values())))]
    if not absent and not missing:
        return None
    if not missing and judge.competition is None and len(absent) < len(shown):
        return None  # classes that do not occur here
    words = []
    if absent:
        some = ", ".join(f"{name} #{code:06X}" for name, code in list(absent.items())[:3])
        more = " …" if len(absent) > 3 else ""
        words.append(f"{len(absent)} of its {several(len(shown), 'colour')} in no mask ({some}{more})")
    if missing:
        missing.sort(key=lambda place: -table.pixels[place])
        some = ", ".join(f"#{int(table.codes[place]):06X} {percent(float(share[place]))}" for place in missing[:6])
        words.append(f"masks hold {several(len(missing), 'colour')} that it does not list ({some})")
    what = f"{relative(listed.path, root)} is not what the masks hold: " + "; ".join(words)
    fix = _meant(listed, judge) or "take the colours of the masks for true, and look at a few beside their images"
    place = missing[0] if missing else None
    example = table.examples[place] if place is not None else Example(mask=listed.path)
    level = "warning" if missing else "note"
    return Finding(level, "classes file", what, (listed.path,), None, fix, example)


def _meant(listed: Listed, judge: Judge) -> str | None:
    """How a competition colours the classes that the file colours differently."""
    if judge.competition is None:
        return None
    known = {_plain(label.name): label for label in (*judge.competition.classes, *judge.competition.ignore)}
    pairs = []
    for name, code in listed.colours.items():
        label = next((label for word, label in known.items() if _plain(name).startswith(word)), None)
        if label and label.colour and label.colour != f"#{code:06X}":
            pairs.append(f"{label.name} {label.colour}")
    return f"go by {judge.competition.name}'s own colours: " + ", ".join(pairs) if pairs else None


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _candidates(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        depth = len(Path(folder).relative_to(root).parts)
        folders[:] = sorted(name for name in folders if not name.startswith(".")) if depth < DEEP else []
        for name in sorted(names):
            path = Path(folder) / name
            if path.suffix.lower() in (".json", ".csv") and path.stat().st_size <= LARGEST:
                yield path


def _json(path: Path) -> dict[str, int]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return {}
    found: dict[str, int] = {}
    waiting = [content]
    while waiting:
        part = waiting.pop(0)
        if isinstance(part, list):
            waiting += part
        elif isinstance(part, dict):
            lower = {str(key).lower(): value for key, value in part.items()}
            name = next((lower[key] for key in NAMES if isinstance(lower.get(key), str)), None)
            code = next((code for key in COLOURS if (code := colour_of(lower.get(key))) is not None), None)
            if name is not None and code is not None:
                found[name] = code
                continue
            for key, value in part.items():
                if (code := colour_of(value)) is not None and str(key).lower() not in COLOURS:
                    found[str(key)] = code
                elif (code := colour_of(str(key))) is not None and isinstance(value, str):
                    found[value] = code
                else:
                    waiting.append(value)
    return found


def _csv(path: Path) -> dict[str, int]:
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, ValueError, csv.Error):
        return {}
    found = {}
    for row in rows[:512]:
        lower = {str(key).strip().lower(): value for key, value in row.items() if isinstance(value, str)}
        name = next((lower[key] for key in NAMES if key in lower), None)
        code = next((code for key in COLOURS if (code := colour_of(lower.get(key))) is not None), None)
        for keys in (("r", "g", "b"), ("red", "green", "blue")):
            if code is None and all(key in lower for key in keys):
                code = colour_of([lower[key] for key in keys])
        if name is not None and code is not None:
            found[name] = code
    return found


def colour_of(value: Any) -> int | None:
    """A colour as 0xRRGGBB from `#3C1098`, `[60, 16, 152]`, `60, 16, 152`; None for anything else."""
    if isinstance(value, str):
        match = re.fullmatch(r"\s*#([0-9A-Fa-f]{6})\s*", value)
        if match:
            return int(match[1], 16)
        parts: list[Any] = re.findall(r"\d+", value) if re.fullmatch(r"[\s\d,;()\[\]]+", value) else []
    else:
        parts = value if isinstance(value, list | tuple) else []
    try:
        numbers = [int(part) for part in parts]
    except (TypeError, ValueError):
        return None
    if len(numbers) != 3 or not all(0 <= number < 256 for number in numbers):
        return None
    return numbers[0] << 16 | numbers[1] << 8 | numbers[2]
