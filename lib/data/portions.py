"""A share, or one of k folds, of things that are told by name: what a listing's order cannot change.

held_out({"a": 3, "b": 1, "c": 4}, share=0.2, seed=0)       # names; weights are numbers of images or pixels
folds({"a": 3, "b": 1, "c": 4}, count=3, seed=0)            # {"a": 1, "b": 2, "c": 0}
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping


def shuffled(names, seed: int) -> list[str]:
    """The names in the order of a hash of seed and name: the arrival of another one moves none of the rest."""
    return sorted(names, key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).digest())


def held_out(weights: Mapping[str, float], share: float, seed: int) -> set[str]:
    """Names are taken in shuffled order as long as each brings the weight nearer to `share` of all of it.

    Always at least one and, of two or more, never all.
    """
    taken: set[str] = set()
    weight, target = 0.0, share * sum(weights.values())
    for name in shuffled(weights, seed)[: max(1, len(weights) - 1)]:
        more = weight + weights[name]
        if taken and abs(more - target) >= abs(weight - target):
            break
        taken.add(name)
        weight = more
    return taken


def folds(weights: Mapping[str, float], count: int, seed: int) -> dict[str, int]:
    """Each name's fold. The heaviest go first, and each into the lightest fold.

    So no two folds differ by more than the heaviest name weighs. None is empty where there are as many names as folds.
    """
    sums = [(0.0, fold) for fold in range(count)]
    found: dict[str, int] = {}
    for name in sorted(shuffled(weights, seed), key=lambda name: -weights[name]):
        weight, fold = min(sums)
        found[name] = fold
        sums[fold] = (weight + weights[name], fold)
    return found
