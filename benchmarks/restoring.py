"""Restoring: probabilities at a model's size to a label map at the image's.

    python -m benchmarks restore

The peer enlarges every class and takes the argmax, as inference code usually does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.case import Call, Case, Disagreement, Inputs

if TYPE_CHECKING:
    import numpy as np

TIE = 1e-5
"""Two classes whose probabilities differ by less may come out in either order: float32 rounding."""


def restore(inputs: Inputs) -> Call:
    """The kit, without the array of all classes at full size."""
    from lib.inference import restore

    probabilities, size = inputs.array("probabilities"), inputs.array("labels").shape
    return lambda: restore(probabilities, size)


def interpolate(inputs: Inputs) -> Call:
    """torch: bilinear, then argmax."""
    import torch

    probabilities, size = torch.from_numpy(inputs.array("probabilities")), inputs.array("labels").shape
    return lambda: _enlarged(probabilities, size).argmax(0).numpy()


def same_labels(ours: np.ndarray, theirs: np.ndarray, inputs: Inputs) -> str:
    """Labels are equal where the peer's two best classes are `TIE` or more apart."""
    import torch

    rows, columns = (ours != theirs).nonzero()
    if not rows.size:
        return ""
    enlarged = _enlarged(torch.from_numpy(inputs.array("probabilities")), ours.shape)
    best = enlarged[:, torch.from_numpy(rows), torch.from_numpy(columns)].topk(2, dim=0).values
    wrong = int((best[0] - best[1] >= TIE).sum())
    if wrong:
        raise Disagreement(f"{wrong:,} pixels differ where the best class is clear")
    return f", but for {rows.size:,} near ties (two best classes within {TIE:g})"


def _enlarged(probabilities: Any, size: tuple[int, ...]) -> Any:
    import torch
    from torch.nn.functional import interpolate

    with torch.inference_mode():
        return interpolate(probabilities[None], size, mode="bilinear", align_corners=False)[0]


CASES = (Case("restore", "torch interpolate + argmax", restore, interpolate, same_labels),)
