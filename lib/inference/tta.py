"""Test-time augmentation: the eight orientations of a square (the group d4) at any scales, each with its inverse.

    for view in views("d4", (0.75, 1.0)):
        total += view.undo(model(view.apply(images)).softmax(1), images.shape[-2:])

Orientations are views of the tensor, never resampled: `undo(apply(x))` is `x`, bit for bit, for any height and width.
A scaled view is resampled there and back, and comes back at exactly the size that it had.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import interpolate

from lib.errors import UsageError
from lib.validation import closest


@dataclass(frozen=True)
class Orientation:
    """A mirror image, then quarter turns."""

    mirror: bool
    quarters: int

    def apply(self, images: torch.Tensor) -> torch.Tensor:
        """Turn (N, C, H, W); odd quarters swap H and W."""
        return _turned(images.flip(-1) if self.mirror else images, self.quarters)

    def undo(self, images: torch.Tensor) -> torch.Tensor:
        """The inverse of `apply`."""
        back = _turned(images, -self.quarters)
        return back.flip(-1) if self.mirror else back

    def seen_back(self, pixels: np.ndarray) -> np.ndarray:
        """`undo` for (N, H, W, C), as a view of the same memory."""
        back = np.rot90(pixels, -self.quarters, (1, 2))
        return back[:, :, ::-1] if self.mirror else back


def _turned(images: torch.Tensor, quarters: int) -> torch.Tensor:
    return torch.rot90(images, quarters, (-2, -1)) if quarters else images  # rot90 copies even what it does not turn


ORIENTATIONS: dict[str, tuple[Orientation, ...]] = {
    "none": (Orientation(False, 0),),
    "flips": tuple(Orientation(mirror, quarters) for mirror in (False, True) for quarters in (0, 2)),
    "d4": tuple(Orientation(mirror, quarters) for mirror in (False, True) for quarters in range(4)),
}


@dataclass(frozen=True)
class View:
    """An orientation of images that were resized by `scale`."""

    turn: Orientation
    scale: float = 1.0

    def apply(self, images: torch.Tensor) -> torch.Tensor:
        """(N, B, H, W) to (N, B, round(H · scale), round(W · scale)), turned; never smaller than 1 × 1."""
        height, width = images.shape[-2:]
        return self.turn.apply(resized(images, scaled((height, width), self.scale)))

    def size(self, size: tuple[int, int]) -> tuple[int, int]:
        """The height and width that `apply` gives to images of height and width `size`."""
        height, width = scaled(size, self.scale)
        return (width, height) if self.turn.quarters % 2 else (height, width)

    def undo(self, maps: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        """Maps (N, C, h, w) of a view back at `size`, the height and width that the images had."""
        return resized(self.turn.undo(maps), size)


def views(tta: str, scales: Sequence[float] = (1.0,)) -> tuple[View, ...]:
    """Every orientation of a set at every scale."""
    return tuple(View(turn, scale) for scale in scales for turn in ORIENTATIONS[tta])


def scaled(size: tuple[int, int], scale: float) -> tuple[int, int]:
    """Height and width times `scale`, at least one pixel each."""
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def resized(images: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """(N, C, H, W) at another height and width: bilinear, antialiased where it shrinks; itself at the same size."""
    height, width = images.shape[-2:]
    if (height, width) == tuple(size):
        return images
    shrinks = size[0] < height or size[1] < width
    return interpolate(images.float(), size=size, mode="bilinear", align_corners=False, antialias=shrinks)


def turns_named(tta: str | None) -> None:
    """Raise `UsageError` for a word that names no set of orientations."""
    if tta is not None and tta not in ORIENTATIONS:
        raise UsageError(f"--tta {tta}: there is no such set of orientations", closest(tta, list(ORIENTATIONS)))


def scales_named(text: str | None) -> tuple[float, ...] | None:
    """The scales of a text such as "0.75,1,1.25"; None for None. `UsageError` for what is no number above 0 to 4."""
    if text is None:
        return None
    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError:
        found = ()
    if not found or not all(0 < scale <= 4 for scale in found):
        raise UsageError(f"--scales {text}: give numbers above 0 and up to 4", "for example --scales 0.75,1,1.25")
    return found
