"""What a competition would refuse, or score as nothing, found before it costs a submission.

    problems = check(path, competition, layout, masks)     # [] when the file is right

The file is decoded again, and compared pixel for pixel with the masks that it was made from when they are at hand: a
mask written in the wrong order has the right area and a Dice of 0.1.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from lib.competitions import Competition
from lib.errors import DataError, Refused, SwathError, first
from lib.submissions import container, run_table
from lib.submissions.layout import Layout, Masks, Row, read_rows
from lib.submissions.png_archive import open_zip

SHOWN = 3
"""How many ids a sentence names."""


def check(path: Path, competition: Competition, layout: Layout, masks: Masks | None = None) -> list[str]:
    """Sentences that say what is wrong with a file, an empty list when nothing is.

    With `masks` every image is decoded and compared with its label map.
    """
    problems = _size(path, competition)
    try:
        ids = _csv_ids(path, competition, problems) if competition.submission.csv else open_zip(path).namelist()
    except DataError as error:
        return [*problems, error.reason]
    problems += _ids(ids, [row.id for row in layout.rows], ordered=competition.submission.csv is not None)
    if problems:
        return problems
    try:
        if None in layout.sizes.values() and competition.submission.csv:
            return _runs_only(path, competition, layout)
        for image, labels in container.read(path, competition, layout):
            if masks is not None:
                wrong = int(np.count_nonzero(labels != container.sent_only(masks(image), competition)))
                problems += [f"{image}: {wrong} pixels decode to another class than the mask has"] if wrong else []
    except SwathError as error:
        problems.append(error.reason)
    return problems


def must_pass(path: Path, competition: Competition, layout: Layout) -> None:
    """Raise `Refused` with everything that is wrong with a file."""
    problems = check(path, competition, layout)
    if problems:
        raise Refused(f"{path} would be wasted: {'; '.join(problems)}", f"python submit.py check {path}")


def _size(path: Path, competition: Competition) -> list[str]:
    limit = competition.submission.max_megabytes
    size = path.stat().st_size / 1e6 if path.is_file() else 0
    return [f"{path} is {size:.1f} MB, and the competition takes {limit:g} MB"] if limit and size > limit else []


def _csv_ids(path: Path, competition: Competition, problems: list[str]) -> list[str]:
    rows = read_rows(path)
    columns, wanted = next(rows, []), list(competition.submission.csv.columns)
    if columns != wanted:
        problems.append(f"the columns are {', '.join(columns) or 'missing'}; the competition wants {', '.join(wanted)}")
    ids = []
    for number, row in enumerate(rows, start=2):
        if not row:  # a blank line, which readers of CSV skip
            continue
        if len(row) != len(wanted):
            problems.append(f"line {number} has {len(row)} fields instead of {len(wanted)}")
            break
        ids.append(row[0])
    return ids


def _ids(found: list[str], wanted: list[str], ordered: bool) -> list[str]:
    counts, known = Counter(found), set(wanted)
    missing = [name for name in wanted if name not in counts]
    extra = [name for name in counts if name not in known]
    doubled = [name for name, count in counts.items() if count > 1]
    problems = []
    for names, what in ((missing, "missing"), (extra, "that nobody asked for"), (doubled, "that stand more than once")):
        if names:
            problems.append(f"{len(names)} ids {what}: {first(names, SHOWN)}")
    if ordered and not problems and found != wanted:
        place = next(number for number, (one, other) in enumerate(zip(found, wanted, strict=True)) if one != other)
        problems.append(f"the ids are in another order: row {place + 1} is {found[place]}, expected {wanted[place]}")
    return problems


def _runs_only(path: Path, competition: Competition, layout: Layout) -> list[str]:
    """Without the images' sizes: everything but whether the last run ends inside its image."""
    known = {row.id: row for row in layout.rows}
    rows = read_rows(path)
    next(rows)
    runs: dict[str, dict[Row, np.ndarray]] = {}
    for row_id, text in filter(None, rows):
        row = known[row_id]
        runs.setdefault(row.image, {})[row] = run_table.runs_of(row, text, competition, None, path)
    for found in runs.values():
        run_table.must_not_overlap(list(found), list(found.values()), path)
    return []
