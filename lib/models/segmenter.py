"""A network that takes raw pixels of any size: normalisation and padding live inside it.

Training and inference therefore cannot normalise differently, and no caller thinks of multiples of 32.

    model = Segmenter(net, radiometry)           # the bands' statistics in the units that `radiometry.feed` gives
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from lib.rasters.radiometry import IMAGENET, Radiometry

STRIDE = 32
"""Encoders halve their input five times."""


class Segmenter(nn.Module):
    """`forward`: (N, B, H, W) as `radiometry` feeds it, uint8 or float → (N, C, H, W) logits, any H and W."""

    def __init__(self, net: nn.Module, radiometry: Radiometry = IMAGENET, least: int = STRIDE) -> None:
        """`least`: pixels a side, a multiple of `STRIDE`, below which the network cannot work; images are padded."""
        super().__init__()
        self.layout = torch.channels_last
        self.net = net
        self.least = least
        self.radiometry = radiometry
        self.register_buffer("mean", torch.tensor(radiometry.mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(radiometry.std).view(1, -1, 1, 1), persistent=False)

    def lay_out(self, channels_last: bool) -> Segmenter:
        """Keep weights and maps with their channels together in memory, or each channel by itself; returns itself."""
        self.layout = torch.channels_last if channels_last else torch.contiguous_format
        return self.to(memory_format=self.layout)

    @property
    def channels(self) -> int:
        """The number of bands."""
        return self.radiometry.channels

    def be_fed_by(self, radiometry: Radiometry) -> None:
        """Take what another set's rule feeds: its units become this model's own, but for values that it has clipped.

        Both rules are straight lines of a file's values, so one is a line of the other: x' = a·x + b.
        """
        own = self.radiometry
        if own.low is None or (own.low, own.high) == (radiometry.low, radiometry.high):
            return
        low, high = (torch.tensor(ends, dtype=torch.float64) for ends in (own.low, own.high))
        other_low, other_high = (torch.tensor(ends, dtype=torch.float64) for ends in (radiometry.low, radiometry.high))
        a, b = (other_high - other_low) / (high - low), (other_low - low) / (high - low)
        mean, std = (torch.tensor(values, dtype=torch.float64) for values in (own.mean, own.std))
        self.mean.copy_(((mean - b) / a).view(1, -1, 1, 1))
        self.std.copy_((std / a).view(1, -1, 1, 1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        height, width = images.shape[-2:]
        x = (images.to(self.mean.dtype) - self.mean) / self.std
        below, right = (max(self.least, side + -side % STRIDE) - side for side in (height, width))
        if below or right:
            mode = "reflect" if below < height and right < width else "replicate"
            x = functional.pad(x, (0, right, 0, below), mode=mode)
        x = x.contiguous(memory_format=self.layout)
        return self.net(x)[..., :height, :width]
