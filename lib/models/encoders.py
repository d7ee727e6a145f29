"""Encoders by name: timm's, and the five of SegFormer that timm lacks.

encoder = known("resnet34")          # Encoder("resnet34", "tu-resnet34", …); UsageError for a name that is none
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from lib.errors import UsageError
from lib.validation import closest

MIX = tuple(f"mit_b{number}" for number in range(6))
"""SegFormer's, which segmentation-models-pytorch brings itself."""

SIZE_SWITCHES = {"dynamic_img_size": True, "strict_img_size": False}
"""What timm's transformers call their willingness to take images of another size than they were trained on."""


@dataclass(frozen=True)
class Encoder:
    """An encoder as it is asked for here, and as segmentation-models-pytorch knows it."""

    name: str
    smp_name: str
    options: dict[str, Any] = field(default_factory=dict)
    is_fixed: bool = False
    """Whether it was made for images of one size; it may take others all the same."""

    @property
    def is_timms(self) -> bool:
        return self.name not in MIX

    @property
    def has_pretrained(self) -> bool:
        """Whether there are pretrained weights of it."""
        import timm

        return not self.is_timms or timm.is_model_pretrained(self.name)

    @property
    def imagenet(self) -> Any:
        """What segmentation-models-pytorch is told to download them."""
        return True if self.is_timms else "imagenet"


def known(name: str) -> Encoder:
    """The encoder of this name; `UsageError` with names like it when there is none."""
    import timm

    if name in MIX:
        return Encoder(name, name)
    if not timm.is_model(name):
        like = timm.list_models(f"{name[:5]}*")[:20] or ["resnet34", "resnet50"]
        raise UsageError(f"model.encoder: timm {timm.__version__} has no model {name!r}", closest(name, like))
    is_fixed = bool(timm.get_pretrained_cfg(name, allow_unregistered=True).fixed_input_size)
    return Encoder(name, f"tu-{name}", _any_size(name) if is_fixed else {}, is_fixed)


def _any_size(name: str) -> dict[str, Any]:
    """The options with which a timm model takes images of any size, where it has such."""
    import inspect

    known = inspect.signature(type(on_paper(name)).__init__).parameters
    return {option: value for option, value in SIZE_SWITCHES.items() if option in known}


def on_paper(name: str) -> Any:
    """A timm model, classifier and all, without memory for its weights: for its names and shapes."""
    import timm
    import torch

    with torch.device("meta"):
        return timm.create_model(name)
