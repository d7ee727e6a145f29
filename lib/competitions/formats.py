"""What a competition's TOML file may say about the file that is submitted: one value on each axis.

    [submission]                      [submission.csv]
    size = [256, 1600]                columns = ["ImageId_ClassId", "EncodedPixels"]
    min_area = 600                    id = "{id}.jpg_{class}"

Exactly one table says what the file is: `csv`, `zip` or `folder` of pictures, `coco`.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from lib.competitions.patterns import fields
from lib.validation import Strict

Positive = Annotated[int, Field(gt=0)]
Byte = Annotated[int, Field(ge=0, le=255)]

ROW = {"id", "class", "name", "x", "y"}
"""What a row's first cell may be made of."""

CELLS = ROW | {"mask", "height", "width", "instance", "confidence"}
"""What any cell may be made of."""


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
    """A CSV file, its rows' cells as templates and a mask in one of them."""

    columns: tuple[str, ...] = ("id", "rle")
    id: Annotated[IdTemplate, AfterValidator(partial(_names_an_image, ROW))] = "{id}_{class}"
    """The first cell. `{class}` is the class's value, `{name}` its name, `{x}` and `{y}` a patch's first pixel; neither
    where one class alone has rows. `{id:03}` pads a number. A sample submission's ids come first."""
    cells: tuple[str, ...] = ("{mask}",)
    """The cells after the first: one holds `{mask}`; also `{class}`, `{name}`, `{height}`, `{width}`, `{instance}`
    (from 1, -1 without any), `{confidence}`, and plain text."""
    unit: Literal["class", "instance", "image", "patch"] = "class"
    """What a row is about: one class of an image, one instance (a connected component), all instances of an image, one
    patch."""
    item: str = "{class} {confidence} {mask}"
    """With unit image: what each instance adds to the cell, blanks between them."""
    payload: Literal["rle", "coco", "coco-zlib-base64", "wkt"] = "rle"
    """How a mask is written: run lengths; COCO's compressed string, plain or through zlib and base64; polygons."""
    runs: Literal["length", "end", "gap", "alternating"] = "length"
    """Run lengths: start and length; start and end (inclusive); gap since the last run's end and length; lengths of off
    and on in turn, beginning with off."""
    order: Literal["C", "F"] = "F"
    """C: pixels are numbered row by row. F: column by column."""
    base: Literal[0, 1] = 1
    empty: str | Literal[False] = ""
    """What stands for an empty mask; false: it has no row."""
    allow_empty: bool = True
    """False: the scorer fails on an empty mask."""
    repeats: bool = False
    """An id may stand in several rows, whose masks are united."""
    patch: Positive | None = None
    """With unit patch: its side in pixels."""
    threshold: float = Field(default=0.25, ge=0, lt=1)
    """With unit patch: a patch is 1 when more than this share of it is."""
    grid: str | None = None
    """With payload wkt: a CSV under the data root with each image's extent, `ImageId,Xmax,Ymin`, in whose units
    polygons are written; default: pixels."""
    classes: tuple[str, ...] | None = None
    """The classes that have rows. Default: all."""
    sample: str | None = None
    """The sample submission's path under the data root."""

    @model_validator(mode="after")
    def _cells_fit(self) -> Csv:
        if len(self.columns) != 1 + len(self.cells):
            raise ValueError(f"columns: {len(self.columns)} names for {1 + len(self.cells)} cells (`id` and `cells`)")
        holes = [hole for cell in self.cells for hole in fields(cell)]
        if holes.count("mask") != 1 or set(holes) - CELLS:
            known = ", ".join(f"{{{name}}}" for name in sorted(CELLS))
            raise ValueError(f"cells: one of them holds {{mask}}, and the fields are {known}")
        if (self.unit == "patch") != (self.patch is not None):
            raise ValueError('patch: it goes with unit = "patch", and that with it')
        if self.unit == "patch" and not {"x", "y"} <= set(fields(self.id)):
            raise ValueError("id: a patch's id holds {x} and {y}")
        if self.unit == "image" and self.payload in ("rle", "wkt"):
            raise ValueError(
                'payload: with unit = "image" masks stand in one cell, blanks between them, and '
                f"{self.payload!r} holds "
                "blanks itself; take coco or coco-zlib-base64"
            )
        if self.grid and self.payload != "wkt":
            raise ValueError('grid: it goes with payload = "wkt"')
        return self

    @property
    def row(self) -> tuple[str, ...]:
        """The templates of a whole row."""
        return (self.id, *self.cells)


class Member(Strict):
    """One picture an image, and the value of each class in it."""

    member: Annotated[str, AfterValidator(partial(_names_an_image, {"id"}))] = "{id}.png"
    values: tuple[Byte, ...] | None = None
    """The value of each class, in the classes' order. Default: each class's own."""


class Pictures(Member):
    """Pictures in a zip or in a folder: PNG, TIFF or GeoTIFF by the member's ending."""

    pixels: Literal["index", "colour"] = "index"
    none: Byte | None = None
    """The value of a pixel of no class. Default: 255, or the largest byte that is no class's."""
    also: tuple[Member, ...] = ()
    """Further pictures of the same image, made from the same classes."""


class Coco(Strict):
    """A JSON file of COCO's results: objects with image_id, category_id, segmentation (compressed RLE) and score."""

    unit: Literal["class", "instance"] = "instance"
    numbers: bool = False
    """Image ids are numbers."""
    classes: tuple[str, ...] | None = None
    """The classes that have objects. Default: all."""


class Submission(Strict):
    """The competition's file: exactly one of the tables `csv`, `zip`, `folder` and `coco`."""

    csv: Csv | None = None
    zip: Pictures | None = None
    folder: Pictures | None = None
    coco: Coco | None = None
    size: tuple[Positive, Positive] | None = None
    """Height and width of every mask in the file. Default: each image's own."""
    resize: Literal["probabilities", "nearest"] = "probabilities"
    """How a mask comes to `size`: through probabilities only, or label maps too, by nearest neighbour."""
    min_area: int = Field(default=0, ge=0)
    """Connected components with fewer pixels are left out of the file."""
    overlap: bool = False
    """A pixel may belong to several classes."""
    max_megabytes: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _one_container(self) -> Submission:
        given = [self.csv, self.zip, self.folder, self.coco]
        if sum(table is not None for table in given) != 1:
            raise ValueError(
                "give exactly one of the tables [submission.csv], [submission.zip], [submission.folder] and "
                "[submission.coco]"
            )
        if self.overlap and self.pictures:
            raise ValueError("overlap: a picture holds one class a pixel")
        return self

    @property
    def pictures(self) -> Pictures | None:
        """The pictures of a zip or a folder."""
        return self.zip or self.folder

    @property
    def rows(self) -> Csv | Coco | None:
        """What says which classes are sent: a table of rows or objects; None for pictures, which hold all."""
        return self.csv or self.coco

    @property
    def suffix(self) -> str:
        """The file's ending; a folder has none."""
        return next(
            ending
            for table, ending in ((self.csv, ".csv"), (self.zip, ".zip"), (self.coco, ".json"), (self.folder, ""))
            if table
        )

    @property
    def by_instance(self) -> bool:
        """Whether the file tells instances of a class apart."""
        return self.rows is not None and self.rows.unit in ("instance", "image")

    @property
    def has_confidences(self) -> bool:
        """Whether the file says how sure each instance is."""
        templates = (*self.csv.row, self.csv.item) if self.csv else ()
        return self.by_instance and (self.coco is not None or any("{confidence}" in each for each in templates))
