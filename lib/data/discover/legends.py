"""Names of classes from the files beside the pictures: class_dict.csv, classes.json, classes.txt.

legends = found(files)        # [Legend(path, colours={0x00FFFF: "urban_land"}, values={}, names=[...])]
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePosixPath

from lib.data.class_files import tables
from lib.data.discover.listing import Files

MOST = 250
"""Names of one table; one with more is no list of classes."""


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
    """All legends, files near the root first; of a file with several tables of classes the largest."""
    legends = []
    for path in sorted(files.others, key=lambda path: (len(path.parts), path)):
        named = [[entry for entry in table if entry.is_named] for table in tables(files.root / path)]
        entries = max(named, key=len, default=[])
        if 0 < len(entries) <= MOST:
            colours = {entry.colour: entry.name for entry in entries if entry.colour is not None}
            values = {entry.value: entry.name for entry in entries if entry.value is not None}
            legends.append(Legend(path, colours, values, tuple(entry.name for entry in entries)))
    return legends
