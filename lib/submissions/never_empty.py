"""Masks for a scorer that fails on an empty one: a pixel of each class that would have none.

mask = never_empty(mask, competition)         # as it is, unless the competition has csv.allow_empty = false
"""

from __future__ import annotations

import numpy as np

from lib.competitions import Competition
from lib.submissions.layout import Mask, Size


def never_empty(mask: Mask, competition: Competition) -> Mask:
    """The mask with at least one pixel of every class that is sent, where the competition takes no empty mask.

    The pixel is the first that no class which is sent has, else one of the class that has most.
    """
    form = competition.submission.csv
    if form is None or form.allow_empty or not isinstance(mask, np.ndarray):
        return mask
    flat = mask.reshape(-1).copy()
    for index in competition.sent:
        if competition.kind == "bits":
            if not (flat >> np.uint32(index) & np.uint32(1)).any():
                flat[0] |= np.uint32(1 << index)
        elif not (flat == index).any():
            free = np.flatnonzero(~np.isin(flat, competition.sent))
            most = max(competition.sent, key=lambda other: np.count_nonzero(flat == other))
            flat[free[0] if len(free) else np.flatnonzero(flat == most)[0]] = index
    return flat.reshape(mask.shape)


def least_size(competition: Competition) -> Size:
    """Height and width of a mask for an image of unknown size, with room for a pixel of each class that is sent."""
    return 1, max(1, len(competition.sent))
