"""Models: segmentation-models-pytorch architectures on timm encoders, fed with raw pixels.

model = build(recipe.model, classes=6)        # Segmenter: uint8 RGB in, logits at the same size out
"""

from lib.models.build import build, has_unused_parameters
from lib.models.segmenter import Segmenter

__all__ = ["Segmenter", "build", "has_unused_parameters"]
