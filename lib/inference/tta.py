"""Test-time augmentation: the eight orientations of a square (the group d4), each with its inverse.

    for turn in ORIENTATIONS["d4"]:
        total += turn.undo(model(turn.apply(images)).softmax(1))

Views of the tensor, never resampled: `undo(apply(x))` is `x`, bit for bit, for any height and width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from lib.errors import UsageError
from lib.validation import closest


@dataclass(frozen=True)
class Orientation:
    """A mirror image, then quarter turns."""

    mirror: bool
    quarters: int

    def apply(self, images: torch.Tensor) -> torch.Tensor:
        """Turn (N, C, H, W); odd quarters swap H and W."""
        return torch.rot90(images.flip(-1) if self.mirror else images, self.quarters, (-2, -1))

    def undo(self, images: torch.Tensor) -> torch.Tensor:
        """The inverse of `apply`."""
        back = torch.rot90(images, -self.quarters, (-2, -1))
        return back.flip(-1) if self.mirror else back


ORIENTATIONS: dict[str, tuple[Orientation, ...]] = {
    "none": (Orientation(False, 0),),
    "flips": tuple(Orientation(mirror, quarters) for mirror in (False, True) for quarters in (0, 2)),
    "d4": tuple(Orientation(mirror, quarters) for mirror in (False, True) for quarters in range(4)),
}


def turns_named(tta: str | None) -> None:
    """Raise `UsageError` for a word that names no set of orientations."""
    if tta is not None and tta not in ORIENTATIONS:
        raise UsageError(f"--tta {tta}: there is no such set of orientations", closest(tta, list(ORIENTATIONS)))
