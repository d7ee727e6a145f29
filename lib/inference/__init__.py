"""From an image of any size to class probabilities, and from those to a label map at the original size.

    probabilities = predict(model, image, recipe)             # (C, h, w) float32 at the working size
    labels = restore(probabilities, image.shape[:2])          # (H, W) uint8

`restore` alone needs numpy only, so it is importable without torch.
"""

from lib.inference.restore import restore

__all__ = ["restore"]
