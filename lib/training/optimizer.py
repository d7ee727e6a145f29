"""AdamW, its learning rate at every step, and the average of the weights along the way.

optimizer = adamw(model, recipe.train)
set_rate(optimizer, recipe.train, step=10, steps=100)
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from lib.recipe import TrainRecipe


def adamw(model: nn.Module, recipe: TrainRecipe) -> torch.optim.AdamW:
    """AdamW over a model's weights; biases and norms do not decay."""
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim <= 1]  # biases and norms
    groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=recipe.lr)


def set_rate(optimizer: torch.optim.Optimizer, recipe: TrainRecipe, step: int, steps: int) -> float:
    """Give an optimizer the learning rate of `step` of `steps`, and return it."""
    lr = recipe.lr * rate(step, steps, recipe.warmup)
    for group in optimizer.param_groups:
        group["lr"] = lr
    return lr


def rate(step: int, steps: int, warmup: float) -> float:
    """The learning rate's share of its peak at `step` of `steps`: it rises linearly, then falls along a cosine to 0."""
    rising = max(1, round(steps * warmup))
    if step < rising:
        return (step + 1) / rising
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - rising) / max(1, steps - rising))))


def averaged(model: nn.Module, decay: float) -> AveragedModel:
    """The exponential moving average of a model's weights and statistics; call `update_parameters(model)` each step.

    Early on it remembers less, so that the first weights do not linger: over n steps at most (1 + n) / (10 + n).
    """

    @torch.no_grad()
    def move(average: list[torch.Tensor], current: list[torch.Tensor], on_device: torch.Tensor) -> None:
        seen = int(result.n_averaged)  # on the CPU: reading the other one would make the GPU wait
        if average[0].is_floating_point():
            torch._foreach_lerp_(average, current, 1 - min(decay, (1 + seen) / (10 + seen)))
        else:
            torch._foreach_copy_(average, current)

    result = AveragedModel(model, multi_avg_fn=move, use_buffers=True)
    return result
