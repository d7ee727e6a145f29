"""The CSV: rows by class, instance, image or patch, written and read as a stream.

Masks are asked for once each, and the texts of one image are in memory at a time: where the sample's order mixes the
images, texts wait in a temporary file. Reading goes from image to image, whatever the order of the rows.
"""

from __future__ import annotations

import csv
import io
import itertools
import tempfile
from pathlib import Path
from typing import BinaryIO

import numpy as np

from lib.competitions import Competition
from lib.competitions.patterns import fill
from lib.errors import DataError, first
from lib.rasters import runs as rn
from lib.submissions.containers.decoding import Decoder, Part, grid_of
from lib.submissions.containers.sent import as_sent, planes
from lib.submissions.containers.table_fit import must_fit
from lib.submissions.containers.table_index import image_of, scan
from lib.submissions.keys import Keys
from lib.submissions.layout import Layout, Mask, Masks, by_class, sized
from lib.submissions.payloads import patches
from lib.submissions.payloads.grid import PIXELS
from lib.submissions.payloads.payload import Payload


def write(masks: Masks, competition: Competition, layout: Layout, file: BinaryIO) -> None:
    """Write the rows in the layout's order; each image's mask is asked for once."""
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(layout.columns or competition.submission.csv.columns)
    rows = layout.rows
    numbers = image_of(rows.codes)
    bounds = np.concatenate([[0], np.flatnonzero(np.diff(numbers)) + 1, [len(numbers)]]) if len(numbers) else [0]
    if len(bounds) - 1 > len(rows.images):
        _write_mixed(masks, competition, layout, text)
    else:
        for low, high in itertools.pairwise(bounds):
            image = rows.images[numbers[low]]
            made = rows_of(masks(image), image, competition, layout, rows.keys)
            for place in range(low, high):
                writer.writerows(made[int(rows.codes[place]) & (1 << 40) - 1])
    text.detach()


def _write_mixed(masks: Masks, competition: Competition, layout: Layout, text: io.TextIOWrapper) -> None:
    """Write rows whose images stand mixed: image by image into a temporary file, then in their order."""
    codes = layout.rows.codes
    order = np.argsort(image_of(codes), kind="stable")
    begin, end = np.zeros(len(codes), np.int64), np.zeros(len(codes), np.int64)
    with tempfile.TemporaryFile() as spool:
        last, made = None, {}
        for place in order.tolist():
            code = int(codes[place])
            if code >> 40 != last:
                last, image = code >> 40, layout.rows.images[code >> 40]
                made = rows_of(masks(image), image, competition, layout, layout.rows.keys)
            line = io.StringIO(newline="")
            csv.writer(line, lineterminator="\n").writerows(made[code & (1 << 40) - 1])
            begin[place] = spool.tell()
            spool.write(line.getvalue().encode())
            end[place] = spool.tell()
        text.flush()
        for low, high in zip(begin.tolist(), end.tolist(), strict=True):
            spool.seek(low)
            text.buffer.write(spool.read(high - low))


def rows_of(mask: Mask, image: str, competition: Competition, layout: Layout, keys: Keys) -> dict[int, list[list[str]]]:
    """The rows of an image by the lower part of their code (see `table_index.code`)."""
    form, size = competition.submission, layout.sizes[image]
    if isinstance(mask, np.ndarray):
        mask = sized(mask, image, layout, form.resize == "nearest")
        size = mask.shape
    if form.min_area or not isinstance(mask, np.ndarray):
        mask = as_sent(mask, competition, size)
    if size is None:
        raise DataError(f"the size of {image} is not known", "give --data DIR, or --size HxW")
    writer = _Rows(image, size, competition, layout, keys)
    match form.csv.unit:
        case "class":
            return writer.classes(mask)
        case "patch":
            return writer.patches(mask)
        case "instance":
            return {0: writer.instances(mask)}
        case _:
            return {0: [writer.whole(mask)]}


