"""One optimizer step: forward, loss, backward, clipping, the optimizer, the moving average of the weights.

stepper = Stepper(fabric, model, recipe, steps=300, class_weights=None)
stepper.begin(epoch=1)                                 # at the start of each epoch, or where a session goes on in it
loss, norm = stepper.take(batches, step=0, lr=1e-3)    # batches: (images, labels) on the device, a forward pass each
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from lib.models import Segmenter
from lib.models.blocks import blocks, encoder_parameters
from lib.models.freezing import freeze
from lib.recipe import Recipe
from lib.training.averages import moving_average
from lib.training.compiling import compiled
from lib.training.gradients import Gradients
from lib.training.lightning import Fabric
from lib.training.losses import Loss
from lib.training.optimizers import optimizer_of, set_rate

NEVER = 10**9
"""Steps of an epoch in whose first ones no gradients are measured."""

Batch = tuple[torch.Tensor, torch.Tensor]


class Stepper:
    """A model in training, with everything that a step moves."""

    def __init__(
        self, fabric: Fabric, model: Segmenter, recipe: Recipe, steps: int, class_weights: Sequence[float] | None = None
    ) -> None:
        """`steps`: of an epoch; `class_weights`: of the loss."""
        train = recipe.train
        self.fabric, self.recipe = fabric, recipe
        self.model = fabric.to_device(model)
        self.average = moving_average(self.model, train.ema) if train.ema else None
        self.optimizer = optimizer_of(train, self.model, encoder_parameters(model))
        self.loss = fabric.to_device(Loss(train.loss, class_weights))
        self.gradients = Gradients(blocks(self.model) if fabric.is_global_zero else {}, steps)
        self._wrapped: tuple[torch.nn.Module, Any] | None = None
        self._trained: list[bool] | None = None

    def begin(self, epoch: int) -> None:
        """Wake what is trained in an epoch, from 1, and set the model up anew where that is something else."""
        self.model.train()
        freeze(self.model, self.recipe.model, epoch)
        trained = [parameter.requires_grad for parameter in self.model.parameters()]
        if trained != self._trained:
            model = compiled(self.model) if self.recipe.train.compile else self.model
            self._wrapped = self.fabric.setup(model, self.optimizer, move_to_device=False)
            self._trained = trained

    def take(self, batches: Sequence[Batch], step: int, lr: float) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Take the step that follows `step` others; returns its mean loss, and its gradient's norm when that is known.

        Both stay on the device: reading them would make a GPU wait.
        """
        model, optimizer = self._wrapped
        set_rate(self.optimizer, lr)
        optimizer.zero_grad()
        loss = self._backward(model, batches)
        norm = self.gradients.before(step, self._scale)
        if clip := self.recipe.train.clip:
            norm = self.fabric.clip_gradients(model, optimizer, max_norm=clip, error_if_nonfinite=False)
        optimizer.step()
        self.gradients.after(step)
        if self.average is not None:
            self.average.update_parameters(self.model)
        return loss, norm

    def _backward(self, model: torch.nn.Module, batches: Sequence[Batch]) -> torch.Tensor:
        losses = []
        for number, (images, labels) in enumerate(batches, 1):
            with self.fabric.no_backward_sync(model, enabled=number < len(batches)):
                loss = self.loss(model(images), labels.long()) / len(batches)
                self.fabric.backward(loss)
            losses.append(loss.detach())
        return sum(losses)

    def _scale(self) -> float:
        """What gradients are multiplied with: fp16's are scaled."""
        scaler = getattr(self.fabric.strategy.precision, "scaler", None)
        return scaler.get_scale() if scaler is not None else 1.0
