"""A data set's examination as one page that needs nothing else: findings with pictures, classes, sizes, bands, ceiling.

html = page(document, "dubai", views, rarest)      # document: what `launch.py doctor --json` prints; views: pictures

A view has `number` (of its finding, or None), `title` and `panels`; a panel has `name`, `pixels` (h, w, 3) uint8 RGB,
and `row` and `column` of the pixel that is meant, or None.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import jinja2
import numpy as np

QUALITY = 85
BOX = 13
"""Half the side of the box around a pixel, in pixels of the panel."""

WIDE, HIGH = 640, 250
"""The ceiling's curve, in units of its drawing."""

LEFT, BOTTOM, TOP = 44, 30, 12


def page(document: dict[str, Any], name: str, views: Sequence[Any], rarest: Sequence[Any]) -> str:
    """The page's HTML, without any reference to a network or to another file."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"percent": _percent, "inline": picture}
    findings = document["findings"]
    return environment.get_template("doctor.html.j2").render(
        document=document,
        name=name,
        facts=document["facts"],
        levels=[(level, [each for each in enumerate(findings) if each[1]["level"] == level]) for level in LEVELS],
        views={view.number: view for view in views},
        rarest=rarest,
        bands=_bands(document["facts"]["bands"]),
        ceiling=document["ceiling"],
        curve=_curve(document["ceiling"]["squares"] or document["ceiling"]["scales"]) if document["ceiling"] else None,
    )


LEVELS = ("error", "warning", "note")


def picture(panel: Any) -> str:
    """A panel as a data URI; a box and an arrow mark the pixel that is meant."""
    pixels = panel.pixels
    if panel.row is not None:
        pixels = marked(pixels, panel.row, panel.column)
    jpeg = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


def marked(pixels: np.ndarray, row: int, column: int) -> np.ndarray:
    """A copy with a box around a pixel and an arrow that comes from the picture's middle, dark under light."""
    sheet = np.ascontiguousarray(pixels).copy()
    middle = np.array([sheet.shape[1] / 2, sheet.shape[0] / 2])
    way = middle - (column, row)
    length = max(1.0, float(np.linalg.norm(way)))
    way = way / length if length > 4 else np.array([0.7, 0.7])
    tip, tail = ((np.array([column, row]) + way * far).astype(int).tolist() for far in (BOX * 1.5, BOX * 5))
    for colour, wide in (((0, 0, 0), 5), ((255, 255, 255), 2)):
        cv2.rectangle(sheet, (column - BOX, row - BOX), (column + BOX, row + BOX), colour, wide)
        cv2.arrowedLine(sheet, tail, tip, colour, wide, cv2.LINE_AA, tipLength=0.3)
    return sheet


def _bands(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each band with the bars of its histogram as rectangles in a drawing of 100 by 40."""
    found = []
    for row in rows:
        bars = np.sqrt(np.array(row["histogram"]))  # small ones stay visible
        top, step = float(bars.max()) or 1.0, 100 / len(bars)
        rectangles = [
            {"x": round(place * step, 2), "y": round(40 - 40 * bar / top, 2), "h": round(40 * bar / top, 2)}
            for place, bar in enumerate(bars.tolist())
        ]
        found.append(row | {"bars": rectangles, "step": round(step * 0.9, 2)})
    return found


def _curve(rows: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The ceiling over the working size, as points of a drawing: two lines, ticks of both axes."""
    if not rows:
        return None
    sizes = [row.get("side") or row["scale"] for row in rows]
    low = math.floor(min(min(row["labels"], row["probabilities"]) for row in rows) * 50) / 50
    low = min(low, 0.98)
    first, last = math.log(sizes[0]), math.log(sizes[-1])

    def across(size: float) -> float:
        share = (math.log(size) - first) / (last - first) if last > first else 0.5
        return round(LEFT + 12 + share * (WIDE - LEFT - 36), 1)

    def down(value: float) -> float:
        return round(TOP + (1 - value) / (1 - low) * (HIGH - TOP - BOTTOM), 1)

    lines = {
        key: [(across(size), down(row[key]), row[key]) for size, row in zip(sizes, rows, strict=True)]
        for key in ("labels", "probabilities")
    }
    steps = [low + (1 - low) * part / 4 for part in range(5)]
    return {
        "lines": lines,
        "wide": WIDE,
        "high": HIGH,
        "left": LEFT,
        "x": [(across(size), f"{size:g}") for size in sizes],
        "y": [(down(step), f"{step:.3f}".rstrip("0").rstrip(".")) for step in steps],
    }


def _percent(value: float | None) -> str:
    if value is None:
        return "–"
    if 0 < value < 0.0001:
        return "< 0.01%"
    return f"{value:.2%}" if value < 0.1 else f"{value:.1%}"
