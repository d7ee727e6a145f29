"""From pairs of paths to the two patterns that find them: what all share is written, what differs is a hole.

layout = laid_out(matches)       # Layout(images="Tile {tile}/images/{id}.jpg", masks=..., ids=..., left=...)
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from lib.data.discover.matching import Match


@dataclass(frozen=True)
class Layout:
    """Two patterns, and what stood in their holes."""

    images: str
    masks: str | None
    found: dict[PurePosixPath, dict[str, str]] = field(default_factory=dict)
    """Of each image: the text of each hole."""
    partners: dict[PurePosixPath, PurePosixPath] = field(default_factory=dict)
    """Of each image: its mask."""

    @property
    def holes(self) -> list[str]:
        return re.findall(r"\{(\w+)\}", self.images)


def laid_out(matches: list[Match]) -> Layout:
    """The layout of the largest part of `matches` that one pair of patterns fits."""
    groups: dict[tuple, list[Match]] = defaultdict(list)
    for match in matches:
        groups[_signature(match)].append(match)
    chosen = max(groups.values(), key=len)
    while True:
        try:
            return _generalised(chosen)
        except _NotOfOnePattern as odd:
            chosen = odd.smaller


def of_images(paths: list[PurePosixPath], stem: tuple[str, str], like: str) -> Layout:
    """The layout of images without masks; `stem`: what stands before and behind the core of each name."""
    before, behind = stem
    matches = []
    for path in paths:
        fits = path.stem.startswith(before) and path.stem.endswith(behind)
        core = path.stem[len(before) : len(path.stem) - len(behind)] if fits else path.stem
        parts = (before, core, behind) if fits and core else ("", path.stem, "")
        matches.append(Match(path, path, parts, parts))
    named = [match for match in matches if match.image.suffix == like] or matches
    layout = laid_out(named)
    return Layout(layout.images, None, layout.found)


class _NotOfOnePattern(Exception):
    def __init__(self, smaller: list[Match]) -> None:
        super().__init__()
        self.smaller = smaller


def _signature(match: Match) -> tuple:
    sides = (match.image, match.image_stem), (match.mask, match.mask_stem)
    return tuple((len(path.parts), stem[0], stem[2], path.suffix) for path, stem in sides)


def _generalised(matches: list[Match]) -> Layout:
    """Patterns of pairs with one signature; raises `_NotOfOnePattern` with those that may have one."""
    first = matches[0]
    columns = list(zip(*(match.image.parts[:-1] for match in matches), strict=True))
    cores = [match.image_stem[1] for match in matches]
    by_folder = len(set(cores)) == 1 and (any(len(set(column)) > 1 for column in columns) or not cores[0])
    if by_folder and not columns:  # one image, called image.png
        by_folder, cores, first = (
            False,
            [first.image.stem],
            Match(first.image, first.mask, ("", "", ""), first.mask_stem),
        )
    holes: dict[str, list[str]] = {}
    shapes = []
    for place, column in enumerate(columns):
        is_last = by_folder and place == max(
            (p for p, c in enumerate(columns) if len(set(c)) > 1), default=len(columns) - 1
        )
        fixed = len(set(column)) == 1 and not is_last
        shapes.append(column[0] if fixed else _hole(list(column), holes, whole=is_last))
    if by_folder:
        shapes.append(first.image.name)
    else:
        holes["id"] = cores
        before, _, behind = first.image_stem
        shapes.append(f"{before}{{id}}{behind}{first.image.suffix}")
    pieces = [_expressed(list(column), holes) for column in zip(*(m.mask.parts[:-1] for m in matches), strict=True)]
    masks = [match.mask_stem[1] for match in matches]
    if len(matches) > 1 and len({match.mask for match in matches}) == 1:
        pieces.append(first.mask.name)
    else:
        core = _expressed(masks, holes)
        pieces.append(None if core is None else f"{first.mask_stem[0]}{core}{first.mask_stem[2]}{first.mask.suffix}")
    if None in pieces:
        raise _NotOfOnePattern(_largest(matches, pieces.index(None)))
    rows = zip(*holes.values(), strict=True)
    found = {match.image: dict(zip(holes, row, strict=True)) for match, row in zip(matches, rows, strict=True)}
    return Layout("/".join(shapes), "/".join(pieces), found, {match.image: match.mask for match in matches})


def _hole(column: list[str], holes: dict[str, list[str]], whole: bool) -> str:
    """One folder's name with a hole for what differs, cut where a word or a number begins or ends."""
    start = "" if whole else re.sub(r"([^\W\d_]+|\d+)$", "", _shared(column))
    start = start or ("" if whole else re.match(r"[^\W\d]*", _shared(column))[0])
    if any(len(name) == len(start) or not name[len(start)].isdecimal() for name in column):
        start = ""
    rest = [name[len(start) :] for name in column]
    word = "id" if whole else re.sub(r"[^a-z]", "", start.lower()) or "folder"
    while word in holes or (word == "id" and not whole):
        word += "_"
    holes[word] = rest
    return f"{start}{{{word}}}"


def _shared(column: list[str]) -> str:
    """What all names begin with."""
    low, high = min(column), max(column)
    return next((low[:place] for place, letter in enumerate(low) if high[place] != letter), low)


def _expressed(column: list[str], holes: dict[str, list[str]]) -> str | None:
    """A part of the masks' paths in terms of the images' holes; None where it cannot be."""
    if len(column) > 1 and len(set(column)) == 1:
        return column[0]
    for word, values in holes.items():
        before, value, behind = column[0].partition(values[0])
        if value and all(f"{before}{own}{behind}" == text for text, own in zip(column, values, strict=True)):
            return f"{before}{{{word}}}{behind}"
    return column[0] if len(column) == 1 else None


def _largest(matches: list[Match], place: int) -> list[Match]:
    """The pairs whose masks have the most frequent text at `place`; one pair when they all differ."""
    texts = [match.mask.parts[place] for match in matches]
    text, count = Counter(texts).most_common(1)[0]
    return [match for match, own in zip(matches, texts, strict=True) if own == text] if count > 1 else matches[:1]
