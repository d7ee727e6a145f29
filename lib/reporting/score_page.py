"""A score as one page that needs nothing else: numbers, classes, confusions, where errors are, worst and best images.

html = page(document, pictures, competition)          # document: what score.json holds
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2

from lib.competitions import Competition
from lib.rasters import colours
from lib.reporting.gallery import Picture

MOST_CLASSES = 64
"""Classes of a confusion matrix that a page shows."""


def page(document: dict[str, Any], pictures: Sequence[Picture], competition: Competition, file: str = "") -> str:
    """The page's HTML, without any reference to a network or to another file."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"score": _score, "percent": _percent, "inline": _inline, "band": _band}
    palette = [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in colours(competition)[: len(competition.classes)].tolist()]
    return environment.get_template("score.html.j2").render(
        document=document,
        title=competition.title or competition.name,
        file=file,
        swatches=dict(zip(competition.names, palette, strict=True)),
        pictures=pictures,
        matrix=_matrix(document),
        bars=_bars(document),
        sizes=_sizes(document),
        images=_images(document),
    )


def _matrix(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows and columns of the confusion matrix that have pixels, each cell as a share of its row."""
    table = document.get("table")
    if not table or len(table["pixels"]) > MOST_CLASSES:
        return []
    rows, sums = [], [sum(column) for column in zip(*table["pixels"], strict=True)]
    for place, row in enumerate(table["pixels"]):
        sums[place] += sum(row)
    for name, row in zip(table["classes"], table["pixels"], strict=False):
        total = sum(row)
        if total:
            cells = [
                {"share": value / total, "pixels": value, "right": name == other, "name": other}
                for other, value, there in zip(table["classes"], row, sums, strict=True)
                if there
            ]
            rows.append({"name": name, "cells": cells})
    return rows


def _bars(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The class table, with each class's own score by the rule."""
    everything = sum(row["truth"] for row in document["classes"]) or 1
    return [
        row | {"score": document["per_class"].get(row["name"]), "share": row["truth"] / everything}
        for row in document["classes"]
        if row["name"] in document["per_class"] or row["truth"] or row["predicted"]
    ]


def _sizes(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The size breakdown, a row for each class."""
    rows: dict[str, dict[str, Any]] = {}
    for cell in (document.get("details") or {}).get("size", ()):
        rows.setdefault(cell["class"], {})[cell["from"]] = cell
    return [{"name": name, "cells": cells} for name, cells in rows.items()]


def _images(document: dict[str, Any]) -> list[tuple[str, float | None]]:
    known = [item for item in document["images"].items() if item[1] is not None]
    return sorted(known, key=lambda item: item[1])


def _score(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _percent(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.1%}" if value >= 0.0005 or not value else "< 0.1%"


def _band(cell: dict[str, Any]) -> str:
    """The bounds of a band or of a size class: 3–5, ≥ 11."""
    return f"≥ {cell['from']:,}" if cell["to"] is None else f"{cell['from']:,}–{cell['to']:,}"


def _inline(content: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(content).decode()}"
