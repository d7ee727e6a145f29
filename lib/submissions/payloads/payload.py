"""How a mask stands in a cell: run lengths, COCO's string, polygons. One way in and one way out for all of them.

payload = Payload.of(competition)
text = payload.text(runs, (H, W))          # runs in `payload.order`, not empty
runs = payload.runs(text, (H, W))          # and back; DataError for what is no such text
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lib.competitions import Competition
from lib.rasters import runs as rn
from lib.rasters.runs import Order
from lib.submissions import rle
from lib.submissions.payloads import coco
from lib.submissions.payloads.grid import PIXELS, Grid

Size = tuple[int, int]


@dataclass(frozen=True)
class Payload:
    """One value on each axis of a mask's text, and the `order` in which its runs number the pixels."""

    kind: Literal["rle", "coco", "coco-zlib-base64", "wkt"]
    order: Order
    runs_kind: rle.Kind = "length"
    base: int = 1
    multi: bool = False

    @classmethod
    def of(cls, competition: Competition) -> Payload:
        """The competition's."""
        form = competition.submission.csv
        if form is None:
            return cls("coco", "F")
        if form.payload == "rle":
            return cls("rle", form.order, form.runs, form.base)
        return cls(form.payload, "C" if form.payload == "wkt" else "F", multi=form.unit == "class")

    def texts(self, labels: np.ndarray, classes: Sequence[int], grid: Grid = PIXELS) -> dict[int, str]:
        """The text of each class of a label map (H, W); empty for a class that is not there."""
        if self.kind == "rle" and self.runs_kind == "length":
            return rle.encode(labels, classes, self.order, self.base)
        found = rn.of_values(labels, classes, self.order)
        return {index: self.text(runs, labels.shape, grid) if len(runs) else "" for index, runs in found.items()}

    def text(self, runs: np.ndarray, size: Size, grid: Grid = PIXELS) -> str:
        """The text of runs (n, 2) in `order`; `grid` says in which units polygons are written."""
        match self.kind:
            case "rle":
                return rle.text(runs, self.runs_kind, self.base, size[0] * size[1])
            case "wkt":
                # shapely and GDAL take half a second, and few files need them
                from lib.submissions.payloads import wkt

                return wkt.text(*rn.box(runs, size), grid, self.multi)
            case _:
                content = coco.compress(rle.counts(runs, size[0] * size[1]))
                return content.decode("ascii") if self.kind == "coco" else coco.packed(content)

    def runs(self, text: str, size: Size | None, grid: Grid = PIXELS) -> np.ndarray:
        """The runs (n, 2) of a text, in `order`; without a size, nobody can say whether they end inside the image.

        Raises `DataError` for a text that is no such payload, or leaves the image.
        """
        pixels = size[0] * size[1] if size else None
        match self.kind:
            case "rle":
                return rle.parse(text, self.base, pixels, self.runs_kind)
            case "wkt":
                from lib.submissions.payloads import wkt

                if size is None:
                    wkt.parse(text, grid)
                    return rn.NONE
                return rn.of_box(*wkt.box(text, size, grid), size)
            case _:
                content = text.encode() if self.kind == "coco" else coco.unpacked(text, pixels)
                return rle.of_counts(coco.decompress(content), pixels, rle.glimpse(text))
