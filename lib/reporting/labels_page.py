"""The labels that a model contradicts, as one page that needs nothing else: the worst tiles, losses, classes.

html = page(document, losses, panels, competition)

    document    {"run", "side", "images", "sure", "parts": {part: …}, "exclude": the list's file, …}
    a part      {"tiles", "unranked", "from": the smallest loss listed, "classes": [ … ], "worst": [ … ]}
    a class     {"name", "share", "contradicted", "loss", "mostly"}
    a tile      {"name", "loss", "iou", "contradicted", "words", "listed"}
    losses      of every ranked tile, by part
    panels      names and JPEGs, by the tile's name
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

from lib.competitions import Competition
from lib.rasters import colours

BINS = 24
"""Bars of a histogram."""

HEADINGS = {
    "validation": "Held out: a fair judge",
    "training": "Trained on: disagreement is understated",
    "excluded": "Left out of training before",
}
NOTES = {
    "validation": "The model never saw these labels.",
    "training": "The model has seen these labels and has partly learned even the wrong ones.",
    "excluded": "Tiles of the run's own list. The model never saw these labels; no more of them are added to the list.",
}


def page(
    document: Mapping[str, Any],
    losses: Mapping[str, Sequence[float]],
    panels: Mapping[str, Sequence[tuple[str, bytes]]],
    competition: Competition,
) -> str:
    """The page's HTML, without any reference to a network or to another file."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"inline": _inline, "percent": _percent}
    palette = [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in colours(competition)[: len(competition.classes)].tolist()]
    parts = document["parts"]
    highest = max((loss for own in losses.values() for loss in own), default=0.0)
    present = {row["name"] for part in parts.values() for row in part["classes"]}
    return environment.get_template("labels.html.j2").render(
        document=document,
        title=competition.title or competition.name,
        parts=parts,
        headings=HEADINGS,
        notes=NOTES,
        swatches=dict(zip(competition.names, palette, strict=True)),
        present=[name for name in competition.names if name in present],
        histograms={name: histogram(losses[name], highest, part["from"]) for name, part in parts.items()},
        highest=highest,
        panels=panels,
    )


def histogram(losses: Sequence[float], highest: float, begin: float | None) -> list[dict[str, Any]]:
    """`BINS` bars from 0 to `highest`: how many tiles, their height in percent of the highest bar, whether all of them
    are listed (`begin`: the smallest loss that is)."""
    width = highest / BINS or 1.0
    counts = [0] * BINS
    for loss in losses:
        counts[min(BINS - 1, int(loss / width))] += 1
    most = max(counts) or 1
    return [
        {
            "from": place * width,
            "to": (place + 1) * width,
            "tiles": count,
            "height": 100 * count / most,
            "listed": begin is not None and place * width >= begin,
        }
        for place, count in enumerate(counts)
    ]


def _percent(value: float) -> str:
    return f"{value:.0%}" if value >= 0.01 or not value else "< 1%"


def _inline(content: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(content).decode()}"
