"""Gradients and updates of a network's blocks, at a few steps an epoch: does every part learn, and how fast?

    gradients = Gradients(blocks(model), steps=300)          # a network's named parts; steps of an epoch
    gradients.before(step, scale)                            # behind backward, before gradients are clipped
    gradients.after(step)                                    # behind the optimizer's step
    gradients.latest["encoder.stem"]                         # {"grad_norm": 0.31, "update_ratio": 0.0012}

At all other steps it does nothing. At those it copies the weights for the length of a step and waits for the GPU once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import nn

AN_EPOCH = 3
"""Steps of an epoch that are measured, spread over it evenly…"""

ONE_IN = 10
"""…and not more than one in so many, but always one."""

Hears = Callable[[int, Mapping[str, Mapping[str, float | None]]], None]
"""Takes the number of a step, from 1, and what was measured at it."""


class Gradients:
    """Measures blocks, given by name; of several ranks, whose gradients are the same, one is enough."""

    def __init__(self, blocks: Mapping[str, nn.Module], steps: int, hears: Iterable[Hears] = ()) -> None:
        """`steps`: of an epoch; without blocks it never measures. `hears`: who is told of each measurement."""
        self.blocks, self.steps = dict(blocks), steps
        self.hears = list(hears)
        self.latest: dict[str, dict[str, float | None]] = {}
        """Of each block that is trained: its gradient's Euclidean norm, None where that is no number (fp16's scaler
        leaves out such a step), and the norm of the step's change over that of the weights, None where those are 0."""
        count = max(1, min(AN_EPOCH, steps // ONE_IN))
        self._places = {int((number + 0.5) * steps / count) for number in range(count)} if self.blocks else set()
        self._norms: dict[str, torch.Tensor] = {}
        self._old: dict[str, list[torch.Tensor]] = {}

    def is_due(self, step: int) -> bool:
        """Whether the step that follows `step` steps of all epochs is one that is measured."""
        return step % self.steps in self._places

    def before(self, step: int, scale: Callable[[], float] = lambda: 1.0) -> torch.Tensor | None:
        """Look at the gradients; `scale` tells what they are multiplied with (a gradient scaler's `get_scale`).

        Returns the norm over all blocks, on the device, at a step that is measured.
        """
        if not self.is_due(step):
            return None
        factor = scale()
        self._norms, self._old = {}, {}
        for name in self.blocks:
            if weights := self._of(name):
                self._norms[name] = _norm([weight.grad.detach() for weight in weights]) / factor
                self._old[name] = [weight.detach().clone() for weight in weights]
        return _norm(list(self._norms.values())) if self._norms else None

    def after(self, step: int) -> None:
        """Look at what the step changed, and tell who hears."""
        if not self._old:
            return
        measured = []
        for name, old in self._old.items():
            weights = _norm(old)
            torch._foreach_sub_(old, [weight.detach() for weight in self._of(name)])
            measured += [self._norms[name], _norm(old), weights]
        numbers = torch.stack(measured).view(-1, 3).tolist()
        self.latest = {
            name: {"grad_norm": _number(norm), "update_ratio": _number(change / weight) if weight else None}
            for name, (norm, change, weight) in zip(self._old, numbers, strict=True)
        }
        self._norms, self._old = {}, {}
        for hear in self.hears:
            hear(step + 1, self.latest)

    def _of(self, name: str) -> list[nn.Parameter]:
        return [weight for weight in self.blocks[name].parameters() if weight.grad is not None]


def _norm(tensors: list[torch.Tensor]) -> torch.Tensor:
    """The Euclidean norm of all numbers of some tensors, float32 on their device."""
    return torch.linalg.vector_norm(torch.stack(torch._foreach_norm([tensor.float() for tensor in tensors])))


def _number(value: float) -> float | None:
    return value if abs(value) < float("inf") else None
