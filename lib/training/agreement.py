"""How the ranks of a step agree, without making a GPU wait: over the CPU, by a group of their own.

together = Agreement(count=2)
if together.any(limit.calls()):      # on all ranks or on none
    ...
"""

from __future__ import annotations

from typing import TypeVar

import torch
import torch.distributed as dist

Value = TypeVar("Value")


class Agreement:
    """What all ranks say, told to all of them; with one rank, its own word."""

    def __init__(self, count: int) -> None:
        self.group = dist.new_group(backend="gloo") if count > 1 else None

    def any(self, said: bool) -> bool:
        """Whether any rank says yes."""
        if self.group is None:
            return said
        votes = torch.tensor([int(said)])
        dist.all_reduce(votes, dist.ReduceOp.MAX, group=self.group)
        return bool(votes.item())

    def gather(self, value: Value) -> list[Value]:
        """Every rank's value, in their order."""
        if self.group is None:
            return [value]
        values: list = [None] * dist.get_world_size()
        dist.all_gather_object(values, value, group=self.group)
        return values

    def same_buffers(self, model: torch.nn.Module) -> None:
        """Give every rank the buffers of rank 0's model: each has batch-norm statistics of its own crops."""
        if self.group is not None:
            for buffer in model.buffers():
                dist.broadcast(buffer, src=0)
