"""Confusion tables: pixels counted by true and predicted class.

    python -m benchmarks confusion

Every peer gets its pixels in the integer type it is quickest with: int64 for torchmetrics without its checks, uint8 for
the others.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.case import Call, Case, Disagreement, Inputs

if TYPE_CHECKING:
    import numpy as np

NAME = "confusion table"


def confusion(inputs: Inputs) -> Call:
    """The kit."""
    from benchmarks.scene import CLASSES
    from lib.scoring import confusion

    truth, prediction = _pixels(inputs)
    return lambda: confusion(truth, prediction, CLASSES)


def torchmetrics(checked: bool, inputs: Inputs) -> Call:
    """torchmetrics, with its checks of the arguments or without."""
    import torch
    from torchmetrics.functional import confusion_matrix

    from benchmarks.scene import CLASSES

    dtype = torch.uint8 if checked else torch.int64
    truth, prediction = (torch.from_numpy(pixels).to(dtype) for pixels in _pixels(inputs))
    settings = {"task": "multiclass", "num_classes": CLASSES, "validate_args": checked}
    return lambda: confusion_matrix(prediction, truth, **settings).numpy()


def sklearn(inputs: Inputs) -> Call:
    """scikit-learn, on flat arrays."""
    import numpy as np
    from sklearn.metrics import confusion_matrix

    from benchmarks.scene import CLASSES

    truth, prediction = (pixels.reshape(-1) for pixels in _pixels(inputs))
    labels = np.arange(CLASSES)
    return lambda: confusion_matrix(truth, prediction, labels=labels)


def smp(inputs: Inputs) -> Call:
    """segmentation-models-pytorch, which counts hits and misses and no pairs: less than the table."""
    import torch
    from segmentation_models_pytorch.metrics import get_stats

    from benchmarks.scene import CLASSES

    truth, prediction = (torch.from_numpy(pixels)[None] for pixels in _pixels(inputs))
    return lambda: get_stats(prediction, truth, mode="multiclass", num_classes=CLASSES)


def same_table(ours: np.ndarray, theirs: np.ndarray, inputs: Inputs) -> str:
    """Every count is equal."""
    if (ours != theirs).any():
        raise Disagreement(f"{int((ours != theirs).sum())} of {ours.size} counts differ")
    return ""


def same_areas(ours: np.ndarray, theirs: tuple[Any, ...], inputs: Inputs) -> str:
    """Hits, false positives and false negatives of every class are those in the table."""
    hits = ours.diagonal()
    for what, mine, other in zip(
        ("hits", "false positives", "false negatives"),
        (hits, ours.sum(axis=0) - hits, ours.sum(axis=1) - hits),
        theirs,
        strict=False,  # a fourth count, of true negatives, follows from these
    ):
        if (mine != other[0].numpy()).any():
            raise Disagreement(f"{what} differ in {int((mine != other[0].numpy()).sum())} classes")
    return ""


def _pixels(inputs: Inputs) -> tuple[np.ndarray, np.ndarray]:
    return inputs.array("labels"), inputs.array("prediction")


CASES = (
    Case(NAME, "torchmetrics", confusion, partial(torchmetrics, True), same_table),
    Case(NAME, "torchmetrics, unchecked", confusion, partial(torchmetrics, False), same_table),
    Case(NAME, "scikit-learn", confusion, sklearn, same_table),
    Case(NAME, "smp get_stats", confusion, smp, same_areas),
)
