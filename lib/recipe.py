"""The recipe: every number and choice of a training run, with its default and what it means.

A recipe is resolved from layers, later ones winning: default, the competition's own, a recipe file, the
environment (`SWATH_TRAIN__EPOCHS=30`), `--set train.epochs=30`. Each key remembers the layer it came from:

    recipe, origins = resolve([("sample.toml", {"train": {"epochs": 12}}), ("--set", {"train.epochs": 30})])

Importing this module needs neither torch nor numpy.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PositiveInt, model_validator

from lib.errors import UsageError
from lib.validation import Strict, closest, validated

ENVIRONMENT = "SWATH_"

WINDOW = 640
"""The largest side of a prediction window that nobody asked for, where crops are not larger."""

Layer = tuple[str, Mapping[str, Any]]


def _auto(value: Any) -> Any:
    return None if value == "auto" else value


def _numbers(value: Any) -> Any:
    """A list from "0.75, 1, 1.25", or from one number."""
    return value.split(",") if isinstance(value, str) else [value] if isinstance(value, int | float) else value


Scale = Annotated[float, Field(gt=0, le=4)]
AutoInt = Annotated[int | None, BeforeValidator(_auto)]
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
    decoder_channels: Annotated[FiveChannels | None, BeforeValidator(_auto)] = None
    """Channels of the five decoder stages of unet, unetplusplus and manet, deepest first. auto: theirs."""

    @model_validator(mode="after")
    def _decoder_fits(self) -> ModelRecipe:
        if self.decoder_channels and self.architecture not in ("unet", "unetplusplus", "manet"):
            raise ValueError(
                f"decoder_channels goes with unet, unetplusplus and manet, not with {self.architecture}; "
                "drop them with --set model.decoder_channels=auto"
            )
        return self


class DataRecipe(Strict):
    scale: float = Field(default=1.0, gt=0, le=4)
    """Working size over original size: images are resized by it before anything else."""
    crop: int = Field(default=512, ge=32, le=4096)
    """Side of the square training crops, in pixels at the working size."""
    validation: float = Field(default=0.2, gt=0, lt=1)
    """Share of the images (by group) that is held out."""
    augment: Literal["none", "flips", "aerial"] = "aerial"
    """none · flips: the eight orientations · aerial: orientations, scale, light and colour."""
    workers: AutoInt = Field(default=None, ge=0)
    """Loader processes a rank. auto: the machine's cores shared by the ranks; none on a CPU run."""
    cache_megabytes: int = Field(default=2048, ge=0)
    """Decoded images are kept in memory when the whole set fits into this."""


class TrainRecipe(Strict):
    epochs: int = Field(default=40, ge=0)
    """0: validate the weights and stop."""
    batch: int = Field(default=16, ge=1)
    """Crops an optimizer step, over all ranks together."""
    steps: AutoInt = Field(default=None, ge=1)
    """Optimizer steps an epoch. auto: about as many pixels as the training images have."""
    lr: float = Field(default=1e-3, gt=0, le=10)
    """AdamW's learning rate at its peak."""
    weight_decay: float = Field(default=1e-2, ge=0)
    """AdamW's, on weights; biases and norms are left alone."""
    warmup: float = Field(default=0.05, ge=0, lt=1)
    """Share of all steps in which the learning rate rises linearly; then it falls along a cosine to zero."""
    clip: float = Field(default=1.0, ge=0)
    """Largest gradient norm; 0 leaves gradients as they are."""
    ce: float = Field(default=1.0, ge=0)
    """Weight of the cross-entropy in the loss."""
    dice: float = Field(default=1.0, ge=0)
    """Weight of the Dice loss."""
    ema: float = Field(default=0.0, ge=0, lt=1)
    """Decay of a moving average of the weights, which is then what is validated and kept, such as 0.999; 0: none."""
    seed: int = Field(default=0, ge=0, lt=2**32)
    """Decides the random weights, the split into training and validation, and every crop."""
    precision: Annotated[Literal["auto", "32", "16", "bf16"], BeforeValidator(str)] = "auto"
    """auto: bf16 where the GPU has it natively, fp16 on older GPUs, 32 on a CPU."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto: GPUs when there are any; a run that was sent to GPUs and finds none stops at once."""
    ranks: AutoInt = Field(default=None, ge=1, le=64)
    """Processes that share a step, each with its own share of the crops in loss and batch norm. auto: one a GPU, one
    on a CPU."""

    @model_validator(mode="after")
    def _some_loss(self) -> TrainRecipe:
        if self.ce == 0 and self.dice == 0:
            raise ValueError("ce and dice are both 0: there is no loss to train on")
        if self.ranks and self.batch % self.ranks:
            raise ValueError(f"batch = {self.batch} cannot be divided over ranks = {self.ranks}")
        return self


