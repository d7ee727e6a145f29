"""Batch norm folded into the convolution before it, for a model that only predicts.

    model = folded(model)            # in evaluation mode; the same answers, to float32's rounding

In evaluation γ·(Wx + b − μ)/√(σ² + ε) + β is itself a convolution, and a network without batch norms passes over its
maps once less after nearly every layer.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from lib.rasters.radiometry import IMAGENET, Radiometry

SIDE = 256
"""Of an image that is large enough for every architecture: some halve it eight times."""

TOLERANCE = 1e-3
"""What answers may differ by, as a share of the largest; rounding stays below a hundredth of it."""


@dataclass
class _Call:
    """One use of a layer while a model answers."""

    name: str
    layer: nn.Module
    input: torch.Tensor
    output: torch.Tensor
    versions: tuple[int, int]
    """Of input and output: another when something has changed them in place."""


@torch.inference_mode(False)  # it counts no versions
@torch.no_grad()
def folded(model: nn.Module) -> nn.Module:
    """Fold, in place, every batch norm that reads a convolution's output; returns `model`.

    `model`: (N, B, H, W) images to logits, in evaluation mode. A layer that is used twice is left as it is,
    and so is the whole model when its answer to a probe changes.
    """
    if model.training:
        raise ValueError("a model in training needs its batch norms")
    probe = _probe(getattr(model, "radiometry", IMAGENET)).to(next(model.parameters()).device)
    calls, expected = _calls(model, probe)
    before = {}
    for convolution, norm in _pairs(calls):
        for name, layer in (
            (convolution.name, fuse_conv_bn_eval(convolution.layer, norm.layer)),
            (norm.name, _rest(norm.layer)),
        ):
            before[name] = model.get_submodule(name)
            model.set_submodule(name, layer)
    if before and not torch.allclose(model(probe), expected, rtol=0, atol=TOLERANCE * float(expected.abs().max())):
        for name, layer in before.items():
            model.set_submodule(name, layer)
    return model


def _probe(radiometry: Radiometry) -> torch.Tensor:
    """A random image (1, B, SIDE, SIDE) of values as the model is fed them."""
    shape, generator = (1, radiometry.channels, SIDE, SIDE), torch.Generator().manual_seed(0)
    if radiometry.low is not None:
        return torch.rand(shape, generator=generator)
    return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)


def _calls(model: nn.Module, probe: torch.Tensor) -> tuple[list[_Call], torch.Tensor]:
    """Every use of a convolution or batch norm in the order of their use, and the model's answer."""
    calls: list[_Call] = []
    hooks = [
        layer.register_forward_hook(
            lambda layer, inputs, output, name=name: calls.append(
                _Call(name, layer, inputs[0], output, (inputs[0]._version, output._version))
            )
        )
        for name, layer in model.named_modules()
        if _is_convolution(layer) or _is_norm(layer)
    ]
    try:
        return calls, model(probe)
    finally:
        for hook in hooks:
            hook.remove()


def _pairs(calls: list[_Call]) -> list[tuple[_Call, _Call]]:
    """Convolutions with the batch norm that alone reads what they give."""
    uses = Counter(id(used) for call in calls for used in (call.layer, call.input))
    made = {id(call.output): call for call in calls if _is_convolution(call.layer) and uses[id(call.layer)] == 1}
    found = []
    for call in calls:
        maker, alone = made.get(id(call.input)), uses[id(call.layer)] == uses[id(call.input)] == 1
        if maker and alone and _is_norm(call.layer) and maker.versions[1] == call.versions[0]:
            found.append((maker, call))
    return found


def _rest(norm: nn.Module) -> nn.Module:
    """What a folded norm still does: timm's brings an activation along."""
    rest = [getattr(norm, name) for name in ("drop", "act") if hasattr(norm, name)]
    rest = [layer for layer in rest if not isinstance(layer, nn.Identity)]
    return nn.Sequential(*rest) if rest else nn.Identity()


def _is_convolution(layer: nn.Module) -> bool:
    """Whether its weights are used as they are: subclasses may normalise them first."""
    from timm.layers import Conv2dSame

    return type(layer) in (nn.Conv2d, Conv2dSame)


def _is_norm(layer: nn.Module) -> bool:
    from timm.layers import BatchNormAct2d

    return type(layer) in (nn.BatchNorm2d, BatchNormAct2d) and layer.running_mean is not None
