"""A decoded mask beside the one that it was made from: what differs, what that costs, and which slip explains it."""

from __future__ import annotations

import numpy as np

from lib.competitions import IGNORE, Competition
from lib.rasters import runs as rn
from lib.submissions.containers.sent import as_sent, same
from lib.submissions.layout import Layout, Mask, Size, sized

ORDERS = {"C": "row by row", "F": "column by column"}


def as_array(mask: Mask, size: Size) -> np.ndarray:
    """A mask as one (H, W) array of integers; of instances their numbers from 1, the last where they overlap."""
    if isinstance(mask, np.ndarray):
        return mask.view(np.int32) if mask.dtype == np.uint32 else mask
    numbers = np.zeros(size[0] * size[1], np.int32)
    for number, instance in enumerate(mask, start=1):
        rn.paint(numbers, instance.runs, number)
    return numbers.reshape(size)


def pixels(mask: Mask, classes: int) -> np.ndarray:
    """Pixels of each class: (C,) int64."""
    counts = np.zeros(classes, np.int64)
    if not isinstance(mask, np.ndarray):
        for instance in mask:
            counts[instance.index] += instance.area
    elif mask.dtype == np.uint32:
        for index in range(classes):
            counts[index] = np.count_nonzero(mask & np.uint32(1 << index))
    else:
        counts[:] = np.bincount(mask.reshape(-1), minlength=256)[:classes]
    return counts


def wanted(given: Mask, image: str, competition: Competition, layout: Layout, size: Size) -> Mask:
    """What a right file holds of a mask."""
    if isinstance(given, np.ndarray):
        given = sized(given, image, layout, competition.submission.resize == "nearest")
    return as_sent(given, competition, size)


def difference(found: Mask, wanted: Mask, size: Size, order: rn.Order | None) -> tuple[str, str] | None:
    """A sentence and its cost; None when the masks are the same. `order`: that of the file's pixels, if it has one."""
    if same(found, wanted):
        return None
    if not isinstance(found, np.ndarray):
        left = [each for each in wanted if not any(same([each], [other]) for other in found)]
        said = f"{len(left)} of {len(wanted)} instances are not in the file, which has {len(found)}"
        return said + _slip(as_array(found, size) > 0, as_array(wanted, size) > 0, order), "what they would have scored"
    if found.shape != wanted.shape:
        return f"the file has {found.shape}, the mask {wanted.shape}", "all of its score"
    wrong = int(np.count_nonzero(found != wanted))
    said = f"{wrong} pixels decode to another class than the mask has"
    return said + _slip(found, wanted, order), f"Dice {dice(found, wanted):.3f} instead of 1"


def dice(found: np.ndarray, wanted: np.ndarray) -> float:
    """Twice the pixels that two masks have in common over those that they have, all classes together."""
    if found.dtype == np.uint32:
        common, all_of_them = found & wanted, (found, wanted)
        hits, total = _bits(common), sum(map(_bits, all_of_them))
    else:
        least = 0 if (found == IGNORE).any() or (wanted == IGNORE).any() else 1
        hits = np.count_nonzero((found == wanted) & (found >= least) & (found != IGNORE))
        total = sum(np.count_nonzero((one >= least) & (one != IGNORE)) for one in (found, wanted))
    return 2 * hits / total if total else 1.0


def price_of_nothing(competition: Competition) -> str:
    """What a file of empty masks scores by the competition's rule."""
    if any(rule.empty == 1 for rule in competition.metric.rules):
        return "it scores as many of the pairs as the truth leaves empty, and 0 for the others"
    return "it scores 0"


def _bits(planes: np.ndarray) -> int:
    return int(np.bitwise_count(planes).sum())


def _slip(found: np.ndarray, wanted: np.ndarray, order: rn.Order | None) -> str:
    """The slip that explains a difference: the other order of pixels, or starts that are off by one."""
    if order is None or found.shape != wanted.shape:
        return ""
    found, wanted = (each.view(np.int32) if each.dtype == np.uint32 else each for each in (found, wanted))
    found, wanted = (each.view(np.uint8) if each.dtype == bool else each for each in (found, wanted))
    other: rn.Order = "C" if order == "F" else "F"
    line = rn.flat(found, order)
    if np.array_equal(rn.unflat(line, found.shape, other), wanted):
        return f"; the pixels were numbered {ORDERS[other]}, and the competition numbers them {ORDERS[order]}"
    right = rn.flat(wanted, order)
    for shift, word in ((1, "early"), (-1, "late")):
        if np.array_equal(np.roll(line, shift)[1:-1], right[1:-1]):
            return f"; every run starts one pixel too {word}"
    return ""
