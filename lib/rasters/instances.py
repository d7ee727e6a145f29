"""Instances: the objects of a class told apart, each as runs of pixels.

Instance(index=1, runs=np.array([[0, 3], [768, 771]]), confidence=0.9)     # pixels 0..2 and 768..770
found = components(labels, classes=[1])                                    # connected pixels of a class belong together
found = numbered(numbers, index=1)                                         # where an (H, W) array says which is which
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from lib.rasters import runs as rn

Neighbours = Literal[4, 8]


@dataclass(frozen=True, eq=False)
class Instance:
    """One object of an image.

    `index`: its class. `runs`: (n, 2) int64, half-open intervals of pixels numbered row by row from 0, sorted and
    disjoint. `confidence`: 0..1.
    """

    index: int
    runs: np.ndarray
    confidence: float = 1.0

    @property
    def area(self) -> int:
        """Its pixels."""
        return int((self.runs[:, 1] - self.runs[:, 0]).sum())


def components(labels: np.ndarray, classes: Iterable[int], neighbours: Neighbours = 8) -> list[Instance]:
    """The connected components of each class of a label map (H, W) uint8: class by class, from top to bottom.

    `neighbours` 8: pixels that touch at a corner belong together.
    """
    found = []
    for index in classes:
        count, numbers = cv2.connectedComponents(np.equal(labels, index).view(np.uint8), connectivity=neighbours)
        found += numbered(numbers, index) if count > 1 else []
    return found


def numbered(numbers: np.ndarray, index: int) -> list[Instance]:
    """The instances of a class from an (H, W) array of their numbers (0: none), in the order of their first pixels."""
    if not numbers.size:
        return []
    starts, lengths, values = rn.stretches(rn.flat(numbers, "C"))
    runs = np.stack([starts, starts + lengths], axis=1)
    bounds = np.flatnonzero(np.diff(values)) + 1
    parts = [part for part in np.split(runs, bounds) if numbers.flat[part[0, 0]]]
    return [Instance(index, part) for part in sorted(parts, key=lambda part: part[0, 0])]


def layers(instances: Sequence[Instance], size: tuple[int, int]) -> list[np.ndarray]:
    """Arrays (H, W) uint16 of instance numbers from 1; instances that overlap stand in different ones.

    Without any instance there is one array, of zeros.
    """
    made = [np.zeros(size[0] * size[1], np.uint16)]
    for number, instance in enumerate(instances, start=1):
        free = (layer for layer in made if not any(layer[start:end].any() for start, end in instance.runs.tolist()))
        layer = next(free, None)
        if layer is None:
            layer = np.zeros_like(made[0])
            made.append(layer)
        rn.paint(layer, instance.runs, number)
    return [layer.reshape(size) for layer in made]


def overlapping(instances: Sequence[Instance]) -> tuple[int, int] | None:
    """The places of the first two instances that share pixels; None when no two do."""
    found = rn.clash([instance.runs for instance in instances])
    return found and found[:2]
