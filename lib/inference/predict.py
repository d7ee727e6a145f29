"""A model over a whole image: working size, windows, orientations, probabilities averaged.

Softmax comes before every average: merged logits leave seams.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from lib.data.datasets import to_working_size
from lib.inference.tta import ORIENTATIONS
from lib.inference.windows import starts, weights
from lib.models import Segmenter
from lib.recipe import Recipe


def predict(model: Segmenter, image: np.ndarray, recipe: Recipe, tta: str | None = None) -> np.ndarray:
    """Class probabilities of one image.

    `image`: (H, W, 3) uint8 RGB at its original size. `tta`: none, flips or d4; the recipe's when None. Returns
    (C, h, w) float32 at the working size, summing to 1 over classes.
    """
    turns = ORIENTATIONS[tta or recipe.infer.tta]
    working = to_working_size(image, recipe.data.scale)
    height, width = working.shape[:2]
    side = recipe.window
    device = next(model.parameters()).device
    pixels = torch.from_numpy(np.ascontiguousarray(working)).to(device).permute(2, 0, 1)[None]
    total = weight = None
    for top, left in _corners(height, width, side, recipe.infer.overlap):
        tile = pixels[..., top : top + side, left : left + side]
        probabilities = sum(turn.undo(_softmax(model, turn.apply(tile))) for turn in turns) / len(turns)
        rows, columns = tile.shape[-2:]
        if (rows, columns) == (height, width):
            return probabilities.cpu().numpy()
        if total is None:
            total = torch.zeros((probabilities.shape[0], height, width), device=device)
            weight = torch.zeros((height, width), device=device)
            blend = torch.from_numpy(weights(rows, columns)).to(device)
        total[:, top : top + rows, left : left + columns] += probabilities * blend
        weight[top : top + rows, left : left + columns] += blend
    return (total / weight).cpu().numpy()


def _corners(height: int, width: int, side: int, overlap: float) -> Iterator[tuple[int, int]]:
    for top in starts(height, side, overlap):
        for left in starts(width, side, overlap):
            yield top, left


@torch.inference_mode()
def _softmax(model: Segmenter, images: torch.Tensor) -> torch.Tensor:
    """Probabilities (C, h, w) of one image; half precision on a GPU, softmax always in float32."""
    half = torch.bfloat16 if torch.cuda.is_available() and torch.cuda.is_bf16_supported(False) else torch.float16
    with torch.autocast(images.device.type, dtype=half, enabled=images.device.type == "cuda"):
        logits = model(images)
    return logits[0].float().softmax(0)
