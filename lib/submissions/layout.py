"""What a competition's file must hold: which rows (or members), for which image and class, in which order.

A sample submission's ids come first; without one they are made from the competition's template.

    layout = expected(competition, {"a": (256, 1600)})                   # for images of these sizes
    layout = expected(competition, None, Path("sample_submission.csv"))  # for the images that the sample names
    layout.rows[0]                                                       # Row(id="a.jpg_1", image="a", index=1)

A million rows take a few megabytes: a row is a number until somebody looks at it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from lib.competitions import Competition
from lib.competitions.patterns import fill
from lib.errors import DataError, UsageError
from lib.rasters.instances import Instance
from lib.submissions.containers.table_index import Index, absent, image_of, scan
from lib.submissions.keys import Keys, nearest_template

Size = tuple[int, int]

Mask = np.ndarray | list[Instance]
"""An image's mask of the competition's `kind`: (H, W) uint8 labels, (H, W) uint32 bits, or instances."""

Masks = Callable[[str], Mask]
"""Gives an image's mask by the image's id."""


@dataclass(frozen=True)
class Row:
    """One row of a CSV file (its cells that say what it is about, with commas between), one member of pictures
    (`index` is the member's place), or one image of a file whose rows are not known beforehand."""

    id: str
    image: str
    index: int | None
    x: int = 0
    y: int = 0


class Rows(Sequence[Row]):
    """Rows as numbers: `codes` (n,) int64, in the file's order; `images` by number, in the order of first rows."""

    def __init__(self, competition: Competition, images: Sequence[str], codes: np.ndarray) -> None:
        self.competition, self.images, self.codes = competition, tuple(images), codes
        self.pictures = competition.submission.pictures
        self.keys = Keys(competition) if competition.submission.csv else None

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, place: int) -> Row:
        number = int(self.codes[place])
        image, x, y, low = self.images[number >> 40], number >> 20 & 0xFFFFF, number & 0xFFFFF, number & 0xFFFFF
        if self.pictures:
            member = (self.pictures, *self.pictures.also)[low]
            return Row(fill(member.member, {"id": image}), image, low)
        if self.keys is None:
            return Row(image, image, None)
        unit = self.competition.submission.csv.unit
        if unit == "patch":
            return Row(",".join(self.keys.make(image, self.keys.sent[0], x, y)), image, self.keys.sent[0], x, y)
        index = low if unit == "class" else None
        return Row(",".join(self.keys.make(image, low if unit == "class" else self.keys.sent[0])), image, index)

    def by_images(self, images: Sequence[str]) -> Rows:
        """The same rows with the images in another order."""
        place = {image: number for number, image in enumerate(images)}
        renumbered = np.array([place[image] for image in self.images], np.int64)[image_of(self.codes)]
        codes = renumbered << 40 | self.codes & (1 << 40) - 1
        return Rows(self.competition, images, codes[np.argsort(renumbered, kind="stable")])

    def __iter__(self) -> Iterator[Row]:
        return (self[place] for place in range(len(self)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rows) and self.images == other.images and np.array_equal(self.codes, other.codes)

    __hash__ = None


@dataclass(frozen=True)
class Layout:
    """The rows in their order, and the size (height, width) of each image's mask; None where nobody knows it."""

    rows: Rows
    sizes: Mapping[str, Size | None]
    columns: tuple[str, ...] | None = None
    """A CSV's columns: the sample's, else the competition's."""
    extents: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Xmax and Ymin of images whose polygons are written in grid units."""
    notes: tuple[str, ...] = ()
    """What a user should know of how this came about."""
    asked: bool = True
    """False: the layout is a file's own, so nothing says which images were asked for."""

    @property
    def images(self) -> tuple[str, ...]:
        """Image ids, in the order of their first row."""
        return self.rows.images


def expected(
    competition: Competition,
    sizes: Mapping[str, Size | None] | None = None,
    sample: Path | None = None,
    extents: Mapping[str, tuple[float, float]] | None = None,
) -> Layout:
    """The layout of a file for images of these original sizes, in a sample submission's order when there is one.

    With a sample alone (`sizes` None) its ids say which images there are. Raises `DataError` when sample and images
    do not belong together.
    """
    csv = competition.submission.csv
    if sizes is None and (sample is None or csv is None):
        ways = "--data DIR" + (", or --sample CSV" if csv else "")
        raise UsageError("nobody said which images the file is for", f"give {ways}; to check also --masks DIR")
    more: dict[str, Any] = {"columns": csv.columns if csv else None, "extents": extents or {}}
    if sample is None or csv is None:
        return Layout(_made(competition, sizes), _target_sizes(competition, sizes), **more)
    index = scan_sample(competition, sample)
    more |= columns_of_sample(competition, index, sample)
    if sizes is None:
        rows = Rows(competition, index.images, _unique(competition, index.codes))
        known = {image: index.sizes.get(image) for image in rows.images}
        return Layout(rows, _target_sizes(competition, known), **more)
    keys = Keys(competition)
    spelled = {keys.canonical(image): image for image in sizes}
    made = _made(competition, sizes)
    renumber = {image: number for number, image in enumerate(made.images)}
    images = [spelled.get(image, image) for image in index.images]
    numbers = np.array([renumber.get(image, len(renumber) + n) for n, image in enumerate(images)], np.int64)
    asked = _unique(competition, index.codes)
    in_made = numbers[image_of(asked)] << 40 | asked & (1 << 40) - 1
    missing, extra = absent(in_made, made.codes), absent(made.codes, in_made)
    rows = Rows(competition, images, asked)
    if len(missing) or len(extra):
        raise DataError(
            f"{sample} and the images do not belong together: {_some(rows, missing, 'asked for without an image')}"
            f"{'; ' if len(missing) and len(extra) else ''}{_some(made, extra, 'not asked for')}",
            "check the competition's submission.csv.id and data.test",
        )
    return Layout(rows, _target_sizes(competition, {image: sizes[image] for image in images}), **more)


def of_table(competition: Competition, path: Path, extents: Mapping, size: Size | None) -> Layout:
    """The layout of a CSV file that is its own and only word on which images it is for.

    Every class of those images is expected; `size` is that of images whose rows do not say theirs.
    """
    index = scan(path, Keys(competition), None, by_class(competition))
    known = {image: index.sizes.get(image, size) for image in index.images}
    if competition.submission.csv.unit == "patch":
        rows = Rows(competition, index.images, _unique(competition, index.codes))
    else:
        rows = _made(competition, known, ordered=True)
    return Layout(rows, _target_sizes(competition, known), competition.submission.csv.columns, extents, (), False)


def scan_sample(competition: Competition, sample: Path) -> Index:
    """A sample submission's index; `DataError` for ids that do not fit the template, or stand twice where they may
    not."""
    keys = Keys(competition)
    index = scan(sample, keys, None, by_class(competition))
    columns_of_sample(competition, index, sample)
    if index.unknown:
        near = nearest_template(keys, [text.split(",")[0] for text in index.unknown])
        raise DataError(
            f"{sample}: the id {index.unknown[0]!r} does not fit {','.join(keys.templates)!r} with this competition's "
            "classes",
            f"submission.csv.id = {near!r} would fit" if near else "check submission.csv.id and the classes",
        )
    if index.ragged:
        line, count = index.ragged
        raise DataError(f"{sample}: line {line} has {count} fields, and the header {len(index.columns)}")
    if not _repeats(competition) and len(np.unique(index.codes)) != len(index.codes):
        order = np.argsort(index.codes, kind="stable")
        twin = order[1:][np.diff(index.codes[order]) == 0].min()
        raise DataError(f"{sample}: the id {Rows(competition, index.images, index.codes)[twin].id!r} stands twice")
    return index


def by_class(competition: Competition) -> bool:
    """Whether a file has a row for each class, so that rows are told apart by it."""
    return competition.submission.csv.unit == "class"


def parse_row_id(competition: Competition, row_id: str, source: Path | str) -> Row:
    """Image and class of a row's id, by the competition's template."""
    keys = Keys(competition)
    key = keys.parse([row_id]) if len(keys.places) == 1 else None
    if key is None:
        raise DataError(
            f"{source}: the id {row_id!r} does not fit {keys.templates[0]!r} with this competition's classes"
        )
    return Row(row_id, key.image, key.index, key.x, key.y)


def sized(labels: np.ndarray, image: str, layout: Layout, nearest: bool = False) -> np.ndarray:
    """The mask itself, when it has the size that the file needs; brought to it only where `nearest` allows it."""
    size = layout.sizes[image]
    if size is None or labels.shape == tuple(size):
        return labels
    if nearest:
        stored = labels.view(np.int32) if labels.dtype == np.uint32 else labels
        return cv2.resize(stored, size[::-1], interpolation=cv2.INTER_NEAREST).view(labels.dtype)
    raise DataError(
        f"the mask of {image} is {labels.shape[1]}x{labels.shape[0]}, and the file needs {size[1]}x{size[0]}",
        "predict at that size: labels are never resized",
    )


def _made(competition: Competition, sizes: Mapping[str, Size | None], ordered: bool = False) -> Rows:
    """The rows that the competition's templates make for images, in the order of their ids unless it is given."""
    images = tuple(sizes) if ordered else tuple(sorted(sizes))
    form = competition.submission
    numbers = np.arange(len(images), dtype=np.int64) << 40
    if form.pictures:
        parts = np.arange(1 + len(form.pictures.also))
    elif form.csv and form.csv.unit == "class":
        parts = np.array(competition.sent)
    elif form.csv and form.csv.unit == "patch":
        each = [numbers[place] | _patches(competition, image, sizes[image]) for place, image in enumerate(images)]
        return Rows(competition, images, np.concatenate([np.empty(0, np.int64), *each]))
    else:
        parts = np.array([0])
    return Rows(competition, images, np.repeat(numbers, len(parts)) | np.tile(parts, len(images)).astype(np.int64))


def _patches(competition: Competition, image: str, size: Size | None) -> np.ndarray:
    """Codes of an image's patches, column by column."""
    size = competition.submission.size or size
    if size is None:
        raise DataError(f"the size of {image} is not known, so nobody can say which patches it has", "give --size HxW")
    side = competition.submission.csv.patch
    x, y = np.meshgrid(np.arange(0, size[1], side), np.arange(0, size[0], side), indexing="ij")
    return (x << 20 | y).reshape(-1).astype(np.int64)


def _target_sizes(competition: Competition, sizes: Mapping[str, Size | None]) -> dict[str, Size | None]:
    """The competition's fixed size for every image, or each image's own."""
    return {image: competition.submission.size or size for image, size in sizes.items()}


def _repeats(competition: Competition) -> bool:
    csv = competition.submission.csv
    return csv.repeats or csv.unit == "instance"


def _unique(competition: Competition, codes: np.ndarray) -> np.ndarray:
    """Codes without the repetitions that a file of instances has, in the order of their first rows."""
    return codes[np.sort(np.unique(codes, return_index=True)[1])] if _repeats(competition) else codes


def columns_of_sample(competition: Competition, index: Index, sample: Path) -> dict[str, Any]:
    """The sample's columns, and a note where they have other names than the competition's; `DataError` for another
    number or order of them."""
    own, found = competition.submission.csv.columns, tuple(index.columns)
    if found == own:
        return {"columns": own}
    if len(found) != len(own) or set(found) == set(own):
        raise DataError(f"{sample}: the columns are {list(found) or 'missing'}, not {list(own)}")
    note = f"the columns are the sample's, {', '.join(found)}; {competition.name} was described with {', '.join(own)}"
    return {"columns": found, "notes": (note,)}


def _some(rows: Rows, places: np.ndarray, what: str) -> str:
    names = [rows[place].id for place in places[:3]]
    return f"{len(places)} {what} ({', '.join(names)}{', …' if len(places) > 3 else ''})" if len(places) else ""
