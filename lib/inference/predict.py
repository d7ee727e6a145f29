"""A model over a whole image in memory: probabilities at the working size, in one array.

For one image that fits; `lib.inference.labels` goes from a file of any size to labels without this array.
"""

from __future__ import annotations

import numpy as np
import torch

from lib.inference.bands import probability_bands
from lib.inference.predictor import Member, Predictor
from lib.rasters.reader import Pixels, working_shape
from lib.recipe import Recipe


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
