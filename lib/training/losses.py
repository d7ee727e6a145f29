"""The training loss: cross-entropy and Dice, weighted by the recipe, ignored pixels left out of both.

loss = Loss(recipe.train, class_weights=(0.9, 0.4, 0.9))
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from segmentation_models_pytorch.losses import DiceLoss
from torch import nn

from lib.competitions import IGNORE
from lib.recipe import TrainRecipe


class Loss(nn.Module):
    """`forward(logits, labels)`: (N, C, H, W) floats and (N, H, W) int64 with 255 ignored → a scalar."""

    def __init__(self, recipe: TrainRecipe, class_weights: Sequence[float] | None = None) -> None:
        """`class_weights`: of each class's pixels in the cross-entropy; None: all alike."""
        super().__init__()
        self.weights = recipe.ce, recipe.dice
        weight = None if class_weights is None else torch.tensor(class_weights, dtype=torch.float32)
        self.ce = nn.CrossEntropyLoss(weight, ignore_index=IGNORE, reduction="sum")
        self.dice = DiceLoss("multiclass", ignore_index=IGNORE)

    def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        ce, dice = self.weights
        loss = logits.new_zeros(())
        if ce:
            loss = loss + ce * self.ce(logits, labels) / self._pixels(labels)
        if dice:
            loss = loss + dice * self.dice(logits, labels)
        return loss

    def _pixels(self, labels: torch.Tensor) -> torch.Tensor:
        """What the cross-entropy's sum is divided by: the pixels, each with its class's weight; never 0."""
        known = labels != IGNORE
        if self.ce.weight is None:
            return known.sum().clamp(min=1)  # a mean over no pixel would be NaN
        return self.ce.weight[labels[known]].sum().clamp(min=1e-6)
