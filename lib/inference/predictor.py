"""Models that answer together: windows in, averaged class probabilities out.

    predictor = Predictor([Member(checkpoint), Member(other, weight=0.5)], tta="d4", scales=(0.75, 1.0))
    probabilities = predictor(tiles)             # (N, B, h, w) as fed → (N, C, h, w) float32

Probabilities are averaged, never logits, which leave seams. Members may have been trained at different working sizes:
the largest is the common one, and the others see each window resized. A batch that does not fit into the GPU's memory
is halved, for all windows to come.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Any

import torch

from lib.competitions.pixels import Images
from lib.errors import Failed
from lib.inference.answers import Mean
from lib.inference.tta import ORIENTATIONS, View, views
from lib.inference.windows import Blend, reflected
from lib.models.folding import folded
from lib.models.segmenter import STRIDE
from lib.rasters.radiometry import IMAGENET
from lib.recipe import Recipe

NO_WORD = Images()
"""Images of which a competition says nothing: 8-bit RGB."""

ON_GPU = 16
"""Windows a forward pass on a GPU, to begin with."""


@dataclass(frozen=True)
class Member:
    """A model in evaluation mode, the recipe that it was trained with, and its weight in the average."""

    model: torch.nn.Module
    recipe: Recipe
    weight: float = 1.0

    @classmethod
    def on(cls, device: str, model: torch.nn.Module, recipe: Recipe, weight: float = 1.0) -> Member:
        """A model in evaluation mode, on the device and as fast there as it gets; it is changed for that."""
        return cls(folded(model).to(device), recipe, weight)


class Predictor:
    """What predicting one window takes, for one member or several."""

    def __init__(
        self,
        members: Sequence[Member],
        tta: str | None = None,
        scales: Sequence[float] | None = None,
        multilabel: bool = False,
        images: Images = NO_WORD,
    ) -> None:
        """`tta`, `scales`: the recipe's of the first member when None. `multilabel`: sigmoid instead of softmax.

        `images`: how the competition's images are read. All members are fed by the rule of the first.
        """
        self.members = tuple(members)
        first = self.members[0].recipe
        self.tta = tta or first.infer.tta
        self.scales = tuple(scales or first.infer.scales)
        self.multilabel = multilabel
        self.images = images
        self.radiometry = getattr(self.members[0].model, "radiometry", IMAGENET)
        for member in self.members[1:]:
            if getattr(member.model, "radiometry", IMAGENET) != self.radiometry:
                member.model.be_fed_by(self.radiometry)
        self.scale = max(member.recipe.data.scale for member in self.members)
        spans = [member.recipe.window / member.recipe.data.scale for member in self.members]
        self.window = math.ceil(max(spans) * self.scale - 1e-6)
        self.overlap = first.infer.overlap
        self.blend: Blend = first.infer.blend
        self.device = next(self.members[0].model.parameters()).device
        self.batch = first.infer.batch or (ON_GPU if self.on_gpu else 1)
        self._total = sum(member.weight for member in self.members)

    @property
    def on_gpu(self) -> bool:
        """Whether the models are on a GPU."""
        return self.device.type == "cuda"

    @property
    def identity(self) -> dict[str, Any]:
        """Every option that changes what comes out."""
        used = {"tta": self.tta, "scales": list(self.scales), "overlap": self.overlap, "window": self.window}
        return used | {"scale": self.scale, "blend": self.blend}

    @torch.inference_mode()
    def __call__(self, tiles: torch.Tensor) -> torch.Tensor:
        """Class probabilities (N, C, h, w) float32 of windows (N, B, h, w), as fed, on the models' device.

        Raises `Failed` when not even one view of one window fits into the memory.
        """
        while True:
            most = min(self.batch, len(tiles) * len(self.scales) * len(ORIENTATIONS[self.tta]))
            try:
                parts = [self._answer(part) for part in tiles.split(most)]
                return parts[0] if len(parts) == 1 else torch.cat(parts)
            except torch.OutOfMemoryError:
                if most == 1:
                    raise Failed(
                        f"a window of {self.window} pixels does not fit into the memory of {self._name()}",
                        "smaller windows do: python launch.py --kernel predict --set "
                        f"infer.window={max(32, self.window // 2)}",
                    ) from None
            if self.on_gpu:
                torch.cuda.empty_cache()  # out of the except clause, whose traceback holds tensors
            self.batch = min(self.batch, most // 2)  # of threads that share a GPU, another may have gone further

    def _answer(self, tiles: torch.Tensor) -> torch.Tensor:
        """The members' mean for windows that are seen together."""
        mean = Mean(tiles.shape[-2:], self.multilabel)
        for member in self.members:
            factor = member.recipe.data.scale / self.scale
            looks = views(self.tta, [scale * factor for scale in self.scales])
            share = member.weight / self._total / len(looks)
            for view, logits in self._seen(member, tiles, looks):
                mean.add(logits, view, share)
                del logits  # before the next view is looked at
        return mean.maps

    def _seen(self, member: Member, tiles: torch.Tensor, looks: Sequence[View]) -> Iterator[tuple[View, torch.Tensor]]:
        """Every view with its logits; views of one shape share forward passes."""
        together = max(1, self.batch // len(tiles))

        def shape(view: View) -> tuple[int, int]:
            return view.size(tiles.shape[-2:])

        for _, alike in groupby(sorted(looks, key=shape), shape):
            while part := tuple(islice(alike, together)):
                images = [view.apply(tiles) for view in part]
                logits = self._forward(member.model, torch.cat(images) if len(images) > 1 else images[0])
                yield from zip(part, logits.split(len(tiles)), strict=True)
                del logits  # before the next pass

    def _name(self) -> str:
        """The device, in words."""
        return torch.cuda.get_device_name(self.device) if self.on_gpu else "this machine"

    def _forward(self, model: torch.nn.Module, images: torch.Tensor) -> torch.Tensor:
        """Logits of (N, B, h, w), float32; inside, half precision on a GPU."""
        height, width = images.shape[-2:]
        half = torch.bfloat16 if self.on_gpu and torch.cuda.is_bf16_supported(False) else torch.float16
        with torch.autocast(self.device.type, dtype=half, enabled=self.on_gpu):
            return model(reflected(images, STRIDE))[..., :height, :width].float()
