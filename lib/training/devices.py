"""What the session really has: devices, their abilities, and whether they are what was asked for."""

from __future__ import annotations

import os
import platform

import torch

from lib.errors import Refused
from lib.recipe import TrainRecipe


def describe() -> list[str]:
    """One line a device and one for the machine, as the kernel prints them first."""
    lines = [f"devices: {torch.cuda.device_count()} GPU(s)" if torch.cuda.is_available() else "devices: CPU only"]
    for index in range(torch.cuda.device_count()):
        card = torch.cuda.get_device_properties(index)
        lines.append(f"  GPU {index}: {card.name}, {card.total_memory / 2**30:.1f} GiB, sm_{card.major}{card.minor}")
    lines.append(
        f"  machine: {os.cpu_count()} CPU cores, {_memory_gib():.0f} GiB memory; "
        f"Python {platform.python_version()}, torch {torch.__version__}"
    )
    return lines


def choose(recipe: TrainRecipe, gpu_asked: bool) -> str:
    """`cuda` or `cpu` for this run; `Refused` when GPUs were asked for and cannot be used."""
    if recipe.device == "cpu":
        return "cpu"
    if not torch.cuda.is_available():
        if recipe.device == "cuda" or gpu_asked:
            raise Refused(
                "a GPU was asked for and this session has none",
                "on Kaggle an account gets GPUs and internet only after its phone is verified: "
                "https://www.kaggle.com/settings; to run without one: --set train.device=cpu",
            )
        return "cpu"
    built_for = torch.cuda.get_arch_list()
    for index in range(torch.cuda.device_count()):
        major, minor = torch.cuda.get_device_capability(index)
        if built_for and not any(_runs(arch, major, minor) for arch in built_for):
            raise Refused(
                f"this torch has no kernels for {torch.cuda.get_device_name(index)} (sm_{major}{minor}); "
                f"it was built for {', '.join(built_for)}",
                "take another accelerator, such as --gpu t4x2",
            )
    return "cuda"


def ranks(recipe: TrainRecipe, device: str) -> int:
    """How many processes share a step: the recipe's number, or one a GPU, or one."""
    if device == "cuda":
        return min(recipe.ranks or torch.cuda.device_count(), torch.cuda.device_count())
    return recipe.ranks or 1


def native_bf16() -> bool:
    """Whether the GPU computes in bf16 itself (sm_80 and newer; a T4 only emulates it)."""
    return torch.cuda.is_available() and torch.cuda.get_device_capability()[0] >= 8


def precision(recipe: TrainRecipe, device: str) -> str:
    """Lightning's word for the precision to train in; a CPU computes fp16 recipes in bf16, as Lightning has it."""
    if recipe.precision == "16" and device == "cpu":
        return "bf16-mixed"
    if recipe.precision == "auto":
        if device == "cpu":
            return "32-true"
        return "bf16-mixed" if native_bf16() else "16-mixed"
    return {"32": "32-true", "16": "16-mixed", "bf16": "bf16-mixed"}[recipe.precision]


def _runs(arch: str, major: int, minor: int) -> bool:
    """Whether code built for `arch` (sm_75, compute_90, sm_90a) runs on a card of this capability."""
    kind, _, digits = arch.partition("_")
    number = int("".join(filter(str.isdigit, digits)) or 0)
    if kind == "compute":
        return number <= major * 10 + minor
    return number // 10 == major and number % 10 <= minor


def _memory_gib() -> float:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (ValueError, OSError, AttributeError):
        return 0.0
