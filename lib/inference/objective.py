"""What a search maximises, and when a change is worth it.

top = scores(counts, objective)                  # of all images, of the even ones, of the odd ones
if better(scores(trial, objective), top): ...
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")

GAIN = 0.001
"""What a change of one number must bring at least."""

Objective = Callable[[np.ndarray], float]
"""The score of (N, C, 3) areas (hits, truth, predicted)."""


def scores(counts: Sequence[T], objective: Callable[[Sequence[T]], float]) -> tuple[float, ...]:
    """The score of all images, and of every other image: `counts` are (N, C, 3), or what the objective takes."""
    parts = [counts, counts[0::2], counts[1::2]] if len(counts) > 1 else [counts]
    return tuple(objective(part) for part in parts)


def better(trial: tuple[float, ...], best: tuple[float, ...]) -> bool:
    """What gains on all images and costs neither half anything: less is likely to be chance."""
    return trial[0] >= best[0] + GAIN and all(one >= other for one, other in zip(trial[1:], best[1:], strict=True))
