"""Weights of other people's making, and of other runs, laid into a model: what fits, what is new, what is an error.

    print(fill(model, read(path), recipe.model, "best.pth"))
    # weights from best.pth: 214 of 216 tensors; new: segmentation_head (150 -> 6 classes)

A head for other classes is new, and so is the whole decoder under an encoder's weights; a first convolution of three
bands is spread over others. All else that is missing, of another shape or of another model is an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from lib.errors import Failed, first
from lib.models.encoders import MIX, on_paper
from lib.models.reading import Weights
from lib.models.segmenter import Segmenter
from lib.recipe import ModelRecipe
from lib.recipe.model import PLAIN

ENCODER, HEAD = "encoder.", "segmentation_head."

COUNTERS = ("num_batches_tracked", "relative_position_index", "attn_mask")
"""Last words of names that hold nothing learnt."""

OTHER_HEADS = ("classification_head.", "decode_head.", "auxiliary_head.", "aux_classifier.", "classifier.", "fc.")
"""Parts of other programs' models that read the same encoder."""

SHOWN = 3


@dataclass
class Fit:
    """How a file's tensors lie in a model."""

    fitting: dict[str, torch.Tensor] = field(default_factory=dict)
    new_heads: dict[str, int] = field(default_factory=dict)
    """Names in the model, and how many classes the file has."""
    spread: dict[str, int] = field(default_factory=dict)
    """First convolutions, and how many bands the file's has."""
    others: list[str] = field(default_factory=list)
    """Of another shape, in words."""
    missing: list[str] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)
    """Names in the file that are no part of the model."""
    idle: list[str] = field(default_factory=list)
    """Names in the file of parts that such a model leaves out: a classifier."""
    is_encoder: bool = False
    """Whether the file holds nothing but an encoder."""


def fill(model: Segmenter, weights: Weights, recipe: ModelRecipe, words: str, hint: str | None = None) -> str:
    """Lay weights into a model, and say what came of it. `words` names where they are from.

    Raises `Failed`, with the first of the tensors that do not fit; the model is then as it was.
    """
    fit = fitted(model, weights.tensors, recipe)
    own = [name for name in model.net.state_dict() if not name.endswith(COUNTERS)]
    if not fit.fitting:
        raise Failed(f"the weights from {words} do not fit the model: none of {_some(weights.tensors)} is in it", hint)
    wrong = [
        f"{what}: {_some(names)}"
        for what, names in {"missing": fit.missing, "of another shape": fit.others, "unknown": fit.strange}.items()
        if names
    ]
    if wrong:
        raise Failed(
            f"the weights from {words} do not fit the model, {recipe.title}: {'; '.join(wrong)}",
            hint or "set model.architecture and model.encoder to what they were trained with",
        )
    model.net.load_state_dict(model.net.state_dict() | fit.fitting)
    loaded = sum(name in fit.fitting for name in own)
    return "; ".join([f"weights from {words}: {loaded} of {len(own)} tensors", *_remarks(model, fit)])


def fitted(model: Segmenter, tensors: dict[str, torch.Tensor], recipe: ModelRecipe) -> Fit:
    """Compare a file's tensors with a model's, by their names and shapes."""
    own = model.net.state_dict()
    known = {_key(form): name for name in own for form in _forms(name)}
    found, left = {}, []
    for name, tensor in tensors.items():
        if name in own or _key(name) in known:
            found[name if name in own else known[_key(name)]] = tensor
        elif not name.endswith(COUNTERS):
            left.append(name)
    fit = Fit(is_encoder=all(name.startswith(ENCODER) for name in found))
    for name, mine in own.items():
        theirs = found.get(name)
        if theirs is None:
            if not (name.endswith(COUNTERS) or (fit.is_encoder and not name.startswith(ENCODER))):
                fit.missing.append(name)
        elif theirs.shape == mine.shape:
            fit.fitting[name] = theirs
        elif name.startswith(HEAD) and theirs.shape[1:] == mine.shape[1:]:
            fit.new_heads[name] = len(theirs)
        elif name.startswith(ENCODER) and _is_first(theirs, mine, model.channels):
            fit.spread[name] = theirs.shape[1]
            fit.fitting[name] = _spread(theirs, model.channels)
        else:
            fit.others.append(f"{name} (there {_shape(theirs)}, here {_shape(mine)})")
    fit.idle, fit.strange = _left_over(left, recipe, fit.is_encoder)
    return fit


def _forms(name: str) -> list[str]:
    """What a tensor of the model may be called: an encoder's stand alone, or under its program's word for it."""
    if not name.startswith(ENCODER):
        return [name]
    inner = name.removeprefix(ENCODER)
    while inner.startswith("model."):
        inner = inner.removeprefix("model.")
    return [name, f"encoder.model.{inner}", f"encoder.{inner}", f"backbone.{inner}", inner]


def _key(name: str) -> str:
    """timm joins the names of an encoder's layers with _ where a whole model has a dot."""
    return name.replace(".", "_")


def _left_over(names: Sequence[str], recipe: ModelRecipe, is_encoder: bool) -> tuple[list[str], list[str]]:
    """Names that the model lacks: those of parts that it leaves out on purpose, and strange ones."""
    if not names:
        return [], []
    idle = {name for name in names if name.startswith(OTHER_HEADS) and (is_encoder or name.startswith(OTHER_HEADS[0]))}
    if recipe.architecture != PLAIN and recipe.encoder not in MIX:
        whole = {_key(form) for name in on_paper(recipe.encoder).state_dict() for form in _forms(ENCODER + name)}
        idle |= {name for name in names if _key(name) in whole}
    return [name for name in names if name in idle], [name for name in names if name not in idle]


def _is_first(theirs: torch.Tensor, mine: torch.Tensor, bands: int) -> bool:
    """Whether it is the convolution over the image, for RGB in the file and for these bands here."""
    return (
        theirs.ndim == mine.ndim == 4
        and theirs.shape[1] == 3
        and mine.shape[1] == bands
        and theirs.shape[0] == mine.shape[0]
        and theirs.shape[2:] == mine.shape[2:]
    )


def _spread(weight: torch.Tensor, bands: int) -> torch.Tensor:
    from timm.models._manipulate import adapt_input_conv

    return adapt_input_conv(bands, weight)


def _remarks(model: Segmenter, fit: Fit) -> list[str]:
    classes = next((value.shape[0] for name, value in model.net.state_dict().items() if name in fit.new_heads), 0)
    new = [f"segmentation_head ({count} -> {classes} classes)" for count in set(fit.new_heads.values())]
    if fit.is_encoder:
        new = ["decoder", "segmentation_head"]
    return [
        *([f"new: {', '.join(new)}"] if new else []),
        *(f"{name}: {bands} bands spread over {model.channels}" for name, bands in fit.spread.items()),
        *([f"not used: {_some(fit.idle)}"] if fit.idle else []),
    ]


def _some(names: Iterable[str]) -> str:
    return first(list(names), SHOWN)


def _shape(tensor: Any) -> str:
    return "×".join(map(str, tensor.shape)) or "a number"
