"""One pass over pixels: everything about an image, and then about a set, that any rule of a competition asks for.

    count = take(truth, prediction, competition)            # Count, of one image
    tally = Tally.of([count, …], competition, ids)           # the set; pixels are not touched again
    score(tally, competition)

The numbers are exact int64. A Count is small: a table, runs of instances that meet, runs of slices for a distance.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lib.competitions import Competition, Metric, Rule
from lib.rasters import bits
from lib.rasters.instances import Instance, components, neighbours
from lib.scoring import instances as objects
from lib.scoring.confusion import areas_of, bit_areas, confusion_with_none
from lib.scoring.measures import DECISIONS
from lib.scoring.patches import patches

Mask = np.ndarray | Sequence[Instance]
"""A label map (H, W) uint8, bit planes (H, W) uint32, or a list of instances."""


@dataclass(frozen=True, eq=False)
class Found:
    """The instances of one class of an image: how many true ones, the predicted ones' confidences, those that meet."""

    truth: int
    confidences: np.ndarray
    pairs: objects.Pairs


@dataclass(frozen=True, eq=False)
class Count:
    """One image's numbers."""

    areas: np.ndarray
    """(C, 3) int64: hits, truth, predicted."""
    pixels: int
    """Pixels that count."""
    table: np.ndarray | None = None
    """(C, C + 1) int64 of a label map, rows: truth; the last column: given to no class."""
    joined: dict[int, np.ndarray] = field(default_factory=dict)
    """Of rules that merge bit planes or look inside some: (K, 4), by the rule's number."""
    found: dict[int, Found] = field(default_factory=dict)
    """By class."""
    planes: dict[int, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    """Runs of truth and prediction by class, for distances."""
    size: tuple[int, int] | None = None


def rules_of(competition: Competition) -> tuple[Rule, ...]:
    """All rules of a competition: the parts of its score, then those shown beside it."""
    return (*competition.metric.rules, *competition.metric.also)


def needs_masks(competition: Competition) -> bool:
    """Whether its score needs more than the areas (N, C, 3) of its classes."""
    return any(needs_more(rule, competition) for rule in competition.metric.rules)


def by_areas(competition: Competition) -> Competition:
    """The competition with the rules that areas (N, C, 3) are enough for, as a search over many predictions wants it.

    Where areas are enough for no part of its score, the mean Dice of its classes stands for it.
    """
    metric = competition.metric
    kept = tuple(rule for rule in metric.rules if not needs_more(rule, competition))
    if len(kept) == len(metric.rules):
        return competition
    classes = tuple(competition.names[index] for index in competition.counted)
    return competition.model_copy(
        update={"metric": Metric(parts=kept) if kept else Metric(measure="dice", classes=classes)}
    )


def needs_more(rule: Rule, competition: Competition) -> bool:
    """Whether a rule needs more than areas: a table, instances, distances, the number of all pixels."""
    if rule.needs_instances or rule.measure == "hausdorff" or rule.merge or rule.inside is not None:
        return True
    if competition.kind == "bits":
        return rule.measure in DECISIONS
    return rule.measure == "kappa" and len(competition.counted_by(rule)) < len(competition.classes)


def take(truth: Mask, prediction: Mask, competition: Competition, size: tuple[int, int] | None = None) -> Count:
    """Count an image.

    `truth`, `prediction`: masks of the competition's kind, of one shape. A label map may stand for bit planes, and
    where instances are asked for, a label map or bit planes for their connected components; `size` (height, width) is
    that of lists of instances. Patches are made of label maps where the file holds patches.
    """
    if isinstance(truth, np.ndarray) and isinstance(prediction, np.ndarray):
        if competition.kind == "bits":
            truth, prediction = (
                mask if mask.dtype == np.uint32 else bits.of_labels(mask) for mask in (truth, prediction)
            )
            count = _bits(truth, prediction, competition)
        else:
            truth, prediction = patches(truth, competition), patches(prediction, competition)
            table = confusion_with_none(truth, prediction, len(competition.classes))
            count = Count(areas_of(table), int(table.sum()), table, size=truth.shape)
    else:
        truth, prediction = _instances(truth, competition), _instances(prediction, competition)
        count = Count(_run_areas(truth, prediction, competition), size[0] * size[1] if size else 0, size=size)
    rules = rules_of(competition)
    wanted = {index for rule in rules if rule.needs_instances for index in competition.counted_by(rule)}
    if wanted:
        _find(count, _instances(truth, competition), _instances(prediction, competition), sorted(wanted))
    for index in {index for rule in rules if rule.measure == "hausdorff" for index in competition.counted_by(rule)}:
        count.planes[index] = _runs(truth, index), _runs(prediction, index)
    return count


def _bits(truth: np.ndarray, prediction: np.ndarray, competition: Competition) -> Count:
    count = Count(bit_areas(truth, prediction, len(competition.classes)), truth.size, size=truth.shape)
    for number, rule in enumerate(rules_of(competition)):
        if rule.inside is None and not rule.merge:
            continue
        chosen = competition.counted_by(rule)
        one, other = truth, prediction
        if rule.inside is not None:
            there = truth & _union_of(competition.indices(rule.inside)) != 0
            one, other = truth[there], prediction[there]
        if rule.merge:
            one, other = ((part & _union_of(chosen) != 0).astype(np.uint32) for part in (one, other))
            chosen = (0,)
        areas = bit_areas(one, other, max(chosen) + 1)[list(chosen)]
        count.joined[number] = np.concatenate([areas, np.full((len(areas), 1), one.size)], axis=1)
    return count


def _find(count: Count, truth: Sequence[Instance], prediction: Sequence[Instance], classes: Sequence[int]) -> None:
    for index in classes:
        true, predicted = ([part for part in side if part.index == index] for side in (truth, prediction))
        confidences = np.array([part.confidence for part in predicted], np.float64)
        count.found[index] = Found(len(true), confidences, objects.overlaps(true, predicted))


def _run_areas(truth: Sequence[Instance], prediction: Sequence[Instance], competition: Competition) -> np.ndarray:
    """Areas of the pixels that any instance of a class has."""
    table = np.zeros((len(competition.classes), 3), np.int64)
    for index in {part.index for part in (*truth, *prediction)}:
        one, other = (objects.union([part for part in side if part.index == index]) for side in (truth, prediction))
        lengths = [int((runs[:, 1] - runs[:, 0]).sum()) for runs in (one, other)]
        table[index] = objects.shared_pixels(one, other), *lengths
    return table


def _instances(mask: Mask, competition: Competition) -> Sequence[Instance]:
    if not isinstance(mask, np.ndarray):
        return mask
    return components(mask, competition.sent, neighbours(competition))


def _runs(mask: Mask, index: int) -> np.ndarray:
    if not isinstance(mask, np.ndarray):
        return objects.union([part for part in mask if part.index == index])
    plane = (mask >> np.uint32(index)) & 1 if mask.dtype == np.uint32 else (mask == index)
    edges = np.diff(plane.reshape(-1).astype(np.int8), prepend=0, append=0)
    return np.stack([np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)], axis=1)


