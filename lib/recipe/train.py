"""`train.…`: epochs, steps, loss, optimizer, devices."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from lib.recipe.words import AutoInt
from lib.validation import Strict


def _numbers(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


class TrainRecipe(Strict):
    epochs: int = Field(default=40, ge=0)
    """0: validate the weights and stop."""
    batch: int = Field(default=16, ge=1)
    """Crops an optimizer step, over all ranks together."""
    steps: AutoInt = Field(default=None, ge=1)
    """Optimizer steps an epoch. auto: about as many pixels as the training images have."""
    lr: float = Field(default=1e-3, gt=0, le=10)
    """AdamW's learning rate at its peak."""
    weight_decay: float = Field(default=1e-2, ge=0)
    """AdamW's, on weights; biases and norms are left alone."""
    warmup: float = Field(default=0.05, ge=0, lt=1)
    """Share of all steps in which the learning rate rises linearly; then it falls along a cosine to zero."""
    clip: float = Field(default=1.0, ge=0)
    """Largest gradient norm; 0 leaves gradients as they are."""
    ce: float = Field(default=1.0, ge=0)
    """Weight of the cross-entropy in the loss."""
    dice: float = Field(default=1.0, ge=0)
    """Weight of the Dice loss."""
    class_weights: Annotated[
        Literal["none", "frequency", "samples", "effective"] | tuple[Annotated[float, Field(ge=0)], ...],
        BeforeValidator(_numbers),
    ] = "none"
    """Weights of the classes in the cross-entropy, from the training images' pixels: 1 − a class's frequency · inverse
    number of samples · effective number of samples (lib/data/balance.py). Or a number for each class."""
    ema: float = Field(default=0.0, ge=0, lt=1)
    """Decay of a moving average of the weights, which is then what is validated and kept, such as 0.999; 0: none."""
    seed: int = Field(default=0, ge=0, lt=2**32)
    """Decides the random weights, the split into training and validation, and every crop."""
    precision: Annotated[Literal["auto", "32", "16", "bf16"], BeforeValidator(str)] = "auto"
    """auto: bf16 where the GPU has it natively, fp16 on older GPUs, 32 on a CPU."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto: GPUs when there are any; a run that was sent to GPUs and finds none stops at once."""
    ranks: AutoInt = Field(default=None, ge=1, le=64)
    """Processes that share a step, each with its own share of the crops in loss and batch norm. auto: one a GPU, one
    on a CPU."""

    @model_validator(mode="after")
    def _some_loss(self) -> TrainRecipe:
        if self.ce == 0 and self.dice == 0:
            raise ValueError("ce and dice are both 0: there is no loss to train on")
        if self.ranks and self.batch % self.ranks:
            raise ValueError(f"batch = {self.batch} cannot be divided over ranks = {self.ranks}")
        return self