class InferRecipe(Strict):
    window: AutoInt = Field(default=None, ge=32)
    """Side of the prediction windows at the working size. auto: twice the crop, but no more than 640 or the crop: 25
    classes of a larger one would not fit a laptop beside everything else."""
    overlap: float = Field(default=0.25, ge=0, lt=1)
    """Share of a window's side that its neighbour sees again."""
    blend: Literal["hann", "gaussian"] = "hann"
    """How a window's weight falls from its middle to its edge, where it stays above zero."""
    tta: Literal["none", "flips", "d4"] = "d4"
    """Orientations averaged in a submission: flips has four, d4 all eight."""
    scales: Annotated[tuple[Scale, ...], BeforeValidator(_numbers), Field(min_length=1)] = (1.0,)
    """Sizes at which each window is seen, over its own, such as 0.75, 1, 1.25; averaged in a submission."""
    batch: AutoInt = Field(default=None, ge=1)
    """Windows a forward pass. auto: one on a CPU; on a GPU 16, halved while they do not fit into its memory."""


class Recipe(Strict):
    """What `kernels/train.py` does, in full."""

    model: ModelRecipe = ModelRecipe()
    data: DataRecipe = DataRecipe()
    train: TrainRecipe = TrainRecipe()
    infer: InferRecipe = InferRecipe()

    def must_share(self, ranks: int) -> None:
        """Raise `UsageError` when a step's crops cannot be shared out evenly, or are too few for the model."""
        batch = self.train.batch
        if batch % ranks:
            raise UsageError(
                f"train.batch = {batch} cannot be divided over {ranks} GPUs",
                f"--set train.batch={max(1, round(batch / ranks)) * ranks}, or fewer ranks: --set train.ranks=1",
            )
        if batch == ranks and self.model.architecture in POOLING:
            raise UsageError(
                f"train.batch = {batch} gives each of {ranks} rank(s) one crop, and {self.model.architecture} needs "
                "two: its batch norm follows a pooling over the whole crop",
                f"--set train.batch={2 * ranks}",
            )

    @property
    def window(self) -> int:
        """Side of the prediction windows, in pixels at the working size."""
        return self.infer.window or max(self.data.crop, min(2 * self.data.crop, WINDOW))

    @property
    def starts_from(self) -> Path | None:
        """The checkpoint whose weights the run starts from, when the recipe names one."""
        return None if self.model.weights in ("imagenet", "none") else Path(self.model.weights)

    @property
    def needs_hub(self) -> bool:
        """Whether the run downloads pretrained weights."""
        return self.model.weights == "imagenet"


def resolve(layers: list[Layer]) -> tuple[Recipe, dict[str, str]]:
    """Merge layers (later ones win) and check them; returns the recipe and each set key's layer.

    A layer is a name and a table, nested (`{"train": {"epochs": 3}}`) or dotted (`{"train.epochs": 3}`).
    Raises `UsageError` that names the layer, the key, what was found and what is allowed.
    """
    known = dict(leaves(Recipe().model_dump()))
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for name, table in layers:
        for key, value in leaves(table):
            if key not in known:
                raise UsageError(f"{name}: {key}: unknown recipe key", closest(key, sorted(known)))
            values[key], origins[key] = value, name
    return validated(Recipe, _nest(values), source=_layer_of(origins)), origins


def parse_setting(text: str) -> tuple[str, Any]:
    """One `--set KEY=VALUE`: the value is read as TOML, and as plain text when it is not TOML."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise UsageError(f"--set {text!r}: write it as KEY=VALUE", "for example --set train.epochs=30")
    return key.strip(), _literal(value.strip())


def from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    """Recipe keys set in the environment: `SWATH_TRAIN__EPOCHS=30` is train.epochs."""
    return {
        name.removeprefix(ENVIRONMENT).lower().replace("__", "."): _literal(value)
        for name, value in sorted(environment.items())
        if name.startswith(ENVIRONMENT) and "__" in name
    }


def _literal(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def leaves(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping):
            yield from leaves(value, f"{key}.")
        else:
            yield key, value


def _nest(values: Mapping[str, Any]) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for key, value in values.items():
        *parents, name = key.split(".")
        inner = table
        for parent in parents:
            inner = inner.setdefault(parent, {})
        inner[name] = value
    return table


def _layer_of(origins: Mapping[str, str]) -> Callable[[str], str]:
    """For a key or a table, the last layer that set it."""

    def layer(key: str) -> str:
        setters = [name for known, name in origins.items() if known == key or known.startswith(f"{key}.")]
        return setters[-1] if setters else "recipe"

    return layer
