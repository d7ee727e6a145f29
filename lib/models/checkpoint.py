"""Checkpoints: weights as safetensors, with the competition, the recipe, the bands' statistics and the score inside.

Loading never unpickles code, and a checkpoint explains itself:

    save(path, model, competition, recipe, score=0.83, epoch=7)
    checkpoint = load(path)          # Checkpoint(model, competition, recipe, score, epoch)
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes

from lib import files
from lib.competitions import Competition
from lib.errors import Failed, UsageError
from lib.models.build import build
from lib.models.segmenter import Segmenter
from lib.rasters.radiometry import Radiometry
from lib.recipe import Recipe


@dataclass(frozen=True)
class Checkpoint:
    """A loaded checkpoint; the model is on the CPU, in evaluation mode."""

    model: Segmenter
    competition: Competition
    recipe: Recipe
    score: float
    epoch: int

    def must_be_of(self, competition: Competition) -> None:
        """Raise `UsageError` when these weights were trained for other classes than the competition's."""
        own = self.competition
        if own.images != competition.images:
            raise UsageError(
                f"the checkpoint was trained on {_bands(own)}, and {competition.name} reads {_bands(competition)}",
                "train with the [images] that you predict with, or leave -c out",
            )
        if (own.name, own.names) != (competition.name, competition.names):
            raise UsageError(
                f"the checkpoint was trained for {own.name!r} ({', '.join(own.names)}), "
                f"not for {competition.name!r} ({', '.join(competition.names)})",
                f"name a run of {competition.name} with --run, or leave -c out",
            )


def save(path: Path, model: Segmenter, competition: Competition, recipe: Recipe, score: float, epoch: int) -> None:
    """Write the model's weights and what they are, whole or not at all."""
    about = {
        "format": "swath-1",
        "competition": competition.model_dump_json(exclude_defaults=True),
        "recipe": recipe.model_dump_json(),
        "score": repr(float(score)),
        "epoch": str(epoch),
        "radiometry": json.dumps(model.radiometry.as_dict()),
    }
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    files.write(path, to_bytes(tensors, metadata=about))


def load(path: Path) -> Checkpoint:
    """Build the model that a checkpoint describes and fill in its weights; `Failed` when the file is not one."""
    about, tensors = read(path)
    try:
        competition = Competition.model_validate_json(about["competition"])
        recipe = Recipe.model_validate_json(about["recipe"])
        score, epoch = float(about["score"]), int(about["epoch"])
        radiometry = Radiometry.of(json.loads(about["radiometry"]))
    except (KeyError, ValueError, TypeError) as error:
        raise Failed(f"the description inside {path} is damaged: {str(error).splitlines()[0]}") from None
    model = build(recipe.model, len(competition.classes), pretrained=False, radiometry=radiometry)
    fill(model, tensors, path)
    return Checkpoint(model.eval(), competition, recipe, score, epoch)


def read(path: Path) -> tuple[dict[str, str], dict[str, torch.Tensor]]:
    """A checkpoint's description and its tensors."""
    try:
        with safe_open(path, framework="pt") as file:
            about = file.metadata() or {}
            if about.get("format") != "swath-1":
                raise Failed(f"{path} is not a checkpoint of this kit")
            return about, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except FileNotFoundError:
        raise Failed(f"the checkpoint {path} is missing") from None
    except (SafetensorError, OSError) as error:
        raise Failed(f"{path} is not a readable checkpoint: {error}") from None


def fill(model: Segmenter, tensors: dict[str, torch.Tensor], path: Path) -> None:
    """Load tensors into a model that must fit them exactly."""
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        first = str(error).strip().splitlines()[-1].strip()
        raise Failed(f"the weights in {path} do not fit the model: {first}") from None


def _bands(competition: Competition) -> str:
    """What a competition reads of its images, in words."""
    told = competition.images.model_dump(mode="json", exclude_defaults=True)
    return ", ".join(f"images.{key} = {value}" for key, value in told.items()) or "8-bit RGB"
