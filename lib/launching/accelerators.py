"""The accelerators of Kaggle: their names here, what is sent, and what Kaggle gives for it.

What Kaggle offers changes; the kernel looks at the devices that it really has and prints them first.
"""

from __future__ import annotations

from dataclasses import dataclass

from lib.errors import UsageError
from lib.validation import closest


@dataclass(frozen=True)
class Accelerator:
    """An accelerator: `machine_shape` is Kaggle's word for it, None for a CPU session; `gpus` is what it gives."""

    name: str
    machine_shape: str | None
    gpus: int
    gives: str
    warning: str | None = None

    @property
    def is_gpu(self) -> bool:
        """Whether a session with it has a GPU."""
        return self.gpus > 0


_RESTRICTED = "Kaggle gives it in some competitions only, and refuses it elsewhere"

ACCELERATORS = {
    accelerator.name: accelerator
    for accelerator in (
        Accelerator("none", None, 0, "CPU, 4 cores"),
        # One machine shape is two cards: a single T4 is not offered (Kaggle/kaggle-cli #1196, #1198).
        Accelerator("t4x2", "NvidiaTeslaT4", 2, "2 x T4, 15 GB each"),
        # Retired in September 2026; the image's torch has no sm_60 kernels either (#1151).
        Accelerator(
            "p100", "NvidiaTeslaP100", 2, "2 x T4, 15 GB each", "Kaggle has retired the P100 and gives 2 x T4 instead"
        ),
        Accelerator("l4x4", "NvidiaL4", 4, "4 x L4, 24 GB each", _RESTRICTED),
        Accelerator("l4", "NvidiaL4X1", 1, "1 x L4, 24 GB", _RESTRICTED),
        Accelerator("a100", "NvidiaTeslaA100", 1, "1 x A100", _RESTRICTED),
        Accelerator("h100", "NvidiaH100", 1, "1 x H100", _RESTRICTED),
        Accelerator("rtxpro6000", "NvidiaRtxPro6000", 1, "1 x RTX Pro 6000", _RESTRICTED),
    )
}


def accelerator(name: str) -> Accelerator:
    """The accelerator of a name; `UsageError` with the known names otherwise."""
    try:
        return ACCELERATORS[name.lower()]
    except KeyError:
        raise UsageError(f"there is no accelerator {name!r}", closest(name.lower(), list(ACCELERATORS))) from None
