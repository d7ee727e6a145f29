"""`launch.py doctor --data DIR`: a data set looked at, told in lines, as one document and as a page.

examine_data("dubai", Path("data"), ceiling=True, out=None, as_json=False)
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from lib import files
from lib.errors import Failed, first
from lib.folders import cache_folder, runs_folder
from lib.launching.terminal import next_step, say

if TYPE_CHECKING:
    from lib.data.doctor import Diagnosis

CLASSES, SIZES = 25, 5
"""Rows of a table that the terminal shows."""


def examine_data(name: str | None, data: Path | None, ceiling: bool, out: Path | None, as_json: bool) -> None:
    """Examine a data root, print what was found, write the page; `typer.Exit` with 1 where there are errors."""
    from lib.competitions import load
    from lib.data.doctor import ceiling as ceilings
    from lib.data.doctor import examine, grids
    from lib.data.roots import home_root
    from lib.launching.following.show import track

    competition = load(name) if name else None
    root = home_root(competition, data, cache_folder()) if competition else data
    diagnosis = examine(competition, root, track)
    document = diagnosis.document() | {"ceiling": ceilings.measure(diagnosis, track) if ceiling else None}
    document["grids"] = grids.compared(diagnosis)
    word = competition.name if competition else re.sub(r"[^A-Za-z0-9-]+", "-", root.resolve().name).strip("-") or "data"
    page = (out or runs_folder()) / f"doctor-{word}.html"
    document["next"] = _next(name, root, diagnosis, competition is not None and competition.data.built_in)
    _write(page, document, diagnosis, word)
    document["page"] = str(page)
    say(document, as_json, lines(document))
    next_step(document["next"])
    if diagnosis.failed:
        raise typer.Exit(Failed.exit_code)


def _write(page: Path, document: dict[str, Any], diagnosis: Diagnosis, name: str) -> None:
    from lib.data.doctor import pictures
    from lib.reporting import doctor_page

    views, rarest = pictures.of_findings(diagnosis), pictures.of_rare_classes(diagnosis)
    files.write(page, doctor_page.page(document, name, views, rarest))


def _next(name: str | None, root: Path, diagnosis: Diagnosis, built_in: bool) -> str:
    """The command to type now."""
    data = "" if built_in else f" --data {files.typed(root)}"
    if diagnosis.failed:
        again = f" -c {shlex.quote(name)}" if name else ""
        return f"mend the errors, then python launch.py doctor{again}{data}"
    if name is None:
        return f"python launch.py competitions new NAME{data}"
    return f"python launch.py -c {shlex.quote(name)}{data}"


def lines(document: dict[str, Any]) -> list[str]:
    """What the terminal shows."""
    facts = document["facts"]
    found = [f"{document['data']}: {_count(facts['images'], 'image')}, {_count(facts['masks'], 'mask')}"]
    if facts["parts"]:
        found[0] += " (" + ", ".join(f"{number:,} {part}" for part, number in facts["parts"].items()) + ")"
    for finding in document["findings"]:
        found.append(f"{finding['level']:<8}{finding['check']:<13} {finding['what']}")
        if finding["example"]:
            found.append(f"{'':<22}see: {finding['example']['words']}")
        if finding["fix"]:
            found.append(f"{'':<22}fix: {finding['fix']}")
    if not document["findings"]:
        found.append("ok      nothing wrong, nothing strange")
    found += [*_classes(facts), *_facts(facts), *document["grids"]]
    if document["ceiling"]:
        found += ceiling_lines(document["ceiling"])
    return [*found, f"page: {files.shown(Path(document['page']))}"]


def _classes(facts: dict[str, Any]) -> list[str]:
    rows = facts["classes"]
    if not rows:
        return []
    wide = max(len(str(row["name"])) for row in rows[:CLASSES])
    found = [f"  {'class':<{wide}}  pixels   masks"]
    found += [f"  {row['name']!s:<{wide}}  {row['share']:>6.2%}  {row['masks']:>6,}" for row in rows[:CLASSES]]
    return found + ([f"  and {len(rows) - CLASSES} more"] if len(rows) > CLASSES else [])


def _facts(facts: dict[str, Any]) -> list[str]:
    sizes = [f"{size['width']}x{size['height']} ({size['images']:,})" for size in facts["sizes"]]
    kinds = [
        f"{kind['format']} with {_count(kind['bands'], 'band')} of {kind['dtype']} ({kind['images']:,})"
        for kind in facts["kinds"]
    ]
    found = [f"  sizes (width x height): {first(sizes, SIZES)}", f"  files: {first(kinds, SIZES)}"]
    for band in facts["bands"]:
        shares = ", ".join(f"{share} % {value:g}" for share, value in band["percentiles"].items())
        numbers = f"mean {band['mean']:.5g}, std {band['std']:.5g}, {band['min']:g} to {band['max']:g}"
        found.append(f"  band {band['band']}: {numbers} ({shares})")
    if facts["nodata"]:
        found.append(f"  no data: {facts['nodata']:.2%} of the images' pixels")
    return found


def ceiling_lines(ceiling: dict[str, Any]) -> list[str]:
    """The best possible mean Dice at each working size."""
    found = [
        f"ceiling: masks shrunk and brought back, mean Dice over the classes of each of {ceiling['masks']:,} masks"
    ]
    found.append(f"  {'size':>12}  labels  probabilities  worst class")
    for key in ("squares", "scales"):
        for row in ceiling[key]:
            size = f"{row['side']}x{row['side']}" if "side" in row else f"scale {row['scale']:g}"
            worst = min(row["per_class"].items(), key=lambda item: item[1]["probabilities"])
            words = f"{worst[0]} {worst[1]['probabilities']:.3f}"
            found.append(f"  {size:>12}  {row['labels']:>6.3f}  {row['probabilities']:>13.3f}  {words}")
    good = f"the smallest scale whose ceiling is {ceiling['good']:g}: --set {ceiling['set']}"
    return [*found, f"  {good}"]


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"
