"""How even the classes are: shares, which are rare, weights for the loss, and what sampling made of it.

    rare(totals, None, names)                               # (3, 5): indices
    weights("effective", totals, names)                     # (C,) float32 for the cross-entropy
    print(*report(totals, drawn, names), sep="\\n")          # a line a class: in the images, in the crops

Counts are those of the census: (C,) or (C + 1,) pixels, the ignored ones last; they are left out of every share.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lib.errors import UsageError
from lib.validation import closest

RARE = 0.5
"""A class is rare that covers less than this share of an equal share."""


def shares(counts: np.ndarray, classes: int) -> np.ndarray:
    """(C,) float64: each class's share of the pixels that have one; all 0 where there are none."""
    known = np.asarray(counts, np.float64)[:classes]
    return known / max(known.sum(), 1e-300)


def rare(counts: np.ndarray, chosen: Sequence[str] | None, names: Sequence[str]) -> tuple[int, ...]:
    """Indices of the rare classes: those `chosen` by name, else those that cover less than half of an equal share.

    An equal share is 1 over the number of classes that occur; a class without a pixel is never rare, for there is
    nothing to draw. Raises `UsageError` for a name that no class has.
    """
    found = shares(counts, len(names))
    if chosen is not None:
        wanted = set(indices("data.rare_classes", chosen, names))
        return tuple(index for index in range(len(names)) if index in wanted and found[index] > 0)
    equal = 1 / max(1, np.count_nonzero(found))
    return tuple(int(index) for index in np.flatnonzero((found > 0) & (found < RARE * equal)))


def indices(key: str, chosen: Sequence[str], names: Sequence[str]) -> list[int]:
    """Class indices of the names that the recipe's `key` gives; `UsageError` for a name that no class has."""
    for name in chosen:
        if name not in names:
            raise UsageError(f"{key}: there is no class {name!r}", closest(name, list(names)))
    return [list(names).index(name) for name in chosen]


def weights(rule: str | Sequence[float], counts: np.ndarray, names: Sequence[str]) -> np.ndarray | None:
    """(C,) float32 weights of the classes in the cross-entropy; None for the rule "none".

    With n pixels of a class, n / Σn = f its frequency, over the K classes that occur:
    - frequency: 1 − f.
    - samples: the inverse number of samples 1 / n.
    - effective: (1 − β) / (1 − βⁿ), one over the effective number of samples (Cui et al., "Class-balanced loss based on
      effective number of samples", CVPR 2019). Their β of 0.9 to 0.9999 is for thousands of pictures: with millions
      of pixels βⁿ is 0 and every class weighs the same. Here β = 1 − 1/N, N = Σn / K, an equal share of the pixels, so
      that 1 − βⁿ ≈ 1 − exp(−K f): classes far below an equal share weigh as 1 / n, those above it nearly alike.
    The last two are scaled to a mean of 1 over the classes that occur. Classes that do not occur weigh 0.
    A list of numbers is taken as it is. Raises `UsageError` when it does not fit, or nothing would weigh anything.
    """
    if rule == "none":
        return None
    known = np.asarray(counts, np.float64)[: len(names)]
    if not isinstance(rule, str):
        if len(rule) != len(names):
            raise UsageError(
                f"train.class_weights has {len(rule)} numbers for {len(names)} classes",
                f"a number for each of: {', '.join(names)}",
            )
        found = np.asarray(rule, np.float64)
    elif rule == "frequency":
        found = np.where(known > 0, 1 - shares(known, len(names)), 0)
    else:
        occurs = known > 0
        found = np.zeros(len(names))
        if rule == "samples":
            found[occurs] = 1 / known[occurs]
        else:
            equal = max(known.sum() / max(1, occurs.sum()), 1 + 1e-9)
            found[occurs] = 1 / -np.expm1(known[occurs] * np.log1p(-1 / equal))
        found /= max(found.sum() / max(1, occurs.sum()), 1e-300)
    if not found.any():
        raise UsageError(
            f"train.class_weights = {rule}: every class would weigh 0 (of {len(names)} classes "
            f"{np.count_nonzero(known)} occur in the training images)",
            "--set train.class_weights=none",
        )
    return found.astype(np.float32)


def report(before: np.ndarray, after: np.ndarray, names: Sequence[str], marked: Sequence[int] = ()) -> list[str]:
    """The class balance as lines: each class's share of the images' known pixels, and of those of the crops.

    `before`, `after`: counts or shares, (C,) or (C + 1,). `marked` classes, the rare ones, get a star.
    """
    width = max(len("class"), *(len(name) + 2 * (index in marked) for index, name in enumerate(names)))
    lines = [f"{'class':<{width}}   images    crops"]
    both = zip(shares(before, len(names)), shares(after, len(names)), strict=True)
    for index, (name, (was, now)) in enumerate(zip(names, both, strict=True)):
        lines.append(f"{name + ' *' * (index in marked):<{width}}  {_percent(was)}  {_percent(now)}")
    return lines


def _percent(share: float) -> str:
    """Two digits that say something, even of a class in a thousand."""
    return f"{100 * share:6.1f}%" if share >= 0.01 or share == 0 else f"{100 * share:6.2g}%"
