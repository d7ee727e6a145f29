"""A U-Net from scratch: two convolutions a stage, halved `depth` times, and back up with the skips beside (Ronneberger
et al. 2015, https://arxiv.org/abs/1505.04597), its convolutions padded, so that maps keep their size.

    net = PlainUnet(bands=3, classes=6, depth=4, width=64)     # (N, 3, H, W) -> (N, 6, H, W); 2^depth divides H and W
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import nn

Norm = Literal["batch", "none"]
Upsampling = Literal["bilinear", "nearest", "transposed"]
Initialisation = Literal["he", "xavier", "orthogonal"]


class PlainUnet(nn.Module):
    """`encoder`: a stage for each size, the full one first; `decoder`: a stage for each doubling, the deepest first."""

    def __init__(
        self,
        bands: int,
        classes: int,
        depth: int = 4,
        width: int = 64,
        norm: Norm = "batch",
        upsampling: Upsampling = "bilinear",
        initialisation: Initialisation = "he",
    ) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(depth + 1)]
        self.encoder = nn.ModuleList(
            Stage(before, after, norm) for before, after in zip([bands, *widths], widths, strict=False)
        )
        self.decoder = nn.ModuleList(
            Rise(below, beside, norm, upsampling) for below, beside in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        self.segmentation_head = nn.Conv2d(width, classes, 1)
        self.pool = nn.MaxPool2d(2)
        initialise(self, initialisation)
        initialise(self.segmentation_head, "xavier")

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(N, bands, H, W) floats to (N, classes, H, W) logits."""
        maps = [self.encoder[0](images)]
        for stage in self.encoder[1:]:
            maps.append(stage(self.pool(maps[-1])))
        x = maps.pop()
        for rise in self.decoder:
            x = rise(x, maps.pop())
        return self.segmentation_head(x)


class Stage(nn.Sequential):
    """Two 3×3 convolutions, each with its norm and a ReLU."""

    def __init__(self, before: int, after: int, norm: Norm = "batch") -> None:
        super().__init__(*_convolution(before, after, norm), *_convolution(after, after, norm))


class Rise(nn.Module):
    """Twice as large, half as many channels, the skip beside it, and a stage over both."""

    def __init__(self, below: int, beside: int, norm: Norm, upsampling: Upsampling) -> None:
        super().__init__()
        self.up = up(below, beside, upsampling)
        self.stage = Stage(2 * beside, beside, norm)

    def forward(self, x: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        return self.stage(torch.cat([skip, self.up(x)], dim=1))


def up(before: int, after: int, how: Upsampling) -> nn.Module:
    """What makes maps twice as large.

    Interpolation works channel by channel, so the 1×1 convolution may come first, where it costs a quarter.
    """
    if how == "transposed":
        return nn.ConvTranspose2d(before, after, 2, stride=2)
    larger = nn.Upsample(scale_factor=2, mode=how, align_corners=False if how == "bilinear" else None)
    return nn.Sequential(nn.Conv2d(before, after, 1), larger)


@torch.no_grad()
def initialise(part: nn.Module, how: Initialisation) -> None:
    """Draw a part's convolutions anew; biases become 0.

    he: variance 2 / inputs, which keeps maps behind ReLUs alike (https://arxiv.org/abs/1502.01852) · xavier: variance
    2 / (inputs + outputs) (Glorot and Bengio 2010) · orthogonal: rows at right angles, √2 long
    (https://arxiv.org/abs/1312.6120).
    """
    for layer in part.modules():
        if not isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            continue
        inputs, outputs = layer.in_channels, layer.out_channels
        if isinstance(layer, nn.Conv2d):  # a transposed one of stride 2 brings each pixel one weight a channel
            inputs, outputs = (count * math.prod(layer.kernel_size) for count in (inputs, outputs))
        if how == "orthogonal":
            nn.init.orthogonal_(layer.weight, gain=math.sqrt(2))
        else:
            layer.weight.normal_(0, math.sqrt(2 / (inputs if how == "he" else inputs + outputs)))
        if layer.bias is not None:
            layer.bias.zero_()


def _convolution(before: int, after: int, norm: Norm) -> list[nn.Module]:
    plain = norm == "none"
    layers = [nn.Conv2d(before, after, 3, padding=1, bias=plain), nn.ReLU(inplace=True)]
    return layers if plain else [layers[0], nn.BatchNorm2d(after), layers[1]]
