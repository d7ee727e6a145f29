"""How masks say which class is where, and which classes there are: from what stands in them and what files call it.

coding = decided(census, legends)     # .masks {"coding": "colour", "threshold": 128}, .classes, .ignore, .notes
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lib.data.discover.census import Census
from lib.data.discover.legends import Legend
from lib.errors import DataError, first
from lib.rasters.packing import channels, pack

MOST_CLASSES = 250
MANY = 40
"""More colours than that are no classes as they stand: borders are soft, or the masks were JPEGs."""

RARE = 1e-4
"""A colour with a smaller share that no file names is taken for a mistake in the masks."""

TOLERANCES = (4, 8, 16, 24, 32, 48)

NO_CLASS = {"unlabeled", "unlabelled", "unknown", "void", "ignore", "ignored", "nodata", "undefined", "dontcare"}
"""Names, without blanks and hyphens, of what is no class."""

LAS = {2: "ground", 3: "low vegetation", 4: "medium vegetation", 5: "trees", 6: "buildings", 9: "water", 17: "bridge"}
"""Codes of laser scanning (ASPRS LAS), which some masks are coded in; 65 is what DFC2019 calls unlabelled."""


@dataclass(frozen=True)
class Entry:
    """A class, or a value that is none."""

    value: int
    """The value, or the colour 0xRRGGBB."""
    share: float
    """Of the sampled pixels."""
    name: str = ""
    """Empty when nothing says it."""
    why: str = ""
    colour: int | None = None
    """What an index mask's value looks like, where a palette or a legend says."""


@dataclass(frozen=True)
class Coding:
    """The decision, with what it rests on."""

    masks: dict[str, Any]
    classes: tuple[Entry, ...]
    ignore: tuple[Entry, ...]
    why: str
    notes: tuple[str, ...] = field(default=())


def decided(census: Census, legends: list[Legend]) -> Coding:
    """The coding and the classes of masks. Raises `DataError` when their values are no classes."""
    masks: dict[str, Any] = {"coding": census.coding}
    why, notes = f"{len(census.pixels)} different {_word(census)}", []
    jpegs = sum(header.format == "JPEG" for header in census.headers)
    if census.coding == "colour":
        more, census, reason = _soft_colours(census, legends, bool(jpegs))
    else:
        more, census, reason = _soft_values(census)
    masks |= more
    why += f"; {reason}" if reason else ""
    if jpegs:
        notes.append(f"{jpegs} of {len(census.headers)} masks looked at are JPEGs, which change a mask's values")
    if len(census.pixels) > MOST_CLASSES:
        raise DataError(
            f"the masks hold {len(census.pixels)} different {_word(census)}, which are no classes",
            "give the folder of masks with a class a pixel",
        )
    legend, said = _best(census, legends)
    notes += said
    entries = [_entry(census, value, share, legend) for value, share in census.shares.items()]
    ignore = [marked for entry in entries if (marked := _ignored(census, entry, legend))]
    if len(entries) - len(ignore) < 2:
        ignore = []
    out = {entry.value for entry in ignore}
    classes = [entry for entry in entries if entry.value not in out]
    if len(classes) < 2:
        raise DataError(
            f"the masks looked at hold one class only: {_shown(census, classes[0].value) if classes else 'none'}",
            "give the folder of masks with two classes or more",
        )
    if census.coding == "index":
        classes.sort(key=lambda entry: entry.value)
    elif legend and all(entry.value in legend.colours for entry in classes):
        classes.sort(key=lambda entry: list(legend.colours).index(entry.value))
    return Coding(masks, tuple(classes), tuple(ignore), why, tuple(notes))


def _word(census: Census) -> str:
    return "colours" if census.coding == "colour" else "values"


def _shown(census: Census, value: int) -> str:
    return f"#{value:06X}" if census.coding == "colour" else str(value)


def _soft_colours(census: Census, legends: list[Legend], jpeg: bool) -> tuple[dict[str, int], Census, str]:
    """Impure colours: corners of the colour cube are told by a threshold, others by how near they are."""
    codes = np.array(list(census.pixels), np.int64)
    counts = np.array(list(census.pixels.values()), np.float64)
    rgb = channels(codes)
    corners = np.where(rgb > 127, 255, 0)
    impure = (rgb != corners).any(axis=1)
    near = np.abs(rgb - corners).max(axis=1) <= 96
    large = counts >= 0.01 * counts.sum()
    pure_leaders = large.any() and not impure[large].any()
    if impure.any() and counts[near].sum() >= 0.999 * counts.sum() and (pure_leaders or len(codes) > MANY):
        table = {int(code): pack(c) for code, c in zip(codes, corners, strict=True)}
        share = counts[impure].sum() / counts.sum()
        return (
            {"threshold": 128},
            census.merged(table),
            f"{share:.1%} of the pixels are nearly, not quite, pure colours",
        )
    if len(codes) <= MANY and not jpeg:
        return {}, census, ""
    known = {colour for legend in legends for colour in legend.colours}
    peaks = _peaks(codes, rgb, counts, known)
    distance = np.abs(rgb[:, None] - rgb[peaks][None]).max(axis=-1)
    nearest, reach = distance.argmin(axis=1), distance.min(axis=1)
    tolerance = next((t for t in TOLERANCES if counts[reach <= t].sum() >= 0.998 * counts.sum()), TOLERANCES[-1])
    table = {int(code): int(codes[peaks[place]]) for code, place in zip(codes, nearest, strict=True)}
    far = counts[reach > tolerance].sum() / counts.sum()
    reason = f"{len(peaks)} of them lead, and all but {far:.2%} of the pixels are within {tolerance} of one"
    return {"tolerance": tolerance}, census.merged(table), reason


