"""Files of classes that lie beside the data, compared with the masks: `classes.json`, `class_dict.csv` and the like.

Any JSON or CSV that gives names colours counts (lib/data/class_files.py).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lib.data.class_files import tables
from lib.data.doctor.findings import Example, Finding, percent, relative, several
from lib.data.doctor.judge import Judge, Table

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
        entries = [entry for table in tables(path) for entry in table]
        colours = {entry.name: entry.colour for entry in entries if entry.colour is not None}
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
            if path.suffix.lower() in (".json", ".csv"):
                yield path
