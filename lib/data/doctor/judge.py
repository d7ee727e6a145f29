"""What a mask's values mean: by a competition's classes, or, without one, by what the masks of the set have in common.

judge = Judge.of(competition, records)
codes, values = judge.read(mask)                 # the values of one mask, in the set's coding
judge.classes(codes)                             # class index · 255 ignored · -1 no class's
table = Table.of(judge, records)                 # every value of the set: pixels, masks, an example
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lib.competitions import Competition
from lib.data.doctor.counting import NAN
from lib.data.doctor.findings import Example, Finding, percent, several
from lib.rasters import Coding, colours
from lib.rasters.packing import channels, made_up

if TYPE_CHECKING:
    from lib.data.doctor.records import Mask, Record

NONE = -1
"""Stands for a value that no class has."""


@dataclass(frozen=True)
class Judge:
    """How the masks of a set are read."""

    kind: str
    """`colour` or `index`."""
    competition: Competition | None = None

    @classmethod
    def of(cls, competition: Competition | None, records: Sequence[Record]) -> Judge:
        """The competition's coding; without one, colours where any mask is a picture in colours."""
        if competition:
            return cls(competition.masks.coding, competition)
        masks = [record.mask for record in records if record.mask and record.mask.readable]
        return cls("colour" if any(mask.values.colour and not _grey(mask) for mask in masks) else "index")

    def codes(self, mask: Mask) -> np.ndarray:
        """A mask's codes in the set's coding: the numbers of a palette become its colours, or stay as they are; colours
        are those behind the competition's threshold.

        Of a picture in colours where numbers are asked, grey is a number and every colour is `NONE` - code.
        """
        codes = mask.values.codes
        palette = mask.head.palette if mask.head else None
        if self.kind == "colour":
            if palette is not None:
                table = np.zeros(256, np.int64)
                table[: len(palette)] = palette[:256]
                codes = table[np.clip(codes, 0, 255)]
            elif not mask.values.colour:
                white = 1 if mask.head and mask.head.one_bit else 255
                codes = np.where((codes >= 0) & (codes <= white), codes * (0xFFFFFF // white), codes)
            threshold = self.competition and self.competition.masks.threshold
            return _threshold(codes, threshold, "colour") if threshold else codes
        if mask.values.colour:
            grey = codes & 255
            return np.where(codes == grey * 0x010101, grey, NONE - codes)
        return codes

    def name(self, code: int) -> str:
        """A value as a person writes it: `#3C1098`, `value 7`."""
        if code == NAN:
            return "NaN"
        if self.kind == "colour":
            return f"colour #{code:06X}"
        return f"value {code}" if code >= NONE or not self._coloured(code) else f"colour #{NONE - code:06X}"

    def _coloured(self, code: int) -> bool:
        return code < -32768

    def classes(self, codes: np.ndarray) -> np.ndarray:
        """What each value is: class index, 255 for ignored, -1 for a value that no class has. int64."""
        if self.competition is None:
            return np.zeros(len(codes), np.int64)
        masks = self.competition.masks
        if masks.threshold is not None:
            codes = _threshold(codes, masks.threshold, self.kind)
        known = dict(Coding.of(self.competition).table)
        found = np.array([known.get(int(code), NONE) for code in codes], np.int64)
        if masks.tolerance and self.kind == "colour" and (found == NONE).any():
            stored = np.array(list(known))
            apart = np.abs(channels(codes)[:, None] - channels(stored)[None]).max(axis=2)
            near = apart.argmin(axis=1)
            close = (found == NONE) & (apart.min(axis=1) <= masks.tolerance)
            found[close] = np.array(list(known.values()))[near[close]]
        return found

    def swatches(self, table: Table) -> list[dict[str, Any]]:
        """Name, value and colour of every class: the competition's, or the values that the masks hold."""
        if self.competition:
            palette = colours(self.competition)
            return [
                {
                    "name": label.name,
                    "value": label.colour if self.kind == "colour" else self.competition.values[index],
                    "colour": _text(palette[index]),
                }
                for index, label in enumerate(self.competition.classes)
            ]
        return [
            {
                "name": f"#{code:06X}" if self.kind == "colour" else str(code),
                "value": f"#{code:06X}" if self.kind == "colour" else code,
                "colour": f"#{code:06X}" if self.kind == "colour" else _text(made_up(place)),
            }
            for place, code in enumerate(int(code) for code in table.codes)
        ]


@dataclass(frozen=True)
class Table:
    """Every value of a set of masks; arrays with an element for each, sorted by code."""

    codes: np.ndarray
    pixels: np.ndarray
    masks: np.ndarray
    """How many masks hold it."""
    inner: np.ndarray
    between: np.ndarray
    meaning: np.ndarray
    """Class index, 255 for ignored, -1 for none."""
    examples: tuple[Example, ...]
    """Where it stands first, in the mask that holds most of it."""
    holders: tuple[tuple[Record, ...], ...]
    of: int
    """Masks that were read."""

    @property
    def total(self) -> int:
        """All pixels."""
        return int(self.pixels.sum())

    @classmethod
    def of_set(cls, judge: Judge, records: Sequence[Record]) -> Table:
        """Count a set's values; JPEG masks, whose values mean nothing, are left out."""
        every: dict[int, list[Any]] = {}
        judged = [record for record in records if usable(record)]
        for record in judged:
            values = record.mask.values
            for place, code in enumerate(judge.codes(record.mask).tolist()):
                row = every.setdefault(code, [0, 0, 0, 0, None, []])
                row[0] += int(values.counts[place])
                row[1] += int(values.inner[place])
                row[2] += int(values.between[place])
                if values.counts[place] > row[3]:
                    at = int(values.rows[place]), int(values.columns[place])
                    row[3], row[4] = int(values.counts[place]), Example(record.shown, record.mask.path, *at)
                if not row[5] or row[5][-1] is not record:
                    row[5].append(record)
        codes = np.array(sorted(every), np.int64)
        rows = [every[code] for code in codes.tolist()]
        column = [np.array([row[place] for row in rows], np.int64) for place in range(3)]
        return cls(
            codes, column[0], np.array([len(row[5]) for row in rows], np.int64), column[1], column[2],
            judge.classes(codes), tuple(row[4] for row in rows), tuple(tuple(row[5]) for row in rows), len(judged),
        )  # fmt: skip


def usable(record: Record) -> bool:
    """Whether a record has a mask whose values can be judged."""
    return bool(record.mask and record.mask.readable and record.mask.head.format != "JPEG")


def _text(rgb: np.ndarray) -> str:
    return "#{:02X}{:02X}{:02X}".format(*rgb)


def _grey(mask: Mask) -> bool:
    codes = mask.values.codes
    return bool((codes == (codes & 255) * 0x010101).all())


def _threshold(codes: np.ndarray, threshold: int, kind: str) -> np.ndarray:
    if kind == "index":
        return np.where(codes >= threshold, 255, 0)
    high = channels(codes) >= threshold
    return (high * np.array([0xFF0000, 0xFF00, 0xFF])).sum(axis=1)


def about(table: Table, place: int, level: str, words: str, fix: str | None) -> Finding:
    """A finding about one value of a table: how many masks hold it, its share of all pixels and of one mask."""
    share, masks = table.pixels[place] / table.total, int(table.masks[place])
    example = table.examples[place]
    holders = table.holders[place]
    most = max(holders, key=lambda record: _share_in(record, example))
    top = ""
    if len(holders) > 1 and _share_in(most, example) > 0:
        top = f"; {percent(_share_in(most, example))} of one"
    what = f"{words}: in {masks:,} of {several(table.of, 'mask')}, {percent(float(share))} of all pixels{top}"
    paths = tuple(record.mask.path for record in holders)
    return Finding(level, "values", what, paths, float(share), fix, example)


def _share_in(record: Record, example: Example) -> float:
    """The example's value as a share of its own mask, 0 in others."""
    if record.mask.path != example.mask:
        return 0.0
    values = record.mask.values
    here = (values.rows == example.row) & (values.columns == example.column)
    return float(values.counts[here].sum() / max(1, values.total))
