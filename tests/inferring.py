"""What the tests of prediction share: a tiny network, recipes, pictures, and a model that looks at one pixel alone."""

from pathlib import Path

import cv2
import numpy as np
import torch

from lib.competitions import Pair
from lib.inference.bands import probability_bands
from lib.inference.predictor import Member, Predictor
from lib.models import build
from lib.rasters import encode_png
from lib.rasters.reader import Pixels, working_shape
from lib.recipe import ModelRecipe, Recipe, resolve

CLASSES = 5


def tiny(classes: int = CLASSES, seed: int = 1) -> torch.nn.Module:
    """A real network with random weights."""
    torch.manual_seed(seed)
    recipe = ModelRecipe(encoder="mobilenetv3_small_050", weights="none", decoder_channels=(32, 16, 16, 16, 8))
    return build(recipe, classes).eval()


class Pointwise(torch.nn.Module):
    """Logits of each pixel from its colour alone."""

    def __init__(self, classes: int = CLASSES, seed: int = 1) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.net = torch.nn.Conv2d(3, classes, 1).eval()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.net(images.float() / 64)


def recipe_with(**keys) -> Recipe:
    """A recipe of windows of 64 pixels, with these keys: `infer__tta="none"`."""
    table = {"data.crop": 32, "infer.tta": "none", **{name.replace("__", "."): value for name, value in keys.items()}}
    return resolve([("test", table)])[0]


def predictor(model: torch.nn.Module | None = None, multilabel: bool = False, **keys) -> Predictor:
    """A predictor of one member."""
    return Predictor([Member(model or Pointwise(), recipe_with(**keys))], multilabel=multilabel)


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Smooth patches of colour, (height, width, 3) uint8."""
    noise = np.random.default_rng(seed).random((max(2, height // 8), max(2, width // 8), 3), np.float32)
    smooth = cv2.resize(noise, (width, height), interpolation=cv2.INTER_LINEAR)
    return (smooth * 255).astype(np.uint8)


def pictures(folder: Path) -> list[Pair]:
    """Four pictures a to d of slightly different widths, as files."""
    folder.mkdir(exist_ok=True)
    for number, name in enumerate("abcd"):
        (folder / f"{name}.png").write_bytes(encode_png(picture(40, 50 + number, seed=number)))
    return [Pair(name, folder / f"{name}.png", None, name) for name in "abcd"]


def predict(
    model: torch.nn.Module, image: np.ndarray, recipe: Recipe, tta: str | None = None, multilabel: bool = False
) -> np.ndarray:
    """Class probabilities of one image.

    `image`: (H, W, 3) uint8 RGB at its original size. `tta`: none, flips or d4, then at the window's own scale alone;
    the recipe's orientations and scales when None. Returns (C, h, w) float32 at the working size, summing to 1 over
    classes, or each in 0..1 when `multilabel`.
    """
    predictor = Predictor([Member(model, recipe)], tta, (1.0,) if tta else None, multilabel)
    return whole(predictor, Pixels(image).at(working_shape(image.shape[:2], recipe.data.scale)))


def whole(predictor: Predictor, source: Pixels) -> np.ndarray:
    """All bands of an image at the working size, as one array (C, h, w)."""
    result = None
    for top, rows in probability_bands(predictor, source):
        if rows.shape[1:] == source.shape:
            return rows.cpu().numpy()
        if result is None:
            result = np.empty((rows.shape[0], *source.shape), np.float32)
        torch.from_numpy(result)[:, top : top + rows.shape[1]].copy_(rows)
    return result
