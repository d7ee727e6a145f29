"""`data.…`: sizes, the division into training and validation, which crops are drawn, how they are changed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from lib.recipe.words import AutoInt, Scales
from lib.validation import Strict

POLICIES = ("none", "flips", "light", "aerial", "strong")
"""Augmentations with a name (lib/data/augment.py)."""


def _ids(value: Any) -> Any:
    """Ids from a file with one a line; `#` begins a comment."""
    if not isinstance(value, str):
        return value
    path = Path(value).expanduser()
    if not path.is_file():
        raise ValueError(f"there is no file {value!r}; give a list of ids, or a file with one a line")
    lines = (line.split("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line]


def _policy(value: Any) -> Any:
    """A policy's name, or transforms by hand: `[{transform = "RandomGamma", gamma_limit = [80, 120], p = 0.5}]`."""
    if isinstance(value, list | tuple):
        for step in value:
            if not isinstance(step, dict) or not isinstance(step.get("transform"), str):
                raise ValueError('each transform is a table such as {transform = "RandomGamma", p = 0.5}')
        return tuple(value)
    if value not in POLICIES:
        raise ValueError(f"found {value!r}; one of {', '.join(POLICIES)}, or a list of transforms")
    return value


class DataRecipe(Strict):
    scale: float = Field(default=1.0, gt=0, le=4)
    """Working size over original size: images are resized by it before anything else."""
    scales: Scales = (1.0,)
    """Sizes at which training crops are seen, over `scale`, such as 0.75, 1, 1.5; each as often as the others."""
    crop: int = Field(default=512, ge=32, le=4096)
    """Side of the square training crops, in pixels at the working size."""
    tile: AutoInt = Field(default=None, ge=32)
    """Side of the tiles, in pixels at the working size, that training images are divided into to be counted and drawn
    from; a crop's centre lies in its tile. auto: the crop."""
    overlap: float = Field(default=0.0, ge=0, lt=1)
    """Share of a tile's side that its neighbour has too, at least; nothing at the borders is lost."""
    split: Literal["auto", "official", "group", "block", "stratified"] = "auto"
    """How images are divided: by the competition's lists · by group · by spatial blocks of large images · by group with
    every class in both parts. auto: the lists where there are some, blocks where large images make fewer than three
    groups, else by group."""
    validation: float = Field(default=0.2, gt=0, lt=1)
    """Share of the images (by group), or of the blocks, that is held out."""
    folds: int = Field(default=0, ge=0, le=100)
    """Divide into so many parts, of which `fold` is held out, instead of a share; 0: no folds."""
    fold: int = Field(default=0, ge=0)
    """The part that is held out, from 0."""
    block: AutoInt = Field(default=None, ge=16)
    """Least side of spatial blocks, in pixels of the image itself; none is a sliver. auto: an eighth of the image's
    shorter side, no less than two crops."""
    margin: AutoInt = Field(default=None, ge=0)
    """Pixels of the image itself between a held-out block and what is trained on. auto: half a crop."""
    exclude: Annotated[tuple[str, ...], BeforeValidator(_ids)] = ()
    """Ids of images, or of tiles as pages about labels name them, that are not trained on; or a file of them."""
    rare: float = Field(default=0.0, ge=0, le=1)
    """Share of the crops that are centred on a pixel of a rare class, the rare classes in turn."""
    rare_classes: tuple[str, ...] | None = None
    """The rare classes. Default: those that cover less than half of an equal share."""
    oversample: float = Field(default=1.0, ge=1, le=100)
    """How many times as often tiles are drawn in which a rare class covers at least `content`."""
    content: float = Field(default=0.05, gt=0, lt=1)
    """The share of a tile that a rare class must cover for `oversample`."""
    thin: float = Field(default=1.0, ge=0, le=1)
    """Share of the tiles that hold nothing but one class of `uninformative` which is kept."""
    uninformative: tuple[str, ...] = ()
    """Classes of which whole tiles teach little, such as open sea."""
    augment: Annotated[Any, BeforeValidator(_policy)] = "aerial"
    """none · flips: the eight orientations · light: and a little light · aerial: orientations, scale, light, colour ·
    strong: more of all of it, blur, noise, holes. Or a list of albumentations transforms by hand."""
    radiometry: Literal["auto", "imagenet", "statistics", "percentiles"] = "auto"
    """How pixel values are normalised, one rule for the whole set: ImageNet's statistics · each band's own mean and
    deviation · each band's 0.1 and 99.9 % percentiles as darkest and brightest. auto: the first for 8-bit RGB, the
    second for other 8-bit bands, the third for the rest."""
    workers: AutoInt = Field(default=None, ge=0)
    """Loader processes a rank. auto: the machine's cores shared by the ranks; none on a CPU run."""
    cache_gigabytes: float = Field(default=20.0, ge=0)
    """Decoded images are kept in the session's scratch folder, for all workers and ranks, up to this size."""

    @model_validator(mode="after")
    def _fold_is_one_of_them(self) -> DataRecipe:
        if self.folds == 1 or self.fold >= max(1, self.folds):
            raise ValueError(f"fold = {self.fold} of folds = {self.folds}: folds are two or more, counted from 0")
        return self
