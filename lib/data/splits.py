"""Divides pairs into training and validation, by group, the same way on every machine."""

from __future__ import annotations

import hashlib

from lib.competitions import Pair
from lib.errors import DataError


def split(pairs: list[Pair], share: float, seed: int) -> tuple[list[Pair], list[Pair]]:
    """Training and validation pairs, each sorted by id; a group is never divided.

    Groups are taken in the order of a hash of seed and name, so neither the listing's order nor the arrival of
    another image moves the rest. Validation gets groups as long as each brings it nearer to `share` of the images,
    always at least one and never all.
    """
    groups: dict[str, list[Pair]] = {}
    for pair in pairs:
        groups.setdefault(pair.group, []).append(pair)
    if len(groups) < 2:
        raise DataError(
            f"{len(pairs)} image(s) in one group cannot be split into training and validation",
            "add images, or write data.train.group so that it tells more groups apart",
        )
    order = sorted(groups, key=lambda group: hashlib.sha256(f"{seed}:{group}".encode()).digest())
    held_out: list[Pair] = []
    target = share * len(pairs)
    for group in order[:-1]:
        more = len(held_out) + len(groups[group])
        if held_out and abs(more - target) >= abs(len(held_out) - target):
            break
        held_out += groups[group]
    chosen = {pair.id for pair in held_out}
    return [pair for pair in pairs if pair.id not in chosen], sorted(held_out, key=lambda pair: pair.id)
