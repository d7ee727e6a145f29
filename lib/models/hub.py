"""Whole segmentation models from the Hugging Face hub, as segmentation-models-pytorch saves them: config and weights.

path, config = obtain("smp-hub/segformer-b0-512x512-ade-160k")
told(config)                 # {"architecture": "segformer", "encoder": "mit_b0", "decoder_channels": 256}
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from lib.errors import Failed, UsageError
from lib.models.build import OFFLINE, first_line, is_reachable

CONFIG, WEIGHTS = "config.json", "model.safetensors"

WIDTHS = ("decoder_channels", "decoder_segmentation_channels", "psp_out_channels", "decoder_fusion_channels")
"""What the configs call a decoder's width."""


def obtain(name: str) -> tuple[Path, dict[str, Any]]:
    """A repository's weights in the local cache, downloaded when they are not there yet, and its config.

    `name`: owner/name, or owner/name@revision. Raises `Failed` when they cannot be had.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HFValidationError, RemoteEntryNotFoundError, RepositoryNotFoundError

    repository, _, revision = name.partition("@")
    how = {"revision": revision or None, "endpoint": os.environ.get("HF_ENDPOINT") or None}
    how["local_files_only"] = not is_reachable()  # offline: an error without retries
    try:
        config, weights = (Path(hf_hub_download(repository, file, **how)) for file in (CONFIG, WEIGHTS))
        return weights, json.loads(config.read_text(encoding="utf-8"))
    except HFValidationError as error:
        raise UsageError(f"model.weights = 'hub:{name}': {first_line(error)}", "write it as hub:owner/name") from None
    except RepositoryNotFoundError:
        raise Failed(
            f"the hub has no model {name!r}, or it is not yours to see", "look for it: https://huggingface.co/smp-hub"
        ) from None
    except RemoteEntryNotFoundError:
        raise Failed(
            f"hub:{name} has no {CONFIG} or no {WEIGHTS}, so segmentation-models-pytorch did not save it",
            "download its weights, and name the file: --set model.weights=FILE",
        ) from None
    except json.JSONDecodeError:
        raise Failed(f"the {CONFIG} of hub:{name} is damaged") from None
    except Exception as error:  # its client's own, and those of whatever it speaks to the network with
        raise Failed(f"the weights of hub:{name} did not load: {first_line(error)}", OFFLINE) from None


def is_here(name: str) -> bool:
    """Whether the local cache has a repository's weights."""
    from huggingface_hub import try_to_load_from_cache

    repository, _, revision = name.partition("@")
    return isinstance(try_to_load_from_cache(repository, WEIGHTS, revision=revision or None), str)


def told(config: dict[str, Any]) -> dict[str, Any]:
    """What a config says of a model, by the recipe's names."""
    encoder = str(config.get("encoder_name", "")).removeprefix("tu-")
    width = next((config[key] for key in WIDTHS if config.get(key)), None)
    named = {"architecture": str(config.get("_model_class", "")).lower(), "encoder": encoder, "decoder_channels": width}
    return {name: value for name, value in named.items() if value}
