"""A run's model with the weights that it starts from, wherever they are.

    model = start(recipe, classes=6, radiometry=ready.radiometry, inputs=folders.inputs, say=print)

Weights that are missing or do not fit are an error, never random ones in silence; what is new is said.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lib import files
from lib.errors import UsageError
from lib.models import hub
from lib.models.brought import brought_weights, mounted_weights
from lib.models.build import build
from lib.models.fitting import fill
from lib.models.reading import Weights, read
from lib.models.segmenter import Segmenter
from lib.rasters.radiometry import Radiometry
from lib.recipe import ModelRecipe, Recipe
from lib.recipe.model import PLAIN

Say = Callable[[str], None]

SHAPING = ("architecture", "encoder", "decoder_channels", "depth", "width", "norm", "upsampling")
"""Keys that decide which tensors a model has."""


def find(recipe: Recipe, inputs: Path) -> Path | None:
    """The file that a session starts from, below `inputs` or where the recipe names it; None for the hub and none.

    Raises `DataError` when a file that was brought or is mounted is not there.
    """
    if recipe.model.origin.is_mounted:
        return mounted_weights(recipe.model.origin, inputs)
    return brought_weights(inputs) or recipe.starts_from


def start(
    recipe: Recipe, classes: int, radiometry: Radiometry, inputs: Path, fresh: bool = True, say: Say | None = None
) -> Segmenter:
    """Build the recipe's model and fill in what it starts from.

    `inputs`: where a session's data sets are mounted. `fresh`: False for a run that goes on, whose weights are in its
    state. `say` gets a line about what was loaded, and what of the model is new. Raises `Failed` for weights that do
    not arrive or do not fit, `UsageError` for a model that cannot be.
    """
    say = say or _silent
    return _started(recipe, classes, radiometry, inputs, fresh, say).lay_out(recipe.train.channels_last)


def _started(recipe: Recipe, classes: int, radiometry: Radiometry, inputs: Path, fresh: bool, say: Say) -> Segmenter:
    model = recipe.model
    if not fresh:
        return build(model, classes, pretrained=False, radiometry=radiometry)
    path = find(recipe, inputs)
    if model.weights in ("imagenet", "none"):
        if model.weights == "none" and model.freeze != "none":
            say(f"model.freeze = {model.freeze}, and model.weights = none: random weights are frozen")
        return build(model, classes, encoder=path, radiometry=radiometry)
    return fill_from(build(model, classes, pretrained=False, radiometry=radiometry), model, path, say)


def fill_from(built: Segmenter, model: ModelRecipe, path: Path | None, say: Say) -> Segmenter:
    """Fill a model with a file's weights, or with those of the hub that its recipe names."""
    if model.origin.kind == "run":
        raise UsageError(f"model.weights = {model.weights!r}: a session knows no runs", "start it with launch.py")
    words, told = model.weights, {}
    if path is None:
        path, config = hub.obtain(model.origin.name)
        told = hub.told(config)
    elif model.origin.kind == "file":
        words = files.shown(Path(model.origin.name))
    weights = read(path)
    told = told or _told(weights)
    _must_be_alike(model, told, words)
    say(fill(built, weights, model, words, _hint(model, told)))
    return built


def _told(weights: Weights) -> dict[str, Any]:
    """What a checkpoint of the kit says of its model."""
    try:
        described = json.loads(weights.about["recipe"])["model"]
        return {name: described[name] for name in SHAPING if described.get(name) is not None}
    except (KeyError, ValueError, TypeError):
        return {}


def _must_be_alike(model: ModelRecipe, told: dict[str, Any], words: str) -> None:
    """Raise `UsageError` when weights say that they are another architecture's, or on another encoder."""
    theirs = model.model_copy(update={name: told[name] for name in SHAPING[:2] if name in told})
    same_encoder = theirs.encoder.split(".")[0] == model.encoder.split(".")[0]  # what follows says how it was trained
    if theirs.architecture != model.architecture or not (same_encoder or model.architecture == PLAIN):
        raise UsageError(f"the weights from {words} are of {theirs.title}, not of {model.title}", _hint(model, told))


def _hint(model: ModelRecipe, told: dict[str, Any]) -> str | None:
    """The words that make a recipe's model the one that weights are of."""
    mine = json.loads(model.model_dump_json())
    differing = {name: value for name, value in told.items() if mine[name] != value}
    spelled = {name: value if isinstance(value, str) else json.dumps(value) for name, value in differing.items()}
    return " ".join(f"--set {shlex.quote(f'model.{name}={value}')}" for name, value in spelled.items()) or None


def _silent(text: str) -> None:
    """Say nothing: another rank does."""
