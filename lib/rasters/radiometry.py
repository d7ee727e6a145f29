"""One rule for a whole set: how a file's values become what the network is fed, in training and inference alike.

    fed = radiometry.feed(raw)          # (h, w, B) of the file's dtype → uint8 as it is, or float32 in 0..1

8-bit values are fed as they are. All others are stretched, band by band, from [low, high] to 0..1. Either way the
network then subtracts `mean` and divides by `std`, which are in the units that it is fed.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Radiometry:
    """A set's rule; every tuple has a number for each band."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    low: tuple[float, ...] | None = None
    high: tuple[float, ...] | None = None
    """The values that become 0 and 1; None for 8-bit values, which are fed as they are."""
    clip: bool = True
    """Whether stretched values end at 0 and 1."""

    @property
    def channels(self) -> int:
        """The number of bands."""
        return len(self.mean)

    @property
    def dtype(self) -> Any:
        """Of what is fed."""
        return np.uint8 if self.low is None else np.float32

    def feed(self, raw: np.ndarray, valid: np.ndarray | None = None) -> np.ndarray:
        """Values (h, w, B) as the network is fed with them: uint8, or float32 stretched to 0..1.

        Pixels of no data, (h, w) bool `valid` False or NaN, get the bands' means, which tell the network nothing.
        """
        if self.low is None:
            if valid is None or valid.all():
                return raw
            fed = raw.copy()
            fed[~valid] = np.round(self.mean).astype(raw.dtype)
            return fed
        low = np.array(self.low, np.float32)
        scale = 1 / np.maximum(np.array(self.high, np.float32) - low, 1e-12)
        fed = (raw.astype(np.float32) - low) * scale
        if self.clip:
            np.clip(fed, 0, 1, out=fed)
        mean = np.array(self.mean, np.float32)
        if valid is not None and not valid.all():
            fed[~valid] = mean
        strange = ~np.isfinite(fed)
        if strange.any():
            fed[strange] = np.broadcast_to(mean, fed.shape)[strange]
        return fed

    def as_dict(self) -> dict[str, Any]:
        """As JSON takes it."""
        return asdict(self)

    @classmethod
    def of(cls, table: dict[str, Any]) -> Radiometry:
        """From what `as_dict` gave, through JSON."""
        return cls(**{key: tuple(value) if isinstance(value, list) else value for key, value in table.items()})


IMAGENET = Radiometry(mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375))
"""ImageNet's channel statistics in 0..255, which timm's RGB weights expect."""
