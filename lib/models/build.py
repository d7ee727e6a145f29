"""From the recipe's words to a network; what cannot be built or loaded is an error, never random weights in silence."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from lib.errors import Failed, UsageError
from lib.models.segmenter import Segmenter
from lib.rasters.radiometry import IMAGENET, Radiometry
from lib.recipe import ModelRecipe
from lib.validation import closest

OFFLINE = (
    "on Kaggle, launch with --no-internet, which sends the weights along (a session has internet only on accounts with "
    "a verified phone); or start from random weights with --set model.weights=none"
)


def build(
    recipe: ModelRecipe,
    classes: int,
    pretrained: bool = True,
    encoder: Path | None = None,
    radiometry: Radiometry = IMAGENET,
) -> Segmenter:
    """Build the recipe's model with `classes` output channels, in channels-last memory.

    `radiometry`: what it will be fed, which also says how many bands there are. Pretrained weights of three bands are
    spread over others by timm, which repeats the three and keeps their sum.
    With `pretrained`, `weights = "imagenet"` downloads the encoder's weights, or takes them from the file `encoder`.
    Raises `UsageError` for an encoder that timm does not have or the architecture cannot use, `Failed` when the weights
    do not arrive or do not fit.
    """
    pretrained = pretrained and encoder is None
    if pretrained and recipe.weights == "imagenet" and not _reachable():
        os.environ.setdefault("HF_HUB_OFFLINE", "1")  # weights in the local cache, or an error without retries
    import segmentation_models_pytorch as smp
    import timm

    if not timm.is_model(recipe.encoder):
        raise UsageError(
            f"model.encoder: timm {timm.__version__} has no model {recipe.encoder!r}",
            closest(recipe.encoder, timm.list_models(f"{recipe.encoder[:5]}*")[:20] or ["resnet34", "resnet50"]),
        )
    download = pretrained and recipe.weights == "imagenet"
    if download and not timm.is_model_pretrained(recipe.encoder):
        raise UsageError(
            f"model.weights: timm has no pretrained weights for {recipe.encoder!r}",
            "choose another encoder, or --set model.weights=none",
        )
    try:
        net = smp.create_model(
            recipe.architecture,
            encoder_name=f"tu-{recipe.encoder}",
            encoder_weights=True if download else None,
            in_channels=radiometry.channels,
            classes=classes,
            **({"decoder_channels": recipe.decoder_channels} if recipe.decoder_channels else {}),
        )
    except (OSError, RuntimeError, ImportError, LookupError) as error:
        if download and not isinstance(error, LookupError):
            raise Failed(
                f"the pretrained weights of {recipe.encoder} did not load: {_first_line(error)}", OFFLINE
            ) from error
        raise UsageError(f"{recipe.architecture} cannot be built on {recipe.encoder}: {_first_line(error)}") from error
    except (ValueError, TypeError, AssertionError) as error:
        raise UsageError(f"{recipe.architecture} cannot be built on {recipe.encoder}: {_first_line(error)}") from error
    if encoder is not None:
        _fill_encoder(net, encoder)
    return Segmenter(net, radiometry).to(memory_format=torch.channels_last)


def _fill_encoder(net: torch.nn.Module, path: Path) -> None:
    """Load the weights that `python -m lib.models encoder` wrote; every one of them must fit."""
    try:
        net.encoder.load_state_dict(load_file(path))
    except (SafetensorError, OSError) as error:
        raise Failed(f"{path} does not hold readable weights: {_first_line(error)}") from None
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


def _reachable() -> bool:
    """Whether the hub's name resolves; with a proxy or a mirror set, that is not asked."""
    if any(os.environ.get(name) for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "HF_ENDPOINT")):
        return True
    try:
        return bool(socket.getaddrinfo("huggingface.co", 443))
    except OSError:
        return False


def _first_line(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:300]
