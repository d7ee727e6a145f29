"""What pages share: templates that need no network and no other file, words for numbers, colours, a confusion matrix.

html = template("score.html.j2").render(swatches=swatches(competition), matrix=matrix(table), …)
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from lib.competitions import Competition
from lib.rasters import colours

MOST_CLASSES = 64
"""Classes of a confusion matrix that a page shows."""


def template(name: str, **filters: Any) -> jinja2.Template:
    """A template of this folder, with the filters `score`, `percent`, `inline` and those given."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"score": score, "percent": percent, "inline": inline, **filters}
    return environment.get_template(name)


def swatches(competition: Competition) -> dict[str, str]:
    """Each class's colour, as CSS has it."""
    palette = [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in colours(competition)[: len(competition.classes)].tolist()]
    return dict(zip(competition.names, palette, strict=True))


def matrix(table: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Rows and columns of a confusion table {"classes", "pixels"} that have pixels; cells as shares of their row."""
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


def score(value: float | None, digits: int = 3) -> str:
    """A number of 0 to 1; a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f}"


def percent(value: float | None) -> str:
    """A share in percent; a dash where there is none."""
    if value is None:
        return "–"
    return f"{value:.1%}" if value >= 0.0005 or not value else "< 0.1%"


def inline(content: bytes) -> str:
    """A picture, JPEG or WebP, as the address of itself."""
    kind = "webp" if content[8:12] == b"WEBP" else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
