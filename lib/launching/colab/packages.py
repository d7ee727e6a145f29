"""What a kernel imports and a Colab machine may lack, from requirements.txt.

Colab's image has no Lightning; what else it lacks changes. The machine itself looks, and installs only what is missing:
torch and numpy are never named, and pip may not replace them. segmentation-models-pytorch travels in the bundle.
"""

from __future__ import annotations

import re

from lib.folders import PROJECT

IMPORTED = {
    "albumentations": "albumentations",
    "opencv-python-headless": "cv2",
    "optuna": "optuna",
    "pillow": "PIL",
    "pydantic": "pydantic",
    "pytorch-lightning": "pytorch_lightning",
    "rasterio": "rasterio",
    "ray": "ray",
    "safetensors": "safetensors",
    "shapely": "shapely",
    "timm": "timm",
}
"""Distributions that what travels imports, and their modules."""


def needs() -> list[tuple[str, str]]:
    """A line of requirements.txt and its module, for each package that a machine may lack."""
    lines = (PROJECT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    wanted = [line.partition("#")[0].strip() for line in lines]
    names = [re.split(r"[<>=!~ \[]", line)[0] for line in wanted]
    return [(line, IMPORTED[name]) for line, name in zip(wanted, names, strict=True) if name in IMPORTED]
