"""`infer.…`: windows, orientations and scales of a prediction."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lib.recipe.words import AutoInt, Scales
from lib.validation import Strict


class InferRecipe(Strict):
    window: AutoInt = Field(default=None, ge=32)
    """Side of the prediction windows at the working size. auto: twice the crop, but no more than 640 or the crop: 25
    classes of a larger one would not fit a laptop beside everything else."""
    overlap: float = Field(default=0.25, ge=0, lt=1)
    """Share of a window's side that its neighbour sees again."""
    blend: Literal["hann", "gaussian"] = "hann"
    """How a window's weight falls from its middle to its edge, where it stays above zero."""
    tta: Literal["none", "flips", "d4"] = "d4"
    """Orientations averaged in a submission: flips has four, d4 all eight."""
    scales: Scales = (1.0,)
    """Sizes at which each window is seen, over its own, such as 0.75, 1, 1.25; averaged in a submission."""
    batch: AutoInt = Field(default=None, ge=1)
    """Windows a forward pass. auto: one on a CPU; on a GPU 16, halved while they do not fit into its memory."""
