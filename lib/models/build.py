"""From the recipe's words to a network; what cannot be built or loaded is an error, never random weights in silence."""

from __future__ import annotations

import os
import socket
import warnings
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from lib.errors import Failed, UsageError
from lib.models.encoder_decoder import CHANNELS, EncoderDecoder
from lib.models.encoders import Encoder, known
from lib.models.plain_unet import PlainUnet
from lib.models.segmenter import STRIDE, Segmenter
from lib.rasters.radiometry import IMAGENET, Radiometry
from lib.recipe import ModelRecipe
from lib.recipe.model import PLAIN

OFFLINE = (
    "on Kaggle, launch with --no-internet, which sends the weights along (a session has internet only on accounts with "
    "a verified phone); or start from random weights with --set model.weights=none"
)

ONE_WIDTH = {
    "fpn": ("decoder_pyramid_channels", "decoder_segmentation_channels"),
    "pspnet": ("psp_out_channels",),
    "segformer": ("decoder_segmentation_channels",),
    "dpt": ("decoder_fusion_channels",),
}
"""What the width of a decoder is called, where that is not decoder_channels."""

DENSE = ("deeplabv3", "deeplabv3plus", "pan")
"""Architectures that ask their encoder to halve the image less often."""

LEAST = {"pan": 128, "fpn": 64}
"""Pixels a side that an architecture needs: pan halves its input seven times, and fpn's group norms need two values."""


