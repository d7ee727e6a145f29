"""The accelerators of Kaggle and of Colab: their names here, what is sent, and what the place gives for it.

What a place offers changes; the kernel looks at the devices that it really has and prints them first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lib.errors import UsageError
from lib.validation import closest

if TYPE_CHECKING:
    from lib.launching.kaggle.slots import Kind


@dataclass(frozen=True)
class Accelerator:
    """An accelerator: `machine_shape` is the place's word for it, None for a CPU; `gpus` is what it gives."""

    name: str
    machine_shape: str | None
    gpus: int
    gives: str
    warning: str | None = None

    @property
    def is_gpu(self) -> bool:
        """Whether a session with it has a GPU."""
        return self.gpus > 0

    @property
    def kind(self) -> Kind:
        """What Kaggle counts its sessions as."""
        return "GPU" if self.is_gpu else "CPU"


def _by_name(*accelerators: Accelerator) -> dict[str, Accelerator]:
    return {accelerator.name: accelerator for accelerator in accelerators}


_RESTRICTED = "Kaggle gives it in some competitions only, and refuses it elsewhere"
_PAID = "Colab gives it to accounts with compute units, when there is one free"

KAGGLE = _by_name(
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

# The official command turns every other word into an A100 without saying so: an unknown one must not reach it.
COLAB = _by_name(
    Accelerator("none", None, 0, "CPU, 2 cores"),
    Accelerator("t4", "T4", 1, "1 x T4, 15 GB"),
    Accelerator("l4", "L4", 1, "1 x L4, 24 GB", _PAID),
    Accelerator("g4", "G4", 1, "1 x RTX Pro 6000, 96 GB", _PAID),
    Accelerator("a100", "A100", 1, "1 x A100", _PAID),
    Accelerator("h100", "H100", 1, "1 x H100", _PAID),
)

OFFERS = {"kaggle": KAGGLE, "colab": COLAB}
TITLES = {"kaggle": "Kaggle", "colab": "Colab"}


def accelerator(name: str, place: str = "kaggle") -> Accelerator:
    """The accelerator of a name at a place; `UsageError` with the place's names otherwise."""
    offered = OFFERS.get(place, KAGGLE)
    if name.lower() in offered:
        return offered[name.lower()]
    hint = closest(name.lower(), list(offered))
    other = next((other for other in OFFERS if other != place and name.lower() in OFFERS[other]), None)
    if other and place in OFFERS:
        hint += f" (or --on {other} --gpu {name.lower()})"
    where = " on Colab" if place == "colab" else ""
    raise UsageError(f"there is no accelerator {name!r}{where}", hint)