def _union_of(indices: Sequence[int]) -> np.uint32:
    return np.uint32(sum(1 << index for index in indices))


@dataclass(frozen=True, eq=False)
class Tally:
    """The numbers of a set of N images."""

    areas: np.ndarray
    """(N, C, 3) int64."""
    pixels: np.ndarray
    """(N,) int64."""
    tables: np.ndarray | None
    """(N, C, C + 1) int64 of label maps."""
    images: tuple[str, ...]
    group: np.ndarray
    """(N,) the number of each image's group; all 0 where there are no groups."""
    groups: tuple[str, ...]
    counts: tuple[Count, ...] = ()
    """What the arrays do not hold: instances, distances, merged planes."""
    views: dict[Rule, Any] = field(default_factory=dict, init=False, repr=False)
    """What `lib.scoring.evidence` has made of it."""

    @classmethod
    def of(cls, counts: Sequence[Count], competition: Competition, images: Sequence[str] | None = None) -> Tally:
        """The set of these images; without ids, they have none to be grouped by."""
        tables = [count.table for count in counts]
        areas = np.stack([count.areas for count in counts])
        pixels = np.array([count.pixels for count in counts], np.int64)
        stacked = None if any(table is None for table in tables) else np.stack(tables)
        names, group, groups = _grouped(competition, images, len(counts))
        return cls(areas, pixels, stacked, names, group, groups, tuple(counts))

    @classmethod
    def of_areas(cls, areas: np.ndarray, competition: Competition) -> Tally:
        """The set of images of which only (N, C, 3) areas are known; every pixel has a class in the truth."""
        names, group, groups = _grouped(competition, None, len(areas))
        return cls(areas, areas[..., 1].sum(axis=1), None, names, group, groups)


def _grouped(
    competition: Competition, images: Sequence[str] | None, count: int
) -> tuple[tuple[str, ...], np.ndarray, tuple[str, ...]]:
    pattern = competition.metric.group
    names = tuple(images) if images is not None else tuple(map(str, range(count)))
    if pattern is None or images is None:
        return names, np.zeros(count, np.int64), ()
    words = [match.group(0) if (match := re.search(pattern, image)) else image for image in names]
    groups, numbers = np.unique(words, return_inverse=True)
    return names, numbers.astype(np.int64), tuple(map(str, groups))