def build(
    recipe: ModelRecipe,
    classes: int,
    pretrained: bool = True,
    encoder: Path | None = None,
    radiometry: Radiometry = IMAGENET,
) -> Segmenter:
    """Build the recipe's model with `classes` output channels, in channels-last memory.

    `radiometry`: what it will be fed, which also says how many bands there are. Pretrained weights of three bands are
    spread over others by timm, which repeats the three and keeps the size of what they give.
    With `pretrained`, `weights = "imagenet"` downloads the encoder's weights, or takes them from the file `encoder`.
    All other weights are not this function's: `lib.models.starting`.
    Raises `UsageError` for an encoder that timm does not have or the architecture cannot use, `Failed` when the weights
    do not arrive or do not fit.
    """
    pretrained = pretrained and encoder is None
    download = pretrained and recipe.weights == "imagenet"
    if download and not is_reachable():
        os.environ.setdefault("HF_HUB_OFFLINE", "1")  # weights in the local cache, or an error without retries
    if recipe.architecture == PLAIN:
        return _wrapped(_plain(recipe, classes, radiometry.channels), recipe, radiometry)
    part = known(recipe.encoder)
    if download and not part.has_pretrained:
        raise UsageError(
            f"model.weights: timm has no pretrained weights for {recipe.encoder!r}",
            "choose another encoder, or --set model.weights=none",
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            net = _with_encoder(recipe, part, classes, radiometry.channels, download)
    except (OSError, RuntimeError, ImportError, LookupError) as error:
        if download and not isinstance(error, LookupError):
            raise Failed(
                f"the pretrained weights of {recipe.encoder} did not load: {first_line(error)}", OFFLINE
            ) from error
        raise UsageError(f"{recipe.architecture} cannot be built on {recipe.encoder}: {first_line(error)}") from error
    except (ValueError, TypeError, AssertionError) as error:
        why = first_line(error)
        if "output_stride" in why or (isinstance(error, AssertionError) and recipe.architecture in DENSE):
            why = "it needs denser maps than this encoder can give"
        raise UsageError(f"{recipe.architecture} cannot be built on {recipe.encoder}: {why}") from error
    if encoder is not None:
        _fill_encoder(net, encoder)
    model = _wrapped(net, recipe, radiometry)
    if part.is_fixed or recipe.architecture == "dpt":
        _must_take_any_size(model, recipe)
    return model


def _plain(recipe: ModelRecipe, classes: int, bands: int) -> PlainUnet:
    asked = {name: getattr(recipe, name) for name in ("depth", "width", "norm", "upsampling", "initialisation")}
    return PlainUnet(bands, classes, **{name: value for name, value in asked.items() if value is not None})


def _with_encoder(recipe: ModelRecipe, part: Encoder, classes: int, bands: int, download: bool) -> torch.nn.Module:
    import segmentation_models_pytorch as smp

    weights = part.imagenet if download else None
    if recipe.architecture == "encoder_decoder":
        own = smp.encoders.get_encoder(part.smp_name, in_channels=bands, weights=weights, **part.options)
        how = recipe.upsampling or "bilinear", recipe.initialisation or "he"
        return EncoderDecoder(own, classes, recipe.decoder_channels or CHANNELS, *how)
    net = smp.create_model(
        recipe.architecture,
        encoder_name=part.smp_name,
        encoder_weights=weights,
        in_channels=bands,
        classes=classes,
        **_decoder_width(recipe),
        **part.options,
    )
    if recipe.architecture == "dpt" and hasattr(net.encoder.model, "prune_intermediate_layers"):
        net.encoder.model.prune_intermediate_layers(net.encoder._output_indices, prune_norm=True, prune_head=True)
    return net


def _decoder_width(recipe: ModelRecipe) -> dict[str, Any]:
    """segmentation-models-pytorch's names for `decoder_channels`."""
    asked = recipe.decoder_channels
    if not asked:
        return {}
    return dict.fromkeys(ONE_WIDTH.get(recipe.architecture, ("decoder_channels",)), asked)


def _wrapped(net: torch.nn.Module, recipe: ModelRecipe, radiometry: Radiometry) -> Segmenter:
    least = LEAST.get(recipe.architecture, STRIDE)
    return Segmenter(net, radiometry, least).lay_out(channels_last=True)


@torch.no_grad()
def _must_take_any_size(model: Segmenter, recipe: ModelRecipe) -> None:
    """Raise `UsageError` when the model takes images of its encoder's own size alone."""
    try:
        model.eval()(torch.zeros(1, model.channels, 64, 96))
    except (RuntimeError, AssertionError, ValueError) as error:
        raise UsageError(
            f"{recipe.architecture} on {recipe.encoder} does not take images of any size: {first_line(error)}",
            "choose an encoder that does: swin_tiny_patch4_window7_224, convnext_tiny, pvt_v2_b2, mit_b2; "
            "for dpt a vision transformer with patches of 16, such as vit_small_patch16_224",
        ) from None
    model.train()


def _fill_encoder(net: torch.nn.Module, path: Path) -> None:
    """Load the weights that `python -m lib.models encoder` wrote; every one of them must fit."""
    try:
        net.encoder.load_state_dict(load_file(path))
    except (SafetensorError, OSError) as error:
        raise Failed(f"{path} does not hold readable weights: {first_line(error)}") from None
    except RuntimeError as error:
        import timm

        reason = str(error).strip().splitlines()[-1].strip()
        raise Failed(
            f"the weights in {path} do not fit the encoder that timm {timm.__version__} builds: {reason}",
            "launch with --internet, or start from random weights: --set model.weights=none",
        ) from None


def has_unused_parameters(model: Segmenter) -> bool:
    """Whether some weights take no part in the output: ranks that share a step must know.

    Some timm encoders keep stages that a decoder does not read. The model is left as it was.
    """
    training = model.training
    model.eval()  # a pass that must not touch batch-norm statistics
    model(torch.zeros(1, model.channels, 64, 64)).sum().backward()
    unused = any(parameter.grad is None for parameter in model.parameters() if parameter.requires_grad)
    model.zero_grad(set_to_none=True)
    model.train(training)
    return unused


def is_reachable() -> bool:
    """Whether the hub's name resolves; with a proxy or a mirror set, that is not asked."""
    if any(os.environ.get(name) for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "HF_ENDPOINT")):
        return True
    try:
        return bool(socket.getaddrinfo("huggingface.co", 443))
    except OSError:
        return False


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its name."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:300]
