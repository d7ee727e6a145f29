"""What giving up small components would change, so that minimum areas are searched without making masks again.

    changes = changes_of(truth, mask, index, classes)       # (len(AREAS), C, 3): added to the areas for each of AREAS
    chosen = search_areas(counts, changes, objective)       # a minimum area a class
    chosen = search_graded(graded, classes, told)           # the same for rules of instances, on counts of whole masks

A component's pixels go to one other class, or to none where classes overlap, so each changes the areas by numbers that
are known beforehand. All components are those of the mask as it came: what several classes change adds up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from lib.inference.areas import around, small
from lib.inference.objective import Objective, better, scores

T = TypeVar("T")

AREAS = (0, 8, 32, 128, 512, 2048)
"""Minimum areas tried, in pixels at the original size."""


def search_areas(counts: np.ndarray, changes: np.ndarray, objective: Objective) -> tuple[int, ...]:
    """The minimum area of every class that scores best.

    `counts`: (N, C, 3) areas of masks as they are; `changes`: (N, C, len(AREAS), C, 3), what giving up a class's
    components below each of `AREAS` adds to them. Components are given up at once, so changes of classes add up.
    """
    chosen, total = [0] * changes.shape[1], counts
    top = scores(total, objective)
    for index in range(changes.shape[1]):
        for place in range(1, len(AREAS)):
            trial = total + changes[:, index, place] - changes[:, index, chosen[index]]
            value = scores(trial, objective)
            if better(value, top):
                top, total, chosen[index] = value, trial, place
    return tuple(AREAS[place] for place in chosen)


def search_graded(
    graded: Sequence[Mapping[int, Sequence[T]]], classes: int, told: Callable[[Sequence[T]], float]
) -> tuple[int, ...]:
    """The minimum area of every class that scores best, each by itself, the other classes having none.

    `graded`: for each image and class, what `told` scores for each of `AREAS`; a class that is left out gets 0.
    """
    chosen = [0] * classes
    for index in graded[0]:
        top = scores([each[index][0] for each in graded], told)
        for place, least in enumerate(AREAS[1:], start=1):
            value = scores([each[index][place] for each in graded], told)
            if better(value, top):
                top, chosen[index] = value, least
    return tuple(chosen)


def changes_of(truth: np.ndarray, mask: np.ndarray, index: int, classes: int) -> np.ndarray:
    """(len(AREAS), C, 3): what giving up components of one class below each of `AREAS` adds to the areas.

    `truth`, `mask`: (H, W) uint8 label maps, or uint32 bit planes.
    """
    changes = np.zeros((len(AREAS), classes, 3), np.int64)
    bits = mask.dtype == np.uint32
    plane = (mask >> np.uint32(index)) & 1 if bits else mask == index
    for place, component in small(plane.astype(np.uint8), AREAS[-1]):
        size, inside = int(component.sum()), truth[place][component]
        change = np.zeros((classes, 3), np.int64)
        if bits:
            change[index] = -int((inside >> np.uint32(index) & 1).sum()), 0, -size
        else:
            known = np.bincount(inside, minlength=256)[:classes]
            other = around(mask[place], component, index)
            for label, sign in ((index, -1), (other, 1)):
                if label < classes:
                    change[label] += sign * known[label], 0, sign * known.sum()
        changes[np.array(AREAS) > size] += change
    return changes
