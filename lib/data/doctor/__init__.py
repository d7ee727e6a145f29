"""A data set's doctor: looks at every file once and says what is wrong, what is strange, and what there is.

diagnosis = examine(load("dubai"), Path("data"))       # by a competition's classes and layout
diagnosis = examine(None, Path("data"))                # any folder of images and masks
diagnosis.findings, diagnosis.facts, diagnosis.failed

Each theme is a file of small functions over the records of the files: pairs, files, values, palettes, classes_file,
duplicates, leakage, alignment, shares, statistics. `ceiling` answers what working size costs.
"""

from __future__ import annotations

from pathlib import Path

from lib.competitions import Competition
from lib.data.doctor import (
    alignment,
    classes_file,
    duplicates,
    files,
    leakage,
    pairs,
    palettes,
    shares,
    statistics,
    values,
)
from lib.data.doctor.findings import LEVELS, Diagnosis, Example, Finding, ordered
from lib.data.doctor.judge import Judge, Table
from lib.data.doctor.records import Track, look_at
from lib.errors import UsageError

__all__ = ["LEVELS", "Diagnosis", "Example", "Finding", "examine"]


def examine(competition: Competition | None, root: Path, track: Track = lambda items, words: items) -> Diagnosis:
    """Look at every image and mask under `root`; pairs are guessed where no competition says how they are named.

    Raises `UsageError` where no pair of files is found; everything else that is wrong becomes a finding.
    """
    root = Path(root)
    if not root.is_dir():
        raise UsageError(f"the data folder {root} does not exist", "give it with --data DIR")
    if competition is None or competition.data.train is None:
        found = pairs.guessed(root)
    else:
        found = pairs.by_patterns(competition, root, lambda known: pairs.split_parts(competition, known, root))
    coloured = competition is not None and competition.masks.coding == "colour"
    records = look_at(found.records, track, competition.masks.threshold if coloured else None)
    judge = Judge.of(competition, records)
    table = Table.of_set(judge, records)
    listed = classes_file.read_all(root)
    colours = frozenset(code for file in listed for code in file.colours.values())
    twins = duplicates.pairs(records)
    same = {frozenset((one.id, other.id)) for one, other, _ in twins}
    findings = [
        *found.findings,
        *files.check(records, competition),
        *pairs.sizes(records, competition),
        *values.check(table, judge, records, colours),
        *palettes.check(records, judge, root),
        *classes_file.check(listed, table, judge, root),
        *alignment.check(records, competition),
        *duplicates.check(records, twins),
        *leakage.check(records, same),
        *shares.check(table, judge, records),
        *statistics.check(records, competition),
    ]
    facts = {
        "competition": competition and competition.name,
        "images": sum(not record.stray for record in records),
        "masks": sum(record.mask is not None for record in records),
        "coding": judge.kind,
        "parts": _parts(records),
        "classes": shares.facts(table, judge),
        **statistics.facts(records),
    }
    return Diagnosis(root, ordered(findings), facts, tuple(records), judge, table)


def _parts(records: list) -> dict[str, int]:
    counted: dict[str, int] = {}
    for record in records:
        if record.part:
            counted[record.part] = counted.get(record.part, 0) + 1
    return counted
