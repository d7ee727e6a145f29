"""A network that takes raw pixels of any size: normalisation and padding live inside it.

Training and inference therefore cannot normalise differently, and no caller thinks of multiples of 32.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

STRIDE = 32
"""Encoders halve their input five times."""

MEAN = (123.675, 116.28, 103.53)
STD = (58.395, 57.12, 57.375)
"""ImageNet's channel statistics in 0..255, which timm's RGB weights expect."""


class Segmenter(nn.Module):
    """`forward`: (N, 3, H, W) uint8 or float in 0..255 → (N, C, H, W) logits, any H and W."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        self.register_buffer("mean", torch.tensor(MEAN).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(1, -1, 1, 1), persistent=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        height, width = images.shape[-2:]
        x = (images.to(self.mean.dtype) - self.mean) / self.std
        below, right = -height % STRIDE, -width % STRIDE
        if below or right:
            mode = "reflect" if below < height and right < width else "replicate"
            x = functional.pad(x, (0, right, 0, below), mode=mode)
        x = x.contiguous(memory_format=torch.channels_last)
        return self.net(x)[..., :height, :width]
