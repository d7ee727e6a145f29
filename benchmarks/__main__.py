"""What the kit takes and what its peers take, side by side; their results must agree.

\b
python -m benchmarks                        every row: some minutes
python -m benchmarks encode restore         the rows whose name contains one of the words
python -m benchmarks --repeat 9 --json      more turns; one JSON document

Times are the best of several turns, which kit and peer take alternately. Memory is the peak of one call, its result
included, above a process that has its inputs loaded; it is left out where other processes do the work. The exit code is
1 when any results disagree.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks import cases, runner
from benchmarks.case import Case, Inputs, Row
from lib.errors import Failed, UsageError
from lib.launching.terminal import main, program, say

COLUMNS = ("case", "this kit", "peer", "peer's time", "peer / kit", "kit's memory", "peer's memory", "results")
NUMBERS = (1, 3, 4, 5, 6)
"""Columns that are set to the right."""

LIBRARIES = ("numpy", "opencv-python-headless", "pycocotools", "torch", "torchmetrics", "scikit-learn")
LIBRARIES += ("segmentation-models-pytorch", "kaggle")

app = program(None)


@app.command(help=__doc__)
def benchmarks(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Words of rows.")] = None,
    repeat: Annotated[int, typer.Option("--repeat", metavar="N", min=1, help="Turns of each side.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
    scale: Annotated[float, typer.Option("--scale", hidden=True, help="Share of the full height and width.")] = 1,
) -> None:
    wanted = chosen(cases.EVERY, names or [])
    with tempfile.TemporaryDirectory(prefix="swath-") as folder:
        inputs = Inputs(Path(folder))
        try:
            about = prepare(inputs, scale) | {"repeat": repeat}
            rows = runner.run(wanted, inputs, repeat)
        except ModuleNotFoundError as error:
            raise UsageError(f"{error.name} is not installed", "pip install -r requirements-dev.txt") from None
    say(about | {"rows": [document(row) for row in rows]}, as_json, [*header(about), "", *table(rows)])
    if any(row.agreed is False for row in rows):
        raise typer.Exit(Failed.exit_code)


def chosen(cases: tuple[Case, ...], words: list[str]) -> list[Case]:
    """The cases whose name or peer contains one of `words`; all when there are none."""
    named = {f"{case.name} / {case.peer_name}": case for case in cases}
    found = [case for name, case in named.items() if not words or any(w.lower() in name.lower() for w in words)]
    if not found:
        raise UsageError(f"no row is called {' or '.join(words)}", "one of: " + "; ".join(named))
    return found


def prepare(inputs: Inputs, scale: float) -> dict[str, Any]:
    """Make the inputs, and the small ones that memory is warmed up with; returns what the header says."""
    from benchmarks import scene

    scene.write(inputs.folder, scale)
    scene.write(inputs.scratch("small"), 0.02)
    labels = inputs.array("labels")
    versions = {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in LIBRARIES}
    about = {"height": labels.shape[0], "width": labels.shape[1], "classes": scene.CLASSES}
    return about | {"runs": scene.count_runs(labels), "cores": os.cpu_count(), "versions": versions}


def header(about: dict[str, Any]) -> list[str]:
    """What was worked on, and where."""
    runs = ", ".join(f"{count:,} in order {order}" for order, count in about["runs"].items())
    return [
        f"label map   {about['height']} x {about['width']}, {about['classes']} classes; runs: {runs}",
        f"turns       {about['repeat']} of each side, alternating; the best counts",
        f"machine     {platform.system()} {platform.machine()}, {about['cores']} cores",
        "versions    " + ", ".join(f"{name} {version}" for name, version in about["versions"].items()),
    ]


def table(rows: list[Row]) -> list[str]:
    """The rows in aligned columns."""
    lines = [COLUMNS, *(cells(row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, tuple("-" * width for width in widths))
    return [
        "| " + " | ".join(text.rjust(w) if n in NUMBERS else text.ljust(w) for n, (text, w) in enumerate(pairs)) + " |"
        for pairs in (list(zip(line, widths, strict=True)) for line in lines)
    ]


def cells(row: Row) -> tuple[str, ...]:
    """A row as texts."""
    if not row.agreed:
        return (row.case, "", row.peer, "", "", "", "", row.result)
    times = [f"{s:.2f} s" if s >= 1 else f"{s * 1000:.3g} ms" for s in (row.kit_seconds, row.peer_seconds)]
    memory = ["" if size is None else f"{size / 1e6:,.0f} MB" for size in (row.kit_bytes, row.peer_bytes)]
    return (row.case, times[0], row.peer, times[1], f"{row.ratio:.1f} x", *memory, row.result)


def document(row: Row) -> dict[str, Any]:
    """A row for `--json`: seconds and bytes, null where nothing was measured."""
    return asdict(row) | {"ratio": row.ratio}


if __name__ == "__main__":
    main(app)
