"""Averages of weights: along the way, each step a little; and of the best epochs, at the end.

average = moving_average(model, decay=0.999)
average.update_parameters(model)                            # each step
best = BestEpochs(folder, count=5)
best.offer(epoch, score, model)                             # each validation
fill(model, best.mean())
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import nn
from torch.optim.swa_utils import AveragedModel

from lib import files

KEPT = Path("checkpoints", "kept")
"""Where the best epochs' weights lie in a working folder, until their average is made."""


def moving_average(model: nn.Module, decay: float) -> AveragedModel:
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


class BestEpochs:
    """The weights of the `count` epochs that scored best, in files of a working folder, and their plain average."""

    def __init__(self, folder: Path, count: int, writes: bool = True) -> None:
        """`writes`: whether this rank is the one that keeps the files."""
        self.folder, self.count, self.writes = folder, count, writes
        self.kept: list[tuple[float, int]] = []
        """Score and epoch, the best first."""

    def path(self, epoch: int) -> Path:
        """Where an epoch's weights lie."""
        return self.folder / KEPT / f"epoch-{epoch:04}.safetensors"

    def offer(self, epoch: int, score: float, model: nn.Module) -> None:
        """Keep an epoch's weights when they are among the best; what drops out of these is deleted."""
        best = sorted([*self.kept, (score, epoch)], key=lambda one: (-one[0], one[1]))[: self.count]
        if self.writes and (score, epoch) in best:
            tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
            files.write(self.path(epoch), to_bytes(tensors))
        for _, dropped in set(self.kept) - set(best):
            if self.writes:
                self.path(dropped).unlink(missing_ok=True)
        self.kept = best

    @property
    def epochs(self) -> list[int]:
        """The best epochs, the best first."""
        return [epoch for _, epoch in self.kept]

    def mean(self) -> dict[str, torch.Tensor]:
        """The average of the kept weights and statistics, in float64 on the way; counters are the best epoch's."""
        sums: dict[str, torch.Tensor] = {}
        first: dict[str, torch.Tensor] = {}
        for epoch in self.epochs:
            tensors = load_file(self.path(epoch))
            first = first or tensors
            for name, tensor in tensors.items():
                if tensor.is_floating_point():
                    sums[name] = sums.get(name, 0) + tensor.double()
        return {
            name: (sums[name] / len(self.kept)).to(tensor.dtype) if name in sums else tensor
            for name, tensor in first.items()
        }

    def clear(self) -> None:
        """Delete the files: the average is made, or is not wanted any more."""
        if self.writes:
            shutil.rmtree(self.folder / KEPT, ignore_errors=True)

    def state_dict(self) -> dict[str, Any]:
        """What a later session goes on with, but the files."""
        return {"kept": self.kept}

    def load_state_dict(self, state: dict[str, Any], outputs: Path) -> None:
        """Go on from an earlier session, whose files are among its `outputs`."""
        self.kept = [tuple(one) for one in state["kept"]]
        for epoch in self.epochs if self.writes else ():
            files.copy(outputs / self.path(epoch).relative_to(self.folder), self.path(epoch))
