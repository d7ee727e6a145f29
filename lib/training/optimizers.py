"""The optimizer that a recipe names: torch's own, the encoder's learning rate apart, no decay of biases and norms.

optimizer = optimizer_of(recipe.train, model, encoder)
set_rate(optimizer, lr=3e-4)                    # of the weights; the encoder's is that times train.encoder_lr
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import torch
from torch import nn

from lib.errors import UsageError
from lib.recipe import TrainRecipe, call


def optimizer_of(
    recipe: TrainRecipe, model: nn.Module, encoder: Collection[nn.Parameter] = ()
) -> torch.optim.Optimizer:
    """The recipe's optimizer over a model's weights; `encoder` are those that learn at the encoder's rate.

    Raises `UsageError` for values that torch does not take.
    """
    chosen = call(recipe.optimizer)
    kind = {name.lower(): getattr(torch.optim, name) for name in torch.optim.__all__ if name[0].isupper()}[chosen.name]
    try:
        return kind(groups(recipe, model, encoder), lr=recipe.lr, **chosen.options)
    except (TypeError, ValueError) as error:
        reason = str(error).replace(f"{kind.__name__}.__init__() ", "")
        raise UsageError(
            f"train.optimizer = {recipe.optimizer!r}: {reason}",
            f"torch's options: https://docs.pytorch.org/docs/stable/generated/torch.optim.{kind.__name__}.html",
        ) from None


def groups(recipe: TrainRecipe, model: nn.Module, encoder: Collection[nn.Parameter] = ()) -> list[dict[str, Any]]:
    """Parameter groups: weights that decay, biases and norms that do not; the encoder's apart where its rate differs.

    `share` is a group's learning rate over the recipe's.
    """
    ids = {id(parameter) for parameter in encoder} if recipe.encoder_lr != 1 else set()
    parameters = list(model.parameters())
    made = []
    for share, own in (
        (recipe.encoder_lr, [parameter for parameter in parameters if id(parameter) in ids]),
        (1.0, [parameter for parameter in parameters if id(parameter) not in ids]),
    ):
        for decay, some in (
            (recipe.weight_decay, [parameter for parameter in own if parameter.ndim > 1]),
            (0.0, [parameter for parameter in own if parameter.ndim <= 1]),
        ):
            if some:
                made.append({"params": some, "weight_decay": decay, "share": share, "lr": recipe.lr * share})
    return made


def set_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Give every group its share of a learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group["share"]
