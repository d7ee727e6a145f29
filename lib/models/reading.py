"""Tensors out of any file of weights: the kit's checkpoints, safetensors, torch's .pt, .pth, .bin and .ckpt.

    weights = read("best.pth")          # Weights(tensors={"encoder.conv1.weight": …}, about={})

Nothing is ever unpickled but tensors and plain values, so no file can run code.
"""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from lib.errors import Failed
from lib.files import shown

NESTED = ("state_dict", "model_state_dict", "model_state", "model", "net", "weights")
"""Under what name training programs keep a model's tensors beside other things."""

WRAPPERS = ("module.", "_orig_mod.", "net.", "model.", "network.")
"""What stands before every name when a model was wrapped: by DataParallel, torch.compile, Lightning, this kit."""


@dataclass(frozen=True)
class Weights:
    """`about`: what the kit's own checkpoints say of themselves; empty for others."""

    tensors: dict[str, torch.Tensor]
    about: dict[str, str] = field(default_factory=dict)


def read(path: Path) -> Weights:
    """The tensors of a file by their names, without what wrapped the model; `Failed` when it holds none."""
    try:
        with path.open("rb") as file:
            begin = file.read(2)
        is_zip = begin == b"PK"
        tensors, about = (_unpickled(path, is_zip), {}) if is_zip or begin[:1] == b"\x80" else _safe(path)
    except FileNotFoundError:
        raise Failed(f"the weights {path} are missing") from None
    except OSError as error:
        raise Failed(f"{path} cannot be read: {error.strerror or error}") from None
    if not tensors:
        raise Failed(f"{path} holds no tensors under names", "save a state dict: torch.save(model.state_dict(), FILE)")
    return Weights(_unwrapped(tensors), about)


def _safe(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as file:
            about = file.metadata() or {}
            about = about if about.get("format") == "swath-1" else {}
            return {name: file.get_tensor(name) for name in file.keys()}, about  # noqa: SIM118 - not a mapping
    except SafetensorError as error:
        raise Failed(
            f"{path} is neither safetensors nor a file of torch.save: {error}", "download or save it again"
        ) from None


def _unpickled(path: Path, is_zip: bool) -> dict[str, torch.Tensor]:
    try:
        if is_zip and not zipfile.is_zipfile(path):
            raise ValueError("it ends too early")
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise Failed(
            f"{path} holds more than tensors and plain values, and opening it could run code that is in it",
            "where you trust it, write its tensors to a file of their own, in Python: "
            f"torch.save(torch.load({shown(path)!r}, weights_only=False)['state_dict'], 'weights.pth')",
        ) from None
    except (RuntimeError, EOFError, ValueError, KeyError) as error:
        reason = str(error).strip().splitlines()
        raise Failed(f"{path} is damaged: {reason[0] if reason else type(error).__name__}") from None
    return _tensors(content)


def _tensors(content: Any) -> dict[str, torch.Tensor]:
    """The state dict in what was saved, however deep it lies."""
    if not isinstance(content, Mapping):
        return {}
    for name in NESTED:
        if isinstance(content.get(name), Mapping):
            return _tensors(content[name])
    return {str(name): value for name, value in content.items() if isinstance(value, torch.Tensor)}


def _unwrapped(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Names without what stands before all of them."""
    while found := [wrapper for wrapper in WRAPPERS if all(name.startswith(wrapper) for name in tensors)]:
        tensors = {name.removeprefix(found[0]): tensor for name, tensor in tensors.items()}
    return tensors
