"""Builds a recipe's model in a process of its own, for the launcher, which imports no torch.

One crop through the model, without pretrained weights: does it exist, does it fit, does its checkpoint?

    echo '{"model": {"encoder": "resnet50"}}' | python -m lib.models 6 3       # classes, bands

The encoder's pretrained weights, from the hub or its cache on this machine, as a file for sessions without internet:

    echo '{"model": {"encoder": "resnet50"}}' | python -m lib.models encoder FILE.safetensors
"""

import sys
import warnings
from pathlib import Path

import torch
from safetensors.torch import save as to_bytes

from lib import files, garbage
from lib.errors import guarded
from lib.models import checkpoint
from lib.models.build import build
from lib.rasters.radiometry import Radiometry
from lib.recipe import Recipe


@guarded
def main() -> None:
    warnings.simplefilter("ignore")
    garbage.seldom()
    recipe = Recipe.model_validate_json(sys.stdin.read())
    if sys.argv[1] == "encoder":
        write_encoder(recipe, Path(sys.argv[2]))
    else:
        try_out(recipe, int(sys.argv[1]), int(sys.argv[2]))


def try_out(recipe: Recipe, classes: int, channels: int) -> None:
    """Raise what keeps the recipe's model from being built, or from the checkpoint of this machine that it names."""
    radiometry = Radiometry((0.0,) * channels, (1.0,) * channels)
    model = build(recipe.model, classes, pretrained=False, radiometry=radiometry).eval()
    if recipe.starts_from and recipe.starts_from.is_file():
        checkpoint.fill(model, checkpoint.read(recipe.starts_from)[1], recipe.starts_from)
    with torch.inference_mode():
        model(torch.zeros(1, channels, 64, 64, dtype=torch.uint8))
    print(
        f"{recipe.model.architecture} on {recipe.model.encoder}: {sum(p.numel() for p in model.parameters()):,} weights"
    )


def write_encoder(recipe: Recipe, path: Path) -> None:
    """Write the encoder's pretrained weights; the same weights give the same bytes."""
    encoder = build(recipe.model, classes=1).net.encoder
    tensors = {name: tensor.contiguous() for name, tensor in encoder.state_dict().items()}
    files.write(path, to_bytes(tensors))


if __name__ == "__main__":
    main()
