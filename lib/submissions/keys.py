"""What a row of a CSV file is about, read from the cells that say so, and written into them.

keys = Keys(competition)
keys.parse(["6413_7", "17 3 40 2"])        # Key(image="6413", index=7, x=0, y=0); None when the cells do not fit
keys.make("6413", 7)                       # ["6413_7"]: the texts of those cells
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from lib.competitions import Competition
from lib.competitions.formats import ROW
from lib.competitions.patterns import fields, fill

HOLE = re.compile(r"\{([a-z_]+)(?::0([1-9]))?\}")

ENDINGS = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".jp2", ".dcm", ".npy", ".gif", ".bmp")
"""Endings of image files that ids carry, or carry by mistake."""


class Key(NamedTuple):
    """An image, a class of it (index; the first one sent where a row says none), a patch's first pixel."""

    image: str
    index: int
    x: int = 0
    y: int = 0


class Keys:
    """The cells of a row that hold nothing but {id}, {class}, {name}, {x} and {y}: the first, and any other such."""

    def __init__(self, competition: Competition) -> None:
        form = competition.submission.csv
        self.competition = competition
        self.places = [
            place for place, cell in enumerate(form.row) if not place or (fields(cell) and set(fields(cell)) <= ROW)
        ]
        self.templates = [form.row[place] for place in self.places]
        self.sent = competition.sent
        self.values, self.names = [str(value) for value in competition.values], competition.names
        self.plain = [template == "{id}" for template in self.templates]
        self.shapes = [re.compile(self._shape(template)) for template in self.templates]
        self.words = {
            "class": {self.values[index]: index for index in self.sent},
            "name": {self.names[index]: index for index in self.sent},
        }
        width = next((hole[2] for hole in HOLE.finditer(form.id) if hole[1] == "id"), None)
        self.width = int(width or 0)

    def make(self, image: str, index: int, x: int = 0, y: int = 0) -> list[str]:
        """The texts of the cells."""
        known = {"id": image, "class": self.values[index], "name": self.names[index]}
        return [fill(template, known | {"x": str(x), "y": str(y)}) for template in self.templates]

    def parse(self, cells: Sequence[str]) -> Key | None:
        """What a row is about; None when its cells do not fit the templates."""
        found: dict[str, str] = {}
        for place, plain, shape in zip(self.places, self.plain, self.shapes, strict=True):
            if plain:
                own = {"id": cells[place]}
            else:
                match = shape.fullmatch(cells[place])
                if match is None:
                    return None
                own = match.groupdict()
            if any(found.get(hole, text) != text for hole, text in own.items()):
                return None
            found |= own
        indices = {self._index(hole, found[hole]) for hole in ("class", "name") if hole in found} or {self.sent[0]}
        if len(indices) > 1 or not found["id"]:
            return None
        return Key(self.canonical(found["id"]), indices.pop(), int(found.get("x", 0)), int(found.get("y", 0)))

    def canonical(self, image: str) -> str:
        """An image's id as the template writes it: `{id:03}` makes 7 and 007 the same."""
        return image.zfill(self.width) if self.width and image.isdecimal() else image

    def _index(self, hole: str, text: str) -> int:
        known = self.words[hole]
        return known[text] if text in known else known[text.lstrip("0") or "0"]

    def _shape(self, template: str) -> str:
        """A regular expression for a cell; a hole that stands twice must hold the same text."""
        seen: set[str] = set()

        def hole(match: re.Match) -> str:
            name, width = match[1], match[2]
            if name in seen:
                return f"(?P={name})"
            seen.add(name)
            return f"(?P<{name}>{self._words(name, int(width or 0))})"

        parts = re.split(r"(\{[^}]*\})", template)
        return "".join(HOLE.sub(hole, part) if HOLE.fullmatch(part) else re.escape(part) for part in parts)

    def _words(self, name: str, width: int) -> str:
        match name:
            case "class":
                words = [self.values[index].zfill(width) for index in self.sent]
            case "name":
                words = [self.names[index] for index in self.sent]
            case "x" | "y":
                return "[0-9]{1,6}"
            case _:
                return ".+?"
        return "|".join(re.escape(word) for word in words)


def nearest_template(keys: Keys, ids: Iterable[str]) -> str | None:
    """A template of the first cell that all of some `ids` would fit: another ending, another sign before the class.

    None when the competition's classes are in none of them.
    """
    ids = list(ids)
    template = keys.templates[0]
    hole = next((f"{{{name}}}" for name in ("class", "name") if f"{{{name}}}" in template), None)
    endings = ["", *(ending for ending in ENDINGS if all(ending in text for text in ids))]
    tails = [f"{sign}{hole}" for sign in "_-. :"] if hole else [""]
    for tail in tails:
        for ending in reversed(endings):
            shape = re.compile(keys._shape("{id}" + ending + tail))
            if all(shape.fullmatch(text) for text in ids):
                return "{id}" + ending + tail
    return None
