"""Instances: the objects of a class told apart, each as runs of pixels.

Instance(index=1, runs=np.array([[0, 3], [768, 771]]), confidence=0.9)     # pixels 0..2 and 768..770
found = components(labels, classes=[1])                                    # connected pixels of a class belong together
found = numbered(numbers, index=1)                                         # by number, from an (H, W) array of them
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from lib.competitions import Competition
from lib.errors import DataError
from lib.rasters import runs as rn
from lib.rasters.bits import plane

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
    """The connected components of each class of a label map (H, W) uint8, or of bit planes (H, W) uint32: class by
    class, in the order of their first pixels.

    `neighbours` 8: pixels that touch at a corner belong together.
    """
    found = []
    for index in classes:
        chosen = plane(labels, index) if labels.dtype == np.uint32 else np.equal(labels, index)
        count, numbers = cv2.connectedComponents(chosen.view(np.uint8), connectivity=neighbours)
        own = numbered(numbers, index).values() if count > 1 else ()
        found += sorted(own, key=lambda each: each.runs[0, 0])
    return found


def numbered(numbers: np.ndarray, index: int) -> dict[int, Instance]:
    """The instances of a class by number, from an (H, W) array of their numbers; 0 is none."""
    if not numbers.size:
        return {}
    starts, lengths, values = rn.stretches(rn.flat(numbers, "C"))
    runs = np.stack([starts, starts + lengths], axis=1)
    bounds = np.concatenate([[0], np.flatnonzero(np.diff(values)) + 1, [len(values)]])
    parts = {int(values[low]): runs[low:high] for low, high in itertools.pairwise(bounds)}
    return {number: Instance(index, part) for number, part in parts.items() if number}


def neighbours(competition: Competition) -> Neighbours:
    """Which pixels belong to one component: polygons hold together along edges, run lengths at corners too."""
    csv = competition.submission.csv
    return 4 if csv and csv.payload == "wkt" else 8


def layers(instances: Mapping[int, Instance], size: tuple[int, int]) -> list[np.ndarray]:
    """Arrays (H, W) uint16 of instances' numbers; those that overlap stand in different ones.

    Without any instance there is one array, of zeros. Raises `DataError` for numbers beyond 65535.
    """
    if max(instances, default=0) > 65535:
        raise DataError(f"{len(instances)} instances in one image, and a 16-bit mask holds 65535")
    made = [np.zeros(size[0] * size[1], np.uint16)]
    for number, instance in instances.items():
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
