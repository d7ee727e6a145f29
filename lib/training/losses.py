"""The training loss: cross-entropy and Dice, weighted by the recipe, ignored pixels left out of both."""

from __future__ import annotations

import torch
from segmentation_models_pytorch.losses import DiceLoss
from torch import nn

from lib.competitions import IGNORE
from lib.recipe import TrainRecipe


class Loss(nn.Module):
    """`forward(logits, labels)`: (N, C, H, W) floats and (N, H, W) int64 with 255 ignored → a scalar."""

    def __init__(self, recipe: TrainRecipe) -> None:
        super().__init__()
        self.weights = recipe.ce, recipe.dice
        self.ce = nn.CrossEntropyLoss(ignore_index=IGNORE, reduction="sum")
        self.dice = DiceLoss("multiclass", ignore_index=IGNORE)

    def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        ce, dice = self.weights
        loss = logits.new_zeros(())
        if ce:
            known = (labels != IGNORE).sum().clamp(min=1)  # a mean over no pixel would be NaN
            loss = loss + ce * self.ce(logits, labels) / known
        if dice:
            loss = loss + dice * self.dice(logits, labels)
        return loss
