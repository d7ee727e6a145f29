"""Curves as drawings of an HTML page: lines over epochs, with ticks, and a point's value where a finger or mouse rests.

chart = draw("Loss", [Line("loss", [(1, 0.93), (2, 0.71)])], epochs=40)          # None without a point
{{ chart(drawing) }}                                                           # in a template: parts.html.j2

Colours are CSS: a class `c0` … `c7`, or a line's own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

WIDE, HIGH = 440, 216
"""Of a drawing, in its own units."""

LEFT, RIGHT, TOP, BOTTOM = 58, 12, 12, 26
MOST = 300
"""Points of a line that are drawn; more are thinned out."""

FAR = 10
"""Largest value over the smallest from which powers of ten show more."""

DOTS = 60
"""Points of a line up to which each is marked and tells its value."""

COLOURS = 8


@dataclass(frozen=True)
class Line:
    """A line of a chart: (epoch, value) points; values that are None or no number leave a gap out."""

    name: str
    points: Sequence[tuple[float, float | None]]
    colour: str | None = None
    """Of its own, as CSS has it; None: the next of the page's. One like #ffffff, which may be a page's own, gets an
    edge."""
    level: float | None = None
    """Instead of points: a dashed line at this height."""
    known: list[tuple[float, float]] = field(init=False, repr=False, default_factory=list)

    def __post_init__(self) -> None:
        self.known.extend((x, y) for x, y in self.points if y is not None and math.isfinite(y))


def draw(
    title: str,
    lines: Sequence[Line],
    epochs: float,
    log: bool = False,
    note: str = "",
    form: str = ".3g",
    floor: float | None = None,
) -> dict[str, Any] | None:
    """A chart from epoch 0 to `epochs`; None when no line has a point.

    `log`: over powers of ten, where all values are above 0 and far from each other. `floor`: a height to begin at.
    `form`: how a value is told, in Python's format.
    """
    lines = [line for line in lines if line.known or line.level is not None]
    values = [y for line in lines for _, y in line.known] + [line.level for line in lines if line.level is not None]
    if not any(line.known for line in lines):
        return None
    log = log and min(values) > 0 and max(values) / min(values) >= FAR
    low, high = (math.log10(min(values)), math.log10(max(values))) if log else (min(values), max(values))
    low = low if floor is None or log else min(low, floor)
    ticks = powers(low, high) if log else steps(low, high)
    low, high = min(low, ticks[0]), max(high, ticks[-1])
    last = max([epochs, *(x for line in lines for x, _ in line.known)]) or 1

    def across(epoch: float) -> float:
        return round(LEFT + (WIDE - LEFT - RIGHT) * epoch / last, 1)

    def down(value: float) -> float:
        place = math.log10(value) if log else value
        return round(TOP + (HIGH - TOP - BOTTOM) * (high - place) / (high - low), 1)

    drawn, number = [], 0
    for line in lines:
        shown = thinned(line.known)
        item = {"name": line.name, "colour": line.colour, "dashed": line.level is not None, "number": number % COLOURS}
        number += line.colour is None
        if line.level is not None:
            item |= {"path": f"{LEFT},{down(line.level)} {WIDE - RIGHT},{down(line.level)}", "dots": []}
            item["last"] = format(line.level, form)
        else:
            item["path"] = " ".join(f"{across(x)},{down(y)}" for x, y in shown)
            few = len(shown) <= DOTS
            item["dots"] = [(across(x), down(y), f"{x:.3g}", format(y, form)) for x, y in shown] if few else []
            item["last"] = format(line.known[-1][1], form)
        drawn.append(item)
    return {
        "title": title,
        "note": note,
        "lines": drawn,
        "wide": WIDE,
        "high": HIGH,
        "left": LEFT,
        "right": WIDE - RIGHT,
        "bottom": HIGH - BOTTOM,
        "x": [(across(epoch), f"{epoch:g}") for epoch in steps(0, last, whole=True) if epoch <= last],
        "y": [(down(10**tick if log else tick), _label(10**tick if log else tick)) for tick in ticks],
    }


def steps(low: float, high: float, most: int = 5, whole: bool = False) -> list[float]:
    """Round numbers from at most `low` to at least `high`, 1, 2 or 5 times a power of ten apart."""
    width = high - low or abs(high) or 1.0
    unit = 10 ** math.floor(math.log10(width / most))
    step = next(times * unit for times in (1, 2, 5, 10) if times * unit * most >= width * 0.999)
    step = max(1, round(step)) if whole else step
    first = math.floor(low / step + 1e-9)
    return [round(place * step, 12) for place in range(first, max(first + 1, math.ceil(high / step - 1e-9)) + 1)]


def powers(low: float, high: float) -> list[float]:
    """Whole exponents around two exponents of ten, at most six of them."""
    first, last = math.floor(low), max(math.ceil(high), math.floor(low) + 1)
    apart = -(-(last - first) // 5)
    return list(range(first, last + apart, apart))


def thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most `MOST` + 1 of the points, with the last one."""
    apart = -(-len(points) // MOST)
    return [*points[:-1:apart], points[-1]] if points else []


def _label(value: float) -> str:
    if value and (abs(value) < 1e-3 or abs(value) >= 1e5):
        mantissa, exponent = f"{value:.2e}".split("e")
        return f"{float(mantissa):g}e{int(exponent)}"
    return f"{value:g}"