class _Rows:
    """The rows of one image."""

    def __init__(self, image: str, size: tuple[int, int], competition: Competition, layout: Layout, keys: Keys) -> None:
        self.image, self.size, self.competition, self.form = image, size, competition, competition.submission.csv
        self.keys, self.payload = keys, Payload.of(competition)
        self.grid = grid_of(image, size, competition, layout)

    def classes(self, mask: np.ndarray) -> dict[int, list[list[str]]]:
        sent = self.competition.sent
        if self.competition.kind == "bits":
            texts = {
                index: self.payload.texts(plane.view(np.uint8), [1], self.grid)[1]
                for index, plane in planes(mask, self.competition).items()
            }
        else:
            texts = self.payload.texts(mask, sent, self.grid)
        if not self.form.allow_empty:
            empty = [self.competition.names[index] for index in sent if not texts[index]]
            if empty:
                raise DataError(
                    f"the mask of {self.image} has no {first(empty, 3)}, and {self.competition.name}'s scorer fails on "
                    "an empty mask",
                    "give at least one pixel to it",
                )
        return {index: self._row(index, texts[index]) for index in sent}

    def patches(self, mask: np.ndarray) -> dict[int, list[list[str]]]:
        side, (index,) = self.form.patch, self.competition.sent
        decided = patches.decide(mask == index, side, self.form.threshold)
        return {
            x * side << 20 | y * side: [self._cells(index, "1" if value else "0", x=x * side, y=y * side)]
            for (y, x), value in np.ndenumerate(decided)
        }

    def instances(self, found: list) -> list[list[str]]:
        if not found:
            return [] if self.form.empty is False else [self._cells(self.keys.sent[0], self.form.empty, instance=-1)]
        return [
            self._cells(each.index, self._text(each.runs), number, each.confidence)
            for number, each in enumerate(found, start=1)
        ]

    def whole(self, found: list) -> list[str]:
        items = [
            fill(self.form.item, self._known(each.index, 0, each.confidence) | {"mask": self._text(each.runs)})
            for each in found
        ]
        return self._cells(self.keys.sent[0], " ".join(items) or self.form.empty or "")

    def _text(self, runs: np.ndarray) -> str:
        return self.payload.text(rn.turned(runs, self.size, "C", self.payload.order), self.size, self.grid)

    def _row(self, index: int, text: str) -> list[list[str]]:
        if not text and self.form.empty is False:
            return []
        return [self._cells(index, text or self.form.empty)]

    def _known(self, index: int, instance: int, confidence: float) -> dict[str, str]:
        return {
            "class": self.keys.values[index],
            "name": self.keys.names[index],
            "height": str(self.size[0]),
            "width": str(self.size[1]),
            "instance": str(instance),
            "confidence": f"{confidence:.6g}",
        }

    def _cells(
        self, index: int, text: str, instance: int = 1, confidence: float = 1.0, x: int = 0, y: int = 0
    ) -> list[str]:
        known = self._known(index, instance, confidence) | {"mask": text, "id": self.image, "x": str(x), "y": str(y)}
        return [fill(cell, known) for cell in self.form.row]


class Table:
    """A CSV file's masks, image by image; `index` are its rows, `touching` those so far whose runs touch.

    `contradicted`: images so far that have a row for an empty mask beside another.
    """

    def __init__(self, path: Path, competition: Competition, layout: Layout) -> None:
        self.path, self.competition, self.layout = path, competition, layout
        keys = layout.rows.keys
        spelled = ((keys.canonical(image), number) for number, image in enumerate(layout.images))
        self.numbers = dict(spelled)
        self.index = scan(path, keys, self.numbers, by_class(competition))
        self.decoder = Decoder(competition, path)
        self.touching, self.contradicted = 0, []
        form = competition.submission.csv
        self._together = form.unit == "instance" or (form.repeats and len(competition.sent) == 1)
        numbers = image_of(self.index.codes)
        self.order = np.argsort(numbers, kind="stable")
        self.bounds = np.searchsorted(numbers[self.order], np.arange(len(layout.images) + 1))

    def __enter__(self) -> Table:
        self.reader = self.index.open()
        return self

    def __exit__(self, *_) -> None:
        self.reader.close()

    def rows(self, image: str) -> list[list[str]]:
        """The cells of an image's rows."""
        number = self.numbers[self.layout.rows.keys.canonical(image)]
        return [self.reader.at(place) for place in self.order[self.bounds[number] : self.bounds[number + 1]].tolist()]

    def parts(self, image: str) -> list[Part]:
        """The masks in an image's rows; `DataError` for cells that are none."""
        size = self.layout.sizes[image]
        grid = grid_of(image, size, self.competition, self.layout) if self.measured(image) else PIXELS
        each = [self.decoder.parts(cells, size, grid) for cells in self.rows(image)]
        found = [part for parts in each for part in parts]
        if len(each) > 1 and not all(each) and self._together:
            self.contradicted.append(image)
        self.touching += sum(bool((part.runs[1:, 0] == part.runs[:-1, 1]).any()) for part in found)
        return found

    def measured(self, image: str) -> bool:
        """Whether an image's size, and the units of its polygons, are known, so that its mask can be made."""
        return self.layout.sizes[image] is not None and (
            self.competition.submission.csv.grid is None or image in self.layout.extents
        )

    def must_fit(self) -> None:
        """Raise `DataError` unless the file's rows are the layout's."""
        must_fit(self.index, self.competition, self.layout)

    def mask(self, image: str) -> Mask:
        """An image's mask; `DataError` where its rows, or its size, do not say one."""
        size = self.layout.sizes[image]
        if size is None:
            raise DataError(f"the size of {image} is not known, so its rows cannot be decoded", "give --size HxW")
        grid_of(image, size, self.competition, self.layout)
        if self.competition.submission.csv.unit == "patch":
            return self.decoder.patched([self.decoder.patch(cells) for cells in self.rows(image)], size)
        return self.decoder.mask(self.parts(image), image, size)
