"""The training loss: a weighted sum of cross-entropy, focal, Dice, Jaccard, Tversky and Lovász terms.

loss = Loss("0.5*ce(smooth=0.1) + 0.5*dice", class_weights=(0.9, 0.4, 0.9))
loss(logits, labels)                 # (N, C, H, W) floats and (N, H, W) int64 with 255 ignored → a scalar

Ignored pixels are left out of every term; a batch of nothing else has a loss of 0. Most terms are
segmentation-models-pytorch's, whose overlap losses pass over the classes that a batch does not hold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from segmentation_models_pytorch import losses as smp
from torch import nn

from lib.competitions import IGNORE
from lib.recipe import loss_terms

MODE = "multiclass"

Weights = torch.Tensor | None


class Loss(nn.Module):
    """`forward(logits, labels)`: (N, C, H, W) floats and (N, H, W) int64 with 255 ignored → a scalar."""

    def __init__(self, text: str, class_weights: Sequence[float] | None = None) -> None:
        """`text`: the recipe's `train.loss`. `class_weights`: of each class in cross-entropy and focal loss; None: all
        alike."""
        super().__init__()
        weights = None if class_weights is None else torch.tensor(class_weights, dtype=torch.float32)
        parts = [part for part in loss_terms(text) if part.weight]
        self.weights = [part.weight for part in parts]
        self.parts = nn.ModuleList(TERMS[part.call.name](weights, **part.call.options) for part in parts)

    def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return sum(weight * part(logits, labels) for weight, part in zip(self.weights, self.parts, strict=True))


class CrossEntropy(nn.Module):
    """Cross-entropy, a mean over the known pixels, each with its class's weight; `smooth` of the truth is spread over
    all classes (Szegedy et al. 2016)."""

    def __init__(self, weights: Weights, smooth: float = 0.0) -> None:
        super().__init__()
        self.sum = nn.CrossEntropyLoss(weights, ignore_index=IGNORE, reduction="sum", label_smoothing=smooth)

    def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        known = labels != IGNORE
        if self.sum.weight is None:
            pixels = known.sum().clamp(min=1)  # a mean over no pixel would be NaN
        else:
            pixels = self.sum.weight[labels[known]].sum().clamp(min=1e-6)
        return self.sum(logits, labels) / pixels


class Focal(nn.Module):
    """Each class against the rest by (1 − p)^γ·log p, a mean over pixels and classes (Lin et al. 2017)."""

    def __init__(self, weights: Weights, gamma: float = 2.0) -> None:
        super().__init__()
        weighted = None if weights is None else weights.tolist()
        self.sum = smp.FocalLoss(MODE, gamma=gamma, ignore_index=IGNORE, reduction="sum", class_weights=weighted)

    def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return self.sum(logits, labels) / (labels != IGNORE).sum().clamp(min=1)


class LogCoshDice(nn.Module):
    """log cosh of the Dice loss: smoother where it is small (Jadon 2020)."""

    def __init__(self, weights: Weights, smooth: float = 0.0) -> None:
        super().__init__()
        self.dice = smp.DiceLoss(MODE, ignore_index=IGNORE, smooth=smooth)

    def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return torch.log(torch.cosh(self.dice(logits, labels)))


class FocalTversky(nn.Module):
    """The Tversky loss to a power: below 1, what is nearly right still counts (Abraham and Khan 2019)."""

    def __init__(self, weights: Weights, gamma: float = 0.75, **options: float) -> None:
        super().__init__()
        self.tversky, self.gamma = tversky(weights, **options), gamma

    def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return self.tversky(logits, labels).clamp(min=1e-7) ** self.gamma  # at 0 its slope would be no number


class Lovasz(nn.Module):
    """The Lovász extension of 1 − IoU, over the classes that are present (Berman et al. 2018)."""

    def __init__(self, weights: Weights, per_image: bool = False) -> None:
        super().__init__()
        self.lovasz = smp.LovaszLoss(MODE, per_image=per_image, ignore_index=IGNORE)

    def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return self.lovasz(logits, labels).sum() + 0 * logits.sum()  # of no pixel it is empty


def dice(weights: Weights, smooth: float = 0.0) -> nn.Module:
    """1 − 2·|A∩B| / (|A| + |B|), a mean over all classes, over the batch as one."""
    return smp.DiceLoss(MODE, ignore_index=IGNORE, smooth=smooth)


def jaccard(weights: Weights, smooth: float = 0.0) -> nn.Module:
    """1 − |A∩B| / |A∪B|, a mean over all classes, over the batch as one."""
    return smp.JaccardLoss(MODE, ignore_index=IGNORE, smooth=smooth)


def tversky(weights: Weights, alpha: float = 0.3, beta: float = 0.7, smooth: float = 0.0) -> nn.Module:
    """1 − TP / (TP + α·FP + β·FN) (Salehi et al. 2017)."""
    return smp.TverskyLoss(MODE, ignore_index=IGNORE, alpha=alpha, beta=beta, smooth=smooth)


TERMS: dict[str, Callable[..., Any]] = {
    "ce": CrossEntropy,
    "focal": Focal,
    "dice": dice,
    "log_cosh_dice": LogCoshDice,
    "jaccard": jaccard,
    "tversky": tversky,
    "focal_tversky": FocalTversky,
    "lovasz": Lovasz,
}
"""What stands behind the names of `lib.recipe.choices.LOSSES`."""