def _peaks(codes: np.ndarray, rgb: np.ndarray, counts: np.ndarray, known: set[int]) -> list[int]:
    """Places of the colours that lead: named ones, then frequent ones with no more frequent one near."""
    order = np.argsort(-counts, kind="stable")
    named = [place for place in order if int(codes[place]) in known]
    peaks: list[int] = []
    for place in [*named, *order]:
        if place not in named and counts[place] < 0.002 * counts.sum():
            break
        if not peaks or np.abs(rgb[peaks] - rgb[place]).max(axis=1).min() > 2 * TOLERANCES[3]:
            peaks.append(int(place))
    return peaks or [int(order[0])]


def _soft_values(census: Census) -> tuple[dict[str, int], Census, str]:
    """Masks of 0 and 255 with something between."""
    values = sorted(census.pixels)
    between = [value for value in values if 0 < value < 255]
    if not between or values[0] != 0 or values[-1] not in range(200, 256):
        return {}, census, ""
    total = sum(census.pixels.values())
    middle = sum(census.pixels[value] for value in between if 16 <= value <= 239) / total
    ends = sum(census.pixels[value] for value in values if value < 16 or value > 239) / total
    if len(between) < 4 or middle > 0.2 or ends < 0.8 or _spread(between) < 96:
        return {}, census, ""
    table = {value: 255 if value >= 128 else 0 for value in values}
    return {"threshold": 128}, census.merged(table), f"they are 0 and 255, with {middle:.1%} of the pixels between"


def _spread(values: list[int]) -> int:
    return max(values) - min(values)


def _best(census: Census, legends: list[Legend]) -> tuple[Legend | None, list[str]]:
    """The legend that names most of what stands in the masks, and what is to be said of the others."""
    notes, best, most = [], None, 0.0
    shares = census.shares
    for legend in legends:
        if census.coding == "colour":
            known = [colour for colour in legend.colours if colour in shares]
            covered = sum(shares[colour] for colour in known)
            if legend.colours and len(known) < len(shares) / 2:
                named = f", {first([legend.colours[colour] for colour in known], 3)}" if known else ""
                notes.append(
                    f"{legend.path} gives {len(legend.colours)} colours; {len(known) or 'none'} of them in the "
                    f"masks{named}: it does not describe them"
                )
        else:
            by_value = _by_value(legend, shares)
            covered = sum(shares[value] for value in by_value if value in shares)
        if covered > most:
            best, most = legend, covered
    return best, notes


def _by_value(legend: Legend, shares: dict[int, float]) -> dict[int, str]:
    """Names of an index mask's values: the legend's own, or by its order where that reaches all of them."""
    wanted = {value for value in shares if 0 <= value < 255}
    if legend.values and len(wanted & set(legend.values)) >= len(wanted) / 2:
        return legend.values
    if legend.names and wanted and max(wanted) < len(legend.names) and len(legend.names) <= max(wanted) + 2:
        return dict(enumerate(legend.names))
    return {}


def _entry(census: Census, value: int, share: float, legend: Legend | None) -> Entry:
    if census.coding == "colour":
        name = legend.colours.get(value, "") if legend else ""
        return Entry(value, share, name, f"named in {legend.path}" if name else "")
    names = _by_value(legend, census.shares) if legend else {}
    looks = {name: colour for colour, name in legend.colours.items()} if legend else {}
    name = names.get(value, "")
    why = f"named in {legend.path}" if name else ""
    if not name and _is_las(census):
        name, why = LAS.get(value, "unlabelled" if value == 65 else ""), "a code of laser scanning (LAS)"
    return Entry(value, share, name, why, looks.get(name, census.palette.get(value)))


def _is_las(census: Census) -> bool:
    values = set(census.pixels) - {0}
    return values <= {*LAS, 65} and {2, 6} <= values and bool(values & {9, 17, 65})


def _ignored(census: Census, entry: Entry, legend: Legend | None) -> Entry | None:
    """The entry with the reason why it is no class; None when it is one."""
    value, name = entry.value, entry.name.lower().replace(" ", "").replace("-", "").replace("_", "")
    tags = [header.nodata for header in census.headers if header.nodata is not None]
    reason, called = "", "undocumented"
    if name in NO_CLASS:
        reason, called = f"its name says so, {entry.why}", entry.name
    elif census.coding == "index" and value in tags:
        reason, called = f"{tags.count(value)} of the masks' files say that {value} is no data", "no data"
    elif value < 0:
        reason, called = "a class's value is 0 or more", "no data"
    elif census.coding == "index" and value == 255 and len(census.pixels) > 2:
        reason, called = "255 is what most data sets ignore", "ignored"
    elif not entry.name and census.at_border(value) > 0.5 and entry.share < 0.1:
        reason = f"{census.at_border(value):.0%} of it lies at the masks' borders, and no file names it"
    elif not entry.name and census.coding == "colour" and entry.share < RARE and len(census.pixels) > 2:
        reason = f"{entry.share:.4%} of the pixels, in {census.files[value]} masks, and no file names it"
    return Entry(value, entry.share, entry.name or called, reason, entry.colour) if reason else None
