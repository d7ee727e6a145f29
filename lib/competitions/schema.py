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

from lib.competitions.formats import IdTemplate, Submission
from lib.competitions.metrics import Metric, Rule
from lib.competitions.patterns import Pattern, fields, fill
from lib.competitions.pixels import Images, Masks
from lib.validation import Strict

BITS = 32
"""Classes of a mask whose classes overlap: a bit each."""

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
    value: int | None = Field(default=None, ge=-32768, le=65535)
    """The value in an index mask, and the class's number in submission ids. Default: the class's index. Below 0 for
    entries of `ignore` alone."""

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


class Lists(Strict):
    """Text files under the data root with an official division: an image's id a line, with or without an ending."""

    train: str | None = None
    validation: str
    test: str | None = None
    tile: int | None = Field(default=None, ge=16)
    """Lines name tiles of this side instead of images: `{id}_{k}`, k counting the grid's tiles row by row from 0, the
    incomplete ones at the right and lower border too, which no line names."""


class Data(Strict):
    """Where the competition's pixels lie; a competition that says nothing of it has a file and a score only."""

    train: Source | None = None
    test: Source | None = None
    lists: Lists | None = None
    built_in: bool = False
    """The scenes are generated: there is nothing to download."""


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
    data: Data = Data()
    images: Images = Images()
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
        for place, label in enumerate(self.classes):
            if label.value is not None and label.value < 0:
                raise ValueError(f"classes.{place}.value: {label.value} is below 0, which only ignored values may be")
        if self.data.train and self.data.train.masks is None:
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
        self._names_are_known()
        self.metric.must_use_its_keys()
        self._rows_are_told_apart()
        self._pictures_fit()
        return self

    def _names_are_known(self) -> None:
        rows, rules = self.submission.rows, [self.metric, *self.metric.parts, *self.metric.also]
        table = "csv" if self.submission.csv else "coco"
        lists = [(f"metric.{key}", getattr(rule, key)) for rule in rules for key in ("classes", "inside")]
        for key, chosen in [(f"submission.{table}.classes", rows and rows.classes), *lists]:
            for name in chosen or ():
                if name not in self.names:
                    raise ValueError(f"{key}: there is no class {name!r}; the classes are {', '.join(self.names)}")

    def _rows_are_told_apart(self) -> None:
        csv = self.submission.csv
        if self.submission.overlap and len(self.classes) > BITS:
            raise ValueError(f"classes: {len(self.classes)} of them; where they overlap, there are at most {BITS}")
        if csv is None or csv.unit == "image":
            return
        if csv.unit == "patch" and (len(self.sent) > 1 or self.submission.overlap):
            raise ValueError("submission.csv.unit: patches are of one class, which submission.csv.classes names")
        holes = {hole for cell in csv.row for hole in fields(cell)}
        if not {"class", "name"} & holes and len(self.sent) > 1:
            raise ValueError(
                f"submission.csv.id: {csv.id!r} gives {len(self.sent)} classes the same rows; write {{class}} or "
                "{name} into it, or name the one class that has rows in submission.csv.classes"
            )

    def _pictures_fit(self) -> None:
        pictures = self.submission.pictures
        if pictures is None:
            return
        table = "zip" if self.submission.zip else "folder"
        if pictures.pixels == "colour" and not all(label.colour for label in self.classes):
            raise ValueError(f"submission.{table}.pixels: 'colour' needs a colour for every class")
        for member in (pictures, *pictures.also):
            if member.values is not None and len(member.values) != len(self.classes):
                raise ValueError(
                    f"submission.{table}.values: {len(member.values)} values for {len(self.classes)} classes"
                )
        if len(set(pictures.values or self.values)) != len(self.classes):
            raise ValueError(f"submission.{table}.values: two classes have the same value; only pictures of `also` may")

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
        rows = self.submission.rows
        return self.indices(rows.classes if rows else None)

    @property
    def kind(self) -> Literal["labels", "bits", "instances"]:
        """What a mask is in memory: a label map (H, W) uint8; with classes that overlap, bit planes (H, W) uint32, bit
        c for class c; instances, each with its class."""
        if self.submission.by_instance:
            return "instances"
        return "bits" if self.submission.overlap else "labels"

    @property
    def multilabel(self) -> bool:
        """Whether a pixel may belong to several classes, so that a model decides on each class by itself."""
        return self.submission.overlap and not self.submission.by_instance

    @property
    def unclaimed(self) -> int:
        """What a pixel is that a submission gives to no class: the only class that has no rows, else `IGNORE`."""
        left = set(range(len(self.classes))) - set(self.sent)
        return left.pop() if len(left) == 1 else IGNORE

    @property
    def counted(self) -> tuple[int, ...]:
        """Indices of the classes that the metric counts; of a sum, those of its first part."""
        return self.counted_by(self.metric.rules[0])

    def counted_by(self, rule: Rule) -> tuple[int, ...]:
        """Indices of the classes that a rule counts."""
        return self.indices(rule.classes) if rule.classes else self.sent

    def indices(self, names: tuple[str, ...] | None) -> tuple[int, ...]:
        """Class indices of `names`; of all classes when it is None."""
        return tuple(range(len(self.classes))) if names is None else tuple(self.names.index(name) for name in names)


def _no_twins(key: str, values: list[Any]) -> None:
    twins = {value for value in values if values.count(value) > 1}
    if twins:
        raise ValueError(f"two classes have the {key} {sorted(twins)[0]!r}")
