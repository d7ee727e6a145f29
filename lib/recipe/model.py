"""`model.…`: the network, the weights that it starts from, and which of them are trained from when on.

The architectures are segmentation-models-pytorch's on a timm encoder, and two of the kit's own: `plain_unet`, a U-Net
from scratch (lib/models/plain_unet.py), and `encoder_decoder`, a decoder that reads an encoder's deepest map alone
(lib/models/encoder_decoder.py).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PositiveInt, model_validator

from lib.recipe.origin import Origin, origin
from lib.recipe.words import Auto
from lib.validation import Strict

FiveChannels = Annotated[tuple[PositiveInt, ...], Field(min_length=5, max_length=5)]

POOLING = ("deeplabv3", "deeplabv3plus", "pan", "upernet")
"""Architectures that pool a whole crop to one pixel and then normalise it over the batch."""

FIVE = ("unet", "unetplusplus", "manet", "encoder_decoder")
"""Architectures with five decoder stages, each of its own width."""

WIDE = ("fpn", "pspnet", "deeplabv3", "deeplabv3plus", "pan", "upernet", "segformer", "dpt")
"""Architectures whose decoder has one width."""

PLAIN = "plain_unet"
OWN = (PLAIN, "encoder_decoder")


def _weights(text: str) -> str:
    origin(text)
    return text


class ModelRecipe(Strict):
    architecture: Literal[
        "unet", "unetplusplus", "manet", "linknet", "fpn", "pspnet", "deeplabv3", "deeplabv3plus", "pan", "upernet",
        "segformer", "dpt", "plain_unet", "encoder_decoder",
    ] = "unet"  # fmt: skip
    """segmentation-models-pytorch's, or the kit's own plain_unet and encoder_decoder."""
    encoder: str = "resnet34"
    """Any timm model that gives features: resnet50, convnext_tiny, swin_tiny_patch4_window7_224, …, mit_b0 to mit_b5.
    For dpt a vision transformer such as vit_small_patch16_224; plain_unet has none."""
    weights: Annotated[str, AfterValidator(_weights)] = "imagenet"
    """`imagenet`: the encoder's pretrained weights, from the hub. `none`: random. Or what to start from: a file's path,
    `run:RUN`, `dataset:owner/name/FILE`, `model:owner/model/framework/variation/version/FILE`, `hub:owner/name`."""
    decoder_channels: Annotated[FiveChannels | PositiveInt | None, Auto] = None
    """Channels of the five decoder stages of unet, unetplusplus, manet and encoder_decoder, deepest first; of the whole
    decoder, one number, in the others. auto: theirs."""
    depth: Annotated[Annotated[int, Field(ge=1, le=5)] | None, Auto] = None
    """plain_unet: how often the image is halved. auto: 4."""
    width: Annotated[PositiveInt | None, Auto] = None
    """plain_unet: channels of its first stage, doubled with every halving. auto: 64."""
    norm: Annotated[Literal["batch", "none"] | None, Auto] = None
    """plain_unet: what follows its convolutions. auto: batch."""
    upsampling: Annotated[Literal["bilinear", "nearest", "transposed"] | None, Auto] = None
    """plain_unet and encoder_decoder: how maps grow: interpolated, or by a transposed convolution. auto: bilinear."""
    initialisation: Annotated[Literal["he", "xavier", "orthogonal"] | None, Auto] = None
    """plain_unet, and encoder_decoder's decoder: random weights at the start. auto: he, made for ReLU."""
    freeze: Literal["none", "encoder"] | Annotated[int, Field(ge=1)] = "none"
    """What is not trained: nothing · the encoder · its stem and so many of its stages, from the first. Batch norms
    there keep their statistics too."""
    thaw: int = Field(default=0, ge=0)
    """The epoch, from 1, from which on everything is trained; 0: what is frozen stays so."""

    @property
    def origin(self) -> Origin:
        """Where the weights come from."""
        return origin(self.weights)

    @property
    def title(self) -> str:
        """The network in a few words, for people."""
        if self.architecture == PLAIN:
            return f"{PLAIN} of depth {self.depth or 4} and width {self.width or 64}"
        return f"{self.architecture} on {self.encoder}"

    @model_validator(mode="after")
    def _belongs_together(self) -> ModelRecipe:
        if self.decoder_channels and not self._decoder_fits:
            found = f"{self.architecture}{' as one' if isinstance(self.decoder_channels, int) else ''}"
            raise ValueError(
                "decoder_channels goes with unet, unetplusplus, manet and encoder_decoder as five numbers, "
                f"not with {found}; drop them with --set model.decoder_channels=auto"
            )
        for name, owners in {
            "depth": OWN[:1], "width": OWN[:1], "norm": OWN[:1], "upsampling": OWN, "initialisation": OWN
        }.items():  # fmt: skip
            if getattr(self, name) is not None and self.architecture not in owners:
                raise ValueError(
                    f"{name} goes with {' and '.join(owners)}, not with {self.architecture}; "
                    f"drop it with --set model.{name}=auto"
                )
        if self.architecture == PLAIN and self.weights == "imagenet":
            raise ValueError(
                f"there are no pretrained weights for {PLAIN}: start from random ones, --set model.weights=none, "
                "or from a file of weights"
            )
        if self.thaw and self.freeze == "none":
            raise ValueError(f"thaw = {self.thaw}, and nothing is frozen: for example --set model.freeze=encoder")
        return self

    @property
    def _decoder_fits(self) -> bool:
        return self.architecture in (WIDE if isinstance(self.decoder_channels, int) else FIVE)
