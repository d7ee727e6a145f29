"""The recipe: every number and choice of a training run, with its default and what it means.

A recipe is resolved from layers, later ones winning: default, the competition's own, a recipe file, the
environment (`SWATH_TRAIN__EPOCHS=30`), `--set train.epochs=30`. Each key remembers the layer it came from:

    recipe, origins = resolve([("sample.toml", {"train": {"epochs": 12}}), ("--set", {"train.epochs": 30})])

Importing this module needs neither torch nor numpy.
"""

from lib.recipe.choices import loss_terms
from lib.recipe.data import DataRecipe
from lib.recipe.infer import InferRecipe
from lib.recipe.layers import from_environment, leaves, parse_setting, resolve
from lib.recipe.model import POOLING, ModelRecipe
from lib.recipe.recipe import Recipe
from lib.recipe.terms import Call, call
from lib.recipe.train import TrainRecipe

__all__ = [
    "POOLING",
    "Call",
    "DataRecipe",
    "InferRecipe",
    "ModelRecipe",
    "Recipe",
    "TrainRecipe",
    "call",
    "from_environment",
    "leaves",
    "loss_terms",
    "parse_setting",
    "resolve",
]
