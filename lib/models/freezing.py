"""Parts of a model that are not trained, for the whole run or until an epoch.

    model.train()
    freeze(model, recipe.model, epoch)          # at the start of every epoch, from 1; twice does no harm

A frozen parameter gets no gradient, which an optimizer then leaves alone, weight decay and all; frozen batch norms keep
their statistics.
"""

from __future__ import annotations

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from lib.errors import UsageError
from lib.models.blocks import STAGE, STEM, blocks
from lib.recipe import ModelRecipe

FROZEN = "_frozen_parameters"
"""Where a model remembers the names of what was frozen here: some have parameters that are never trained."""


def freeze(model: nn.Module, recipe: ModelRecipe, epoch: int) -> None:
    """Freeze what the recipe says for this epoch (from 1), and thaw what was frozen before.

    Call it after `model.train()`, which wakes the batch norms. Raises `UsageError` for more stages than there are.
    """
    thawed = recipe.thaw and epoch >= recipe.thaw
    parts = [] if thawed else frozen_parts(model, recipe)
    held = {id(weights) for part in parts for weights in part.parameters()}
    before = getattr(model, FROZEN, frozenset())
    now = set()
    for name, weights in model.named_parameters():
        if id(weights) in held and (weights.requires_grad or name in before):
            weights.requires_grad_(False)
            weights.grad = None
            now.add(name)
        elif name in before:
            weights.requires_grad_(True)
    setattr(model, FROZEN, frozenset(now))
    if before and not parts:
        for part in frozen_parts(model, recipe):
            _keep_statistics(part, not model.training)
    for part in parts:
        _keep_statistics(part, True)


def frozen_parts(model: nn.Module, recipe: ModelRecipe) -> list[nn.Module]:
    """The parts that `model.freeze` names."""
    if recipe.freeze == "none":
        return []
    encoder = {name: part for name, part in blocks(model).items() if name.startswith((STEM, STAGE))}
    if recipe.freeze == "encoder":
        return list(encoder.values())
    stages = sum(name != STEM for name in encoder)
    if recipe.freeze > stages:
        raise UsageError(
            f"model.freeze = {recipe.freeze}: the encoder of {recipe.title} has {stages} stages",
            f"--set model.freeze={stages}, or all of it: --set model.freeze=encoder",
        )
    return [part for name, part in encoder.items() if name == STEM or int(name[len(STAGE) :]) <= recipe.freeze]


def _keep_statistics(part: nn.Module, keep: bool) -> None:
    for layer in part.modules():
        if isinstance(layer, _NormBase):
            layer.train(not keep)
