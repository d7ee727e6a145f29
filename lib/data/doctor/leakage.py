"""Tiles of one mosaic that a split may divide: their edges go on in one another, or they overlap.

Two tests over all pairs of images, from a few kilobytes of each:

    adjacent    an image's last column goes on as another's first one, better than as any other's
    overlap     a strip at an image's edge stands, at the same height, inside another image

Edges without texture say nothing and are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from lib.data.doctor.findings import Example, Finding, several

if TYPE_CHECKING:
    from lib.data.doctor.records import Record

BINS = 32
"""Numbers that stand for a row or column of pixels."""

STRIP, STRIDE = 8, 4
"""Strips inside an image: so many pixels wide, every so many pixels; an edge's strips are taken at every pixel."""

FLAT = 3.0
"""Deviation, of 255, below which a strip has no texture."""

LIKE, LIKE_OVERLAP = 0.93, 0.985
"""Correlations from which edges go on in one another, and from which strips are the same ground."""

RATHER_LIKE, AHEAD = 0.8, 0.15
"""Correlation from which edges go on in one another if no other edge comes so near to either."""

MOST = 3000
"""Images that are compared; of more, every n-th is."""

BATCH = 256

TREND = np.linalg.qr(np.vander(np.linspace(-1, 1, BINS), 3))[0].astype(np.float32)
"""(BINS, 3): what is removed from every strip, since slow changes of light look alike everywhere."""


@dataclass(frozen=True)
class Edges:
    """Rows and columns of one image, short: unit vectors without their trend, all zero where there is no texture."""

    shape: tuple[int, int]
    outer: np.ndarray
    """(4, BINS) float32: the first and last column, the first and last row."""
    wide: np.ndarray
    """(n, BINS) float32: strips of columns from left to right."""
    high: np.ndarray
    """(n, BINS) float32: strips of rows from the top."""
    last: np.ndarray
    """(2, STRIDE, BINS) float32: strips at the right and at the lower edge, shifted by 0, 1, … pixels."""
    step: np.ndarray
    """(4,): how much a neighbouring column or row differs from the edge, of 255."""
    lines: tuple[np.ndarray, ...]
    """The four edges at full length, uint8."""

    @classmethod
    def of(cls, grey: np.ndarray) -> Edges | None:
        """From an image (H, W) uint8; None for one that is too small."""
        if min(grey.shape) < 2 * BINS:
            return None
        lines = grey[:, 0], grey[:, -1], grey[0], grey[-1]
        beside = grey[:, 1], grey[:, -2], grey[1], grey[-2]
        step = np.array([np.abs(a.astype(int) - b).mean() for a, b in zip(lines, beside, strict=True)])
        short = np.stack(
            [cv2.resize(line.reshape(1, -1), (BINS, 1), interpolation=cv2.INTER_AREA)[0] for line in lines]
        )
        columns, rows = _strips(grey.T), _strips(grey)
        last = np.stack([_last(grey.T), _last(grey)])
        own = tuple(np.ascontiguousarray(line) for line in lines)
        return cls(grey.shape, _unit(short), _unit(columns), _unit(rows), _unit(last), step, own)


def _strips(lines: np.ndarray) -> np.ndarray:
    """Means over STRIP lines, every STRIDE lines, each in BINS numbers: (n, BINS) float32."""
    short = cv2.resize(lines.astype(np.float32), (BINS, lines.shape[0]), interpolation=cv2.INTER_AREA)
    total = np.concatenate([np.zeros((1, BINS), np.float32), np.cumsum(short, axis=0)])
    starts = np.arange(0, len(lines) - STRIP + 1, STRIDE)
    return (total[starts + STRIP] - total[starts]) / STRIP


def _last(lines: np.ndarray) -> np.ndarray:
    """The last STRIP lines, and those one, two, … lines before: (STRIDE, BINS) float32."""
    short = cv2.resize(
        lines[-STRIP - STRIDE :].astype(np.float32), (BINS, STRIP + STRIDE), interpolation=cv2.INTER_AREA
    )
    return np.stack([short[STRIDE - back : STRIDE - back + STRIP].mean(axis=0) for back in range(STRIDE)])


def _unit(vectors: np.ndarray) -> np.ndarray:
    vectors = vectors.astype(np.float32)
    vectors = vectors - vectors @ TREND @ TREND.T
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.where(length > FLAT * BINS**0.5, vectors / np.maximum(length, 1e-6), 0).astype(np.float32)


