"""A score as one page that needs nothing else: numbers, classes, confusions, where errors are, worst and best images.

html = page(document, pictures, competition)          # document: what score.json holds
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lib.competitions import Competition
from lib.reporting.gallery import Picture
from lib.reporting.pages import matrix, swatches, template


def page(document: dict[str, Any], pictures: Sequence[Picture], competition: Competition, file: str = "") -> str:
    """The page's HTML, without any reference to a network or to another file."""
    bars = _bars(document)
    return template("score.html.j2", band=_band).render(
        document=document,
        title=competition.title or competition.name,
        file=file,
        swatches=swatches(competition),
        pictures=pictures,
        present=[row["name"] for row in bars if row["truth"] or row["predicted"]],
        matrix=matrix(document.get("table")),
        bars=bars,
        sizes=_sizes(document),
        images=_images(document),
    )


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


def _band(cell: dict[str, Any]) -> str:
    """The bounds of a band or of a size class: 3–5, ≥ 11."""
    return f"≥ {cell['from']:,}" if cell["to"] is None else f"{cell['from']:,}–{cell['to']:,}"
