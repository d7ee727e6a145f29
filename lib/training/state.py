"""The state that a session leaves for the next one: `checkpoints/last.ckpt`, everything needed to go on.

It holds tensors, numbers and text alone, and loading it never unpickles code:

    write(working, {"model": model.state_dict(), "step": 120, ...})
    state = read(outputs / STATE)
"""

from __future__ import annotations

import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lib import files
from lib.competitions import Competition, Pair
from lib.errors import Failed, UsageError
from lib.folders import STATE
from lib.recipe import Recipe

FORMAT = "swath-state-2"


def write(folder: Path, state: dict[str, Any]) -> None:
    """Write a state into a working folder, whole or not at all."""
    with files.replacing(folder / STATE) as file:
        torch.save({"format": FORMAT} | state, file)


def read(path: Path) -> dict[str, Any]:
    """Read a state, with all tensors on the CPU; `Failed` when it is damaged or something else."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise Failed(f"the training state {path} is missing") from None
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise Failed(f"{path} is not a readable training state: {reason[:200]}") from None
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise Failed(f"{path} is not a training state of this kit")
    return state


def identity(
    competition: Competition, recipe: Recipe, training: list[Pair], held_out: list[Pair], steps: int
) -> dict[str, Any]:
    """What must be the same for training to go on: competition, recipe, images, steps an epoch."""
    return {
        "competition": competition.model_dump_json(exclude_defaults=True),
        "recipe": recipe.model_dump_json(),
        "training": [pair.id for pair in training],
        "validation": [pair.id for pair in held_out],
        "steps": steps,
    }


def must_fit(state: dict[str, Any], own: dict[str, Any], path: Path) -> None:
    """Raise `UsageError`, naming both sides, when a state was left by another run than this one."""
    theirs, ours = (Competition.model_validate_json(side["competition"]) for side in (state, own))
    if theirs != ours:
        both = f"{theirs.name!r}, and this run is for {ours.name!r}"
        raise UsageError(
            f"{path} was trained for {both if theirs.name != ours.name else f'another description of {ours.name!r}'}",
            "start it without --resume",
        )
    theirs, ours = (Recipe.model_validate_json(side["recipe"]) for side in (state, own))
    if theirs != ours:
        raise UsageError(
            f"{path} was trained with another recipe: "
            + ", ".join(_differences(theirs.model_dump(), ours.model_dump())),
            "go on with the same recipe, or start from its best weights: --set model.weights=…/best.safetensors",
        )
    for key, what in (
        ("training", "training images"),
        ("validation", "validation images"),
        ("steps", "steps an epoch"),
    ):
        if state[key] != own[key]:
            there, here = (side[key] if key == "steps" else len(side[key]) for side in (state, own))
            which = f"{there} {what}, here are {here}" if there != here else f"other {what} than are here"
            raise UsageError(f"{path} was trained on {which}", "mount the same version of the data")


def _differences(theirs: dict[str, Any], ours: dict[str, Any], prefix: str = "") -> list[str]:
    found = []
    for key, value in ours.items():
        if isinstance(value, dict):
            found += _differences(theirs[key], value, f"{prefix}{key}.")
        elif theirs[key] != value:
            found.append(f"{prefix}{key} was {theirs[key]!r} and is {value!r}")
    return found


def random_state() -> dict[str, Any]:
    """Where this process's random numbers are: Python's, NumPy's, torch's, and the GPU's when it uses one."""
    kind, keys, *rest = np.random.get_state()
    return {
        "python": random.getstate(),
        "numpy": (kind, torch.from_numpy(keys.astype(np.int64)), *rest),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_initialized() else None,
    }


def set_random_state(state: dict[str, Any]) -> None:
    """Go on with the random numbers that `random_state` told."""
    kind, keys, *rest = state["numpy"]
    random.setstate(state["python"])
    np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))
    torch.set_rng_state(state["torch"])
    if state["cuda"] is not None and torch.cuda.is_initialized():
        torch.cuda.set_rng_state(state["cuda"])
