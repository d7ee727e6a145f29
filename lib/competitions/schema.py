"""What a competition's TOML file may say, and what each key means.

The smallest useful file:

    name = "field"
    [data.train]
    images = "images/{id}.png"
    masks = "masks/{id}.png"
    [[classes]]
    name = "soil"
    [[classes]]
    name = "crop"
    [submission.zip]
    pixels = "index"
    [metric]
    measure = "iou"
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from lib.competitions.formats import IdTemplate, Metric, Submission
from lib.competitions.patterns import Pattern, fields, fill
from lib.validation import Strict

IGNORE = 255
"""The value of a label map's pixels that belong to no class: ignored in a truth, nothing in a prediction."""


def _colour(text: str) -> str:
    if not re.fullmatch(r"#[0-9A-Fa-f]{6}", text):
        raise ValueError("a colour is written '#RRGGBB'")
    return text.upper()


Colour = Annotated[str, AfterValidator(_colour)]
Slug = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]
DatasetRef = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+/[A-Za-z0-9_-]+$")]


class Label(Strict):
    """A class (its index is its place in the list), or an entry of `ignore`."""

    name: str = Field(min_length=1)
    colour: Colour | None = None
    value: int | None = Field(default=None, ge=0, le=65535)
    """The value in an index mask, and the class's number in submission ids. Default: the class's index."""

    @property
    def rgb(self) -> tuple[int, int, int]:
        """The colour as three numbers 0..255."""
        text = self.colour or "#000000"
        return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


class Source(Strict):
    """Images, and where there are any their masks, as patterns under the data root."""

    images: Pattern
    masks: Pattern | None = None
    id: IdTemplate | None = None
    group: str | None = None
    """What must not be divided between training and validation, from the pattern's fields: `{tile}`."""

    @model_validator(mode="after")
    def _fields_are_known(self) -> Source:
        known = fields(self.images)
        if not known:
            raise ValueError("images: the pattern has no {field}, so it names one file only")
        for key in ("masks", "id", "group"):
            unknown = set(fields(getattr(self, key) or "")) - set(known)
            if unknown:
                raise ValueError(f"{key}: {{{unknown.pop()}}} is not in images = {self.images!r}")
        return self

    def identity(self, found: dict[str, str]) -> str:
        """The id of the image whose pattern's holes held `found`."""
        return fill(self.id, found) if self.id else "_".join(found[name] for name in fields(self.images))


class Data(Strict):
    """Where the competition's pixels lie."""

    train: Source
    test: Source | None = None
    built_in: bool = False
    """The scenes are generated: there is nothing to download."""


class Masks(Strict):
    """How a mask file says which class a pixel has."""

    coding: Literal["index", "colour"] = "index"
    threshold: int | None = Field(default=None, ge=1, le=255)
    """Channels at or above it count as 255, below as 0, before colours are compared (DeepGlobe: 128)."""


class Kaggle(Strict):
    """What Kaggle keeps of the competition."""

    datasets: tuple[DatasetRef, ...] = ()
    competition: Slug | None = None


class Competition(Strict):
    """A competition, as its TOML file describes it."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,39}$")]
    title: str = ""
    home: str | None = None
    kaggle: Kaggle = Kaggle()
    data: Data
    masks: Masks = Masks()
    classes: Annotated[tuple[Label, ...], Field(min_length=2, max_length=250)]
    ignore: tuple[Label, ...] = ()
    submission: Submission
    metric: Metric = Metric()
    recipe: dict[str, Any] = Field(default_factory=dict)
    """Recipe keys that suit this competition's data."""
    laptop: dict[str, Any] = Field(default_factory=dict)
    """Recipe keys on top of `recipe` for a run on this machine."""

    @model_validator(mode="after")
    def _classes_agree(self) -> Competition:
        names = [label.name for label in self.classes]
        _no_twins("name", names)
        if self.data.train.masks is None:
            raise ValueError("data.train.masks: the key is missing, and there is no training without masks")
        if self.masks.coding == "colour":
            for place, label in [*enumerate(self.classes), *enumerate(self.ignore)]:
                if label.colour is None:
                    raise ValueError(f"classes.{place}: {label.name!r} has no colour, and masks are coded by colour")
            _no_twins("colour", [label.colour for label in (*self.classes, *self.ignore)])
        else:
            for label in self.ignore:
                if label.value is None:
                    raise ValueError(f"ignore: {label.name!r} has no value, and masks are coded by index")
            _no_twins("value", [*self.values, *(label.value for label in self.ignore)])
        csv = self.submission.csv
        for key, chosen in (("submission.csv.classes", csv and csv.classes), ("metric.classes", self.metric.classes)):
            for name in chosen or ():
                if name not in names:
                    raise ValueError(f"{key}: there is no class {name!r}; the classes are {', '.join(names)}")
        if csv and not {"class", "name"} & set(fields(csv.id)) and len(self.sent) > 1:
            raise ValueError(
                f"submission.csv.id: {csv.id!r} gives {len(self.sent)} classes the same rows; write {{class}} or "
                "{name} into it, or name the one class that has rows in submission.csv.classes"
            )
        if self.submission.zip and self.submission.zip.pixels == "colour" and not all(c.colour for c in self.classes):
            raise ValueError("submission.zip.pixels: 'colour' needs a colour for every class")
        return self

    @property
    def mount(self) -> str:
        """Where below /kaggle/input Kaggle mounts the data, in its layout of 2026."""
        if self.kaggle.datasets:
            return f"datasets/{self.kaggle.datasets[0]}"
        return f"competitions/{self.kaggle.competition or self.name}"

    @property
    def names(self) -> tuple[str, ...]:
        """Class names, in the order of their indices."""
        return tuple(label.name for label in self.classes)

    @property
    def values(self) -> tuple[int, ...]:
        """Each class's value in index masks and its number in submission ids."""
        return tuple(index if label.value is None else label.value for index, label in enumerate(self.classes))

    @property
    def sent(self) -> tuple[int, ...]:
        """Indices of the classes that a submission holds, in the file's order."""
        csv = self.submission.csv
        return self.indices(csv.classes if csv else None)

    @property
    def unclaimed(self) -> int:
        """What a pixel is that a submission gives to no class: the only class that has no rows, else `IGNORE`."""
        left = set(range(len(self.classes))) - set(self.sent)
        return left.pop() if len(left) == 1 else IGNORE

    @property
    def counted(self) -> tuple[int, ...]:
        """Indices of the classes that the metric counts."""
        return self.indices(self.metric.classes) if self.metric.classes else self.sent

    def indices(self, names: tuple[str, ...] | None) -> tuple[int, ...]:
        """Class indices of `names`; of all classes when it is None."""
        return tuple(range(len(self.classes))) if names is None else tuple(self.names.index(name) for name in names)


def _no_twins(key: str, values: list[Any]) -> None:
    twins = {value for value in values if values.count(value) > 1}
    if twins:
        raise ValueError(f"two classes have the {key} {sorted(twins)[0]!r}")
