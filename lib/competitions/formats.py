"""What a competition's file may say about the file that is submitted, and about the rule that scores it."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from lib.competitions.patterns import fields
from lib.validation import Strict


def _template(text: str) -> str:
    if "/" in text or "\\" in text:
        raise ValueError("an id must not contain a slash: it names files")
    return text


IdTemplate = Annotated[str, AfterValidator(_template)]


def _names_an_image(known: set[str], text: str) -> str:
    holes = set(fields(text))
    if "id" not in holes or holes - known:
        allowed = ", ".join(f"{{{name}}}" for name in sorted(known))
        raise ValueError(f"it must hold {{id}}, and no other field than {allowed}")
    return text


class Csv(Strict):
    """A CSV file with one row an (image, class) pair and the mask as run lengths."""

    columns: tuple[str, str] = ("id", "rle")
    id: Annotated[IdTemplate, AfterValidator(partial(_names_an_image, {"id", "class", "name"}))] = "{id}_{class}"
    """A row's id; `{class}` is the class's value, `{name}` its name; neither where one class alone has rows. A sample
    submission's ids come first."""
    order: Literal["C", "F"] = "F"
    """C: pixels are numbered row by row. F: column by column."""
    base: Literal[0, 1] = 1
    empty: Literal["", "-", "-1"] = ""
    classes: tuple[str, ...] | None = None
    """The classes that have rows. Default: all."""
    sample: str | None = None
    """The sample submission's path under the data root."""


class Zip(Strict):
    """A zip with one PNG an image."""

    pixels: Literal["index", "colour"] = "index"
    member: Annotated[str, AfterValidator(partial(_names_an_image, {"id"}))] = "{id}.png"


class Submission(Strict):
    """The competition's file: exactly one of the tables `csv` and `zip`."""

    csv: Csv | None = None
    zip: Zip | None = None
    size: tuple[Annotated[int, Field(gt=0)], Annotated[int, Field(gt=0)]] | None = None
    """Height and width of every mask in the file. Default: each image's own."""
    max_megabytes: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _one_container(self) -> Submission:
        if (self.csv is None) == (self.zip is None):
            raise ValueError("give exactly one of the tables [submission.csv] and [submission.zip]")
        return self


class Metric(Strict):
    """The competition's rule for a score."""

    measure: Literal["dice", "iou"] = "dice"
    pool: Literal["pairs", "set", "global"] = "set"
    """pairs: the mean over every (image, class) pair. set: a class's pixels are counted over the whole set,
    then the mean over classes. global: one count over all images and classes."""
    empty: Literal[0, 1, "skip"] = "skip"
    """The score of a pair (or class) that neither truth nor prediction has."""
    classes: tuple[str, ...] | None = None
    """The classes that count. Default: those that the submission holds."""

    @property
    def label(self) -> str:
        """The rule in a few words, as tables print it."""
        measure = {"dice": "Dice", "iou": "IoU"}[self.measure]
        pool = {"pairs": "mean {} over images and classes", "set": "macro {}", "global": "global {}"}[self.pool]
        return pool.format(measure)
