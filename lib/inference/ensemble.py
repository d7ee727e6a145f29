"""Checkpoints that predict together: loaded, checked against each other, weighted.

ensemble = load([Weighted(run.checkpoint), Weighted(Path("other.safetensors"), 0.5)])
predictor = ensemble.predictor(tta="d4")
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from lib import files
from lib.competitions import Competition
from lib.errors import UsageError
from lib.inference.predictor import Member, Predictor
from lib.models import checkpoint
from lib.models.checkpoint import Checkpoint


@dataclass(frozen=True)
class Weighted:
    """A checkpoint's file, or a folder of probabilities, and its weight in an average."""

    path: Path
    weight: float = 1.0


@dataclass(frozen=True)
class Ensemble:
    """Checkpoints of one competition, and what tells them from any others."""

    checkpoints: tuple[Checkpoint, ...]
    weights: tuple[float, ...]
    identity: tuple[dict[str, Any], ...]
    """A member's SHA-256 and weight each."""

    @property
    def competition(self) -> Competition:
        """The competition that all members were trained for."""
        return self.checkpoints[0].competition

    def predictor(
        self, tta: str | None = None, scales: Sequence[float] | None = None, device: str | None = None
    ) -> Predictor:
        """The members ready to predict: on the GPU when there is one; copies of them on a `device` that is named."""
        torch.backends.cudnn.benchmark = True  # windows have one shape
        place = device or ("cuda" if torch.cuda.is_available() else "cpu")
        models = [copy.deepcopy(each.model) if device else each.model for each in self.checkpoints]
        trios = zip(models, self.checkpoints, self.weights, strict=True)
        members = [Member.on(place, model, each.recipe, weight) for model, each, weight in trios]
        return Predictor(members, tta, scales, self.competition.multilabel, self.competition.images)


def load(chosen: Sequence[Weighted], competition: Competition | None = None) -> Ensemble:
    """Load checkpoints; `UsageError` when one was trained for another competition, or for other classes."""
    loaded = tuple(checkpoint.load(each.path) for each in chosen)
    for each in loaded:
        each.must_be_of(competition or loaded[0].competition)
    identity = tuple({"checkpoint": files.sha256(each.path), "weight": each.weight} for each in chosen)
    return Ensemble(loaded, tuple(each.weight for each in chosen), identity)


def weighted(text: str) -> tuple[str, float]:
    """Name and weight of a text such as "RUN" or "RUN=0.5"; `UsageError` for a weight that is not above 0."""
    name, equals, number = text.rpartition("=")
    if not equals:
        return text, 1.0
    try:
        weight = float(number)
    except ValueError:
        return text, 1.0  # a name with an equals sign in it
    if not 0 < weight < float("inf"):
        raise UsageError(f"{text}: a weight is a number above 0", f"for example {name}=0.5")
    return name, weight
