"""A decoder that reads nothing but an encoder's deepest map, and grows it back to the image's size: no skips.

    net = EncoderDecoder(encoder, classes=12)          # (N, B, H, W) -> (N, 12, H, W); 32 divides H and W

What it shows is how much of a score the skips of a U-Net bring: borders come from the deepest map alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from lib.models.plain_unet import Initialisation, Stage, Upsampling, initialise, up

CHANNELS = (256, 128, 64, 32, 16)
"""Of the stages, deepest first: as many as segmentation-models-pytorch gives its U-Net."""


class EncoderDecoder(nn.Module):
    """`encoder`: one of segmentation-models-pytorch's, which gives a map for each of five halvings."""

    def __init__(
        self,
        encoder: nn.Module,
        classes: int,
        channels: Sequence[int] = CHANNELS,
        upsampling: Upsampling = "bilinear",
        initialisation: Initialisation = "he",
    ) -> None:
        super().__init__()
        self.encoder = encoder
        before = (encoder.out_channels[-1], *channels)
        self.decoder = nn.ModuleList(
            nn.Sequential(up(below, after, upsampling), Stage(after, after))
            for below, after in zip(before, channels, strict=False)
        )
        self.segmentation_head = nn.Conv2d(channels[-1], classes, 3, padding=1)
        initialise(self.decoder, initialisation)
        initialise(self.segmentation_head, "xavier")

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(N, B, H, W) floats to (N, classes, H, W) logits."""
        x = self.encoder(images)[-1]
        for stage in self.decoder:
            x = stage(x)
        return self.segmentation_head(x)