def neighbours(records: Sequence[Record]) -> list[tuple[Record, Record, str]]:
    """Pairs of images that are tiles of one mosaic, each with `adjacent` or `overlap`."""
    known = [record for record in records if record.image.edges is not None]
    known = known[:: max(1, -(-len(known) // MOST))]
    found: dict[tuple[int, int], str] = {}
    for one, other in _adjacent(known):
        found.setdefault((min(one, other), max(one, other)), "adjacent")
    for one, other in _overlapping(known):
        found.setdefault((min(one, other), max(one, other)), "overlap")
    return [(known[one], known[other], how) for (one, other), how in sorted(found.items())]


def _adjacent(known: list[Record]) -> list[tuple[int, int]]:
    """Numbers of images whose right or lower edge goes on in another's left or upper one."""
    found = []
    for last, first, axis in ((1, 0, 0), (3, 2, 1)):
        for members in _by_length(known, axis).values():
            ends = np.stack([known[member].image.edges.outer[last] for member in members])
            begins = np.stack([known[member].image.edges.outer[first] for member in members])
            likeness = ends @ begins.T
            np.fill_diagonal(likeness, -1)
            best, back = likeness.argmax(axis=1), likeness.argmax(axis=0)
            for place, other in enumerate(best):
                if back[other] != place or not _stands_out(likeness, place, int(other)):
                    continue
                one, two = known[members[place]].image.edges, known[members[other]].image.edges
                apart = np.abs(one.lines[last].astype(int) - two.lines[first]).mean()
                if apart < 2.0 * max(one.step[last], two.step[first]) + 1:
                    found.append((members[place], members[other]))
    return found


def _stands_out(likeness: np.ndarray, place: int, other: int) -> bool:
    """Whether two edges are alike, or alike enough where no other edge comes near."""
    value = likeness[place, other]
    if value >= LIKE:
        return True
    rivals = np.concatenate([np.delete(likeness[place], other), np.delete(likeness[:, other], place)])
    return value >= RATHER_LIKE and value - rivals.max() >= AHEAD


def _overlapping(known: list[Record]) -> list[tuple[int, int]]:
    """Numbers of images where the last strips of one stand inside the other."""
    found = []
    for axis, name in ((0, "wide"), (1, "high")):
        for members in _by_length(known, axis).values():
            strips = [getattr(known[member].image.edges, name) for member in members]
            owner = np.repeat(np.arange(len(members)), [len(each) for each in strips])
            every = np.concatenate(strips)
            for start in range(0, len(members), BATCH):
                part = members[start : start + BATCH]
                ends = np.stack([known[member].image.edges.last[axis] for member in part])
                likeness = (ends.reshape(-1, BINS) @ every.T).reshape(len(part), STRIDE, -1).max(axis=1)
                for place in range(len(part)):
                    likeness[place, owner == start + place] = -1
                    at = int(likeness[place].argmax())
                    if likeness[place, at] >= LIKE_OVERLAP and _goes_on(
                        known, part[place], members[owner[at]], axis, at - int(np.argmax(owner == owner[at]))
                    ):
                        found.append((part[place], members[owner[at]]))
    return found


def _goes_on(known: list[Record], one: int, other: int, axis: int, at: int) -> bool:
    """Whether the strips before the matching one match as well: an edge may look like another place by chance."""
    name = "wide" if axis == 0 else "high"
    own, its = getattr(known[one].image.edges, name), getattr(known[other].image.edges, name)
    steps = min(at, len(own) - 1, 6)
    if steps < 3:
        return False
    likeness = [
        max(
            float(own[len(own) - 1 - back] @ its[at - back + by]) for by in (-1, 0, 1) if 0 <= at - back + by < len(its)
        )
        for back in range(1, steps + 1)
    ]
    return float(np.mean(likeness)) > LIKE


def _by_length(known: list[Record], axis: int) -> dict[int, list[int]]:
    """Numbers of images by height (axis 0: their columns can be compared) or width."""
    groups: dict[int, list[int]] = {}
    for number, record in enumerate(known):
        groups.setdefault(record.image.edges.shape[axis], []).append(number)
    return {length: members for length, members in groups.items() if len(members) > 1}


def check(records: Sequence[Record], same: set[frozenset[str]]) -> list[Finding]:
    """Tiles of one mosaic in different groups. `same`: pairs of ids that are duplicates, told elsewhere."""
    apart = [
        (one, other, how)
        for one, other, how in neighbours(records)
        if one.group != other.group and frozenset((one.id, other.id)) not in same
    ]
    found = []
    for how, words in (("overlap", "overlap"), ("adjacent", "are neighbours whose edges go on in one another")):
        pairs = [(one, other) for one, other, kind in apart if kind == how]
        if not pairs:
            continue
        divided = [pair for pair in pairs if None not in (pair[0].part, pair[1].part) and pair[0].part != pair[1].part]
        one, other = (divided or pairs)[0]
        images = {record.image.path: None for pair in pairs for record in pair}
        across = (
            f", {len(divided)} of them divided between {divided[0][0].part} and {divided[0][1].part}" if divided else ""
        )
        what = f"{several(len(pairs), 'pair')} of images {words}{across}: tiles of one mosaic in different groups"
        fix = "keep them together: data.train.group, from a part of the name that all tiles of a mosaic share"
        example = Example(one.image.path, other=other.image.path)
        found.append(Finding("warning", "leakage", what, tuple(images), len(images) / len(records), fix, example))
    return found
