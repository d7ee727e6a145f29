"""`model.…`: the network, the weights that it starts from, and which of them are trained from when on."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from lib.recipe.words import Auto
from lib.validation import Strict

FiveChannels = Annotated[tuple[PositiveInt, ...], Field(min_length=5, max_length=5)]

POOLING = ("deeplabv3", "deeplabv3plus", "pan", "upernet")
"""Architectures that pool a whole crop to one pixel and then normalise it over the batch."""


class ModelRecipe(Strict):
    architecture: Literal[
        "unet", "unetplusplus", "manet", "linknet", "fpn", "pspnet", "deeplabv3", "deeplabv3plus", "pan", "upernet",
        "segformer",
    ] = "unet"  # fmt: skip
    """A segmentation-models-pytorch architecture."""
    encoder: str = "resnet34"
    """Any timm model that gives features: resnet50, convnext_tiny, mobilenetv3_small_100, …"""
    weights: str = "imagenet"
    """`imagenet`: timm's pretrained weights, from the hub. `none`: random. Or a checkpoint's path."""
    decoder_channels: Annotated[FiveChannels | None, Auto] = None
    """Channels of the five decoder stages of unet, unetplusplus and manet, deepest first. auto: theirs."""
    freeze: Literal["none", "encoder"] | int = "none"
    """What is not trained: nothing · the encoder · so many of the encoder's stages, from the first. Batch norms there
    keep their statistics too."""
    thaw: int = Field(default=0, ge=0)
    """The epoch, from 1, from which on everything is trained; 0: what is frozen stays so."""

    @model_validator(mode="after")
    def _decoder_fits(self) -> ModelRecipe:
        if self.decoder_channels and self.architecture not in ("unet", "unetplusplus", "manet"):
            raise ValueError(
                f"decoder_channels goes with unet, unetplusplus and manet, not with {self.architecture}; "
                "drop them with --set model.decoder_channels=auto"
            )
        return self
