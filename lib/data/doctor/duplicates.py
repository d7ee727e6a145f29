"""Images that are there twice: the very file, or the same picture saved again.

Across training, validation and test a duplicate makes a score too good to be true; within one part it counts twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lib.data.doctor.findings import Example, Finding, several

if TYPE_CHECKING:
    from lib.data.doctor.records import Record

NEAR = 1.5
"""Mean difference, of 255, between the grey pictures of 16 x 16 below which two images are the same."""

FLAT = 2.0
"""Deviation of a grey picture below which nothing can be said."""

BATCH = 512


def pairs(records: Sequence[Record]) -> list[tuple[Record, Record, bool]]:
    """Pairs of records with the same image, each with whether the very bytes agree; every image with its first twin."""
    first: dict[str, int] = {}
    found: dict[int, tuple[int, bool]] = {}
    for number, record in enumerate(records):
        if record.image.sha256:
            twin = first.setdefault(record.image.sha256, number)
            if twin != number:
                found[number] = twin, True
    known = [
        number
        for number, record in enumerate(records)
        if number not in found and record.image.grey is not None and record.image.grey.std() >= FLAT
    ]
    for one, other in _near(known, records):
        if not _one_place(records[one], records[other]):
            found.setdefault(other, (one, False))
    return [(records[twin], records[number], exact) for number, (twin, exact) in sorted(found.items())]


def _one_place(one: Record, other: Record) -> bool:
    """Whether two images share a mask: one place on several dates, which is to look alike."""
    return bool(one.mask and other.mask and one.mask.path == other.mask.path)


def _near(known: list[int], records: Sequence[Record]) -> list[tuple[int, int]]:
    """Numbers of images of one shape whose small grey pictures nearly agree, the earlier one first."""
    if len(known) < 2:
        return []
    grey = np.stack([records[number].image.grey.reshape(-1) for number in known])
    squares = (grey**2).sum(axis=1)
    found = []
    for start in range(0, len(known), BATCH):
        part = grey[start : start + BATCH]
        apart = squares[start : start + BATCH, None] + squares[None] - 2 * part @ grey.T
        close = np.argwhere(apart < (2 * NEAR) ** 2 * grey.shape[1])
        for place, other in close:
            one, two = start + int(place), int(other)
            if one >= two or np.abs(grey[one] - grey[two]).mean() >= NEAR:
                continue
            high, wide = records[known[one]].image.head.shape, records[known[two]].image.head.shape
            if abs(high[0] * wide[1] - high[1] * wide[0]) <= 0.02 * high[1] * wide[0]:
                found.append((known[one], known[two]))
    return found


def check(records: Sequence[Record], found: Sequence[tuple[Record, Record, bool]]) -> list[Finding]:
    """Duplicates across parts (error), within one (warning)."""
    across = [each for each in found if None not in (each[0].part, each[1].part) and each[0].part != each[1].part]
    within = [each for each in found if each not in across]
    told = []
    for chosen, level in ((across, "error"), (within, "warning")):
        if not chosen:
            continue
        exact = sum(same for _, _, same in chosen)
        how = (
            "the very same file"
            if exact == len(chosen)
            else "nearly the same picture"
            if not exact
            else (f"{exact} the very same file, the others nearly the same picture")
        )
        parts = sorted({(one.part, other.part) for one, other, _ in chosen if level == "error"})
        where = f" across {' and '.join(parts[0])}" if level == "error" else ""
        what = f"{several(len(chosen), 'image')} there twice{where}: {how}"
        fix = "leave one of each out: data.exclude" + (", or give both one group" if level == "error" else "")
        one, other, _ = chosen[0]
        paths = tuple(dict.fromkeys(record.image.path for each in chosen for record in each[:2]))
        example = Example(one.image.path, other=other.image.path)
        told.append(Finding(level, "duplicates", what, paths, len(chosen) / len(records), fix, example))
        told += _labels_differ(chosen)
    return told


def _labels_differ(chosen: Sequence[tuple[Record, Record, bool]]) -> list[Finding]:
    """Twins whose masks are not the same."""
    differ = [
        (one, other)
        for one, other, _ in chosen
        if one.mask and other.mask and one.mask.readable and other.mask.readable and not _alike(one, other)
    ]
    if not differ:
        return []
    one, other = differ[0]
    what = f"{several(len(differ), 'pair')} of the same image with different masks"
    example = Example(one.image.path, one.mask.path, other=other.mask.path)
    paths = tuple(record.mask.path for pair in differ for record in pair)
    return [Finding("warning", "duplicates", what, paths, None, "look at both, and keep the better mask", example)]


def _alike(one: Record, other: Record) -> bool:
    if one.mask.sha256 == other.mask.sha256:
        return True
    a, b = one.mask.values, other.mask.values
    return np.array_equal(a.codes, b.codes) and np.abs(a.counts - b.counts).sum() <= 0.01 * a.total
