"""Builds a recipe's model without its weights and sends one crop through it: does it exist, does it fit?

echo '{"model": {"encoder": "resnet50"}}' | python -m lib.models 6
"""

import sys
import warnings

import torch

from lib.errors import guarded
from lib.models.build import build
from lib.recipe import Recipe


@guarded
def main() -> None:
    warnings.simplefilter("ignore")
    recipe = Recipe.model_validate_json(sys.stdin.read())
    model = build(recipe.model, classes=int(sys.argv[1]), pretrained=False).eval()
    with torch.inference_mode():
        model(torch.zeros(1, 3, 64, 64, dtype=torch.uint8))
    print(
        f"{recipe.model.architecture} on {recipe.model.encoder}: {sum(p.numel() for p in model.parameters()):,} weights"
    )


if __name__ == "__main__":
    main()
