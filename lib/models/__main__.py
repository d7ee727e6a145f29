"""Builds a recipe's model in a process of its own, for the launcher, which imports no torch.

One crop through the model, without pretrained weights: does it exist, do the weights fit that it starts from, where
they are a file of this machine or the hub's?

    echo '{"model": {"encoder": "resnet50"}}' | python -m lib.models 6 3       # classes, bands

The encoder's pretrained weights, from the hub or its cache on this machine, as a file for sessions without internet:

    echo '{"model": {"encoder": "resnet50"}}' | python -m lib.models encoder FILE.safetensors

A whole model's, when the recipe names one of the hub: the same with `hub` for `encoder`.
"""

import sys
import warnings
from pathlib import Path

import torch
from safetensors.torch import save as to_bytes

from lib import files, garbage
from lib.errors import guarded
from lib.models import hub
from lib.models.build import build, is_reachable
from lib.models.freezing import freeze
from lib.models.starting import fill_from
from lib.rasters.radiometry import Radiometry
from lib.recipe import Recipe


@guarded
def main() -> None:
    warnings.simplefilter("ignore")
    garbage.seldom()
    recipe = Recipe.model_validate_json(sys.stdin.read())
    if sys.argv[1] == "encoder":
        write_encoder(recipe, Path(sys.argv[2]))
    elif sys.argv[1] == "hub":
        files.write(Path(sys.argv[2]), hub.obtain(recipe.model.origin.name)[0].read_bytes())
    else:
        try_out(recipe, int(sys.argv[1]), int(sys.argv[2]))


def try_out(recipe: Recipe, classes: int, channels: int) -> None:
    """Raise what keeps a recipe's model from being built, frozen or filled; print what it is and what is new in it."""
    radiometry = Radiometry((0.0,) * channels, (1.0,) * channels)
    model = build(recipe.model, classes, pretrained=False, radiometry=radiometry)
    print(f"{recipe.model.title}: {sum(p.numel() for p in model.parameters()):,} weights")
    freeze(model.train(), recipe.model, epoch=1)
    with torch.inference_mode():
        model.eval()(torch.zeros(1, channels, 64, 64, dtype=torch.uint8))
    start = recipe.starts_from if recipe.starts_from and recipe.starts_from.is_file() else None
    if start or (recipe.model.origin.kind == "hub" and (is_reachable() or hub.is_here(recipe.model.origin.name))):
        fill_from(model, recipe.model, start, print)
    elif recipe.model.origin.name:
        print(f"weights from {recipe.model.weights}: not looked at, they are not on this machine")


def write_encoder(recipe: Recipe, path: Path) -> None:
    """Write the encoder's pretrained weights; the same weights give the same bytes."""
    encoder = build(recipe.model, classes=1).net.encoder
    tensors = {name: tensor.contiguous() for name, tensor in encoder.state_dict().items()}
    files.write(path, to_bytes(tensors))


if __name__ == "__main__":
    main()
