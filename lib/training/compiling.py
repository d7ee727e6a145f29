"""torch.compile for a training step, and what its failures say.

with told(recipe.train.compile):
    model = compiled(model)          # the same weights by the same names; the first step takes a minute or more
    ...
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from lib.errors import Failed


def compiled(model: nn.Module) -> nn.Module:
    """The model as torch compiles it at its first step; the model itself stays as it was."""
    return torch.compile(model)


@contextmanager
def told(compiles: bool) -> Iterator[None]:
    """Turn what torch's compiler raises into a `Failed` that says how to go on without it."""
    if not compiles:
        yield
        return
    from torch._dynamo.exc import TorchDynamoException

    try:
        yield
    except TorchDynamoException as error:
        reason = str(error).strip().splitlines()
        raise Failed(
            f"train.compile = true: torch could not compile the model here: {reason[0][:300] if reason else 'no word'}",
            "--set train.compile=false",
        ) from None
