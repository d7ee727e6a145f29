"""Lightning's Fabric for a rank: device, precision, the ranks' shared gradients; imported without torchmetrics.

fabric = fabric_of("cuda", ranks=2, precision="16-mixed", model=model)

Fabric's import loads torchmetrics, and with it scipy.signal, only to compare its version for a callback that the kit
does not use: over a second of every session's start, and 60 MB.
"""

import sys
from typing import TYPE_CHECKING

from lib.errors import UsageError

if TYPE_CHECKING:
    from torch import nn

    from lib.models import Segmenter

_ABSENT = object()
_loaded = sys.modules.get("torchmetrics", _ABSENT)
sys.modules.setdefault("torchmetrics", None)  # Fabric takes it for not installed
try:
    from lightning_fabric import Fabric, seed_everything
finally:
    if _loaded is _ABSENT:
        del sys.modules["torchmetrics"]

__all__ = ["Fabric", "fabric_of", "seed_everything", "synchronized"]


def fabric_of(device: str, ranks: int, precision: str, model: "Segmenter") -> Fabric:
    """Fabric for this rank, launched; several ranks share the gradients of each step by DDP."""
    from lib.models import has_unused_parameters

    strategy = "auto"
    if ranks > 1:
        strategy = "ddp_find_unused_parameters_true" if has_unused_parameters(model) else "ddp"
    accelerator = "gpu" if device == "cuda" else "cpu"
    made = Fabric(accelerator=accelerator, devices=ranks, strategy=strategy, precision=precision)
    made.launch()
    return made


def synchronized(model: "nn.Module", device: str) -> "nn.Module":
    """A model whose batch norms see the crops of all ranks; weights keep their names. `UsageError` on a CPU."""
    if device != "cuda":
        raise UsageError(
            "train.sync_batchnorm = true: torch shares batch norms between GPUs only, and this run is on a CPU",
            "--set train.sync_batchnorm=false",
        )
    from timm.layers import convert_sync_batchnorm

    return convert_sync_batchnorm(model)
