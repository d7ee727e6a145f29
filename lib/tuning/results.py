"""What a search leaves: trials.csv, the best values as a recipe file, and a summary like a training's.

write(working, tuning, competition, finished=True, more={...})
print(*table(working, tuning), sep="\\n")
"""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from lib import files
from lib.competitions import Competition
from lib.folders import BEST, SUMMARY
from lib.recipe.tune import TuneRecipe, spelled
from lib.tuning.trials import TRIALS, Trial, all_trials, leader, ranked

TABLE, VALUES = "trials.csv", "best.toml"

COLUMNS = ("rank", "trial", "metric", "epochs", "seconds", "status")
"""Of trials.csv, before a column for each searched key and the error of a trial that failed. `trial` counts from 1."""


def write(working: Path, tuning: TuneRecipe, competition: Competition, finished: bool, more: dict[str, Any]) -> None:
    """Write trials.csv, best.toml and summary.json; `more` goes into the last."""
    found = all_trials(working / TRIALS)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*COLUMNS, *tuning.space, "error"])
    writer.writerows([*row, *_values(trial, tuning), trial.read()["error"] or ""] for row, trial in _rows(found))
    files.write(working / TABLE, text.getvalue())
    best = leader(found)
    summary = {} if best is None else best.summary()
    if best is not None:
        head = f"# {competition.metric.label} {best.best:.4f}, the best of {len(found)} trials"
        files.write(working / VALUES, recipe_file(best.read()["values"], head))
        summary["metric"] = (summary.get("metric") or {}) | {"label": competition.metric.label, "value": best.best}
    over = sum(trial.is_over for trial in found)
    search = {"finished": finished, "trials_done": over, "trials": tuning.trials}
    search |= {"tune": tuning.model_dump(mode="json")}
    files.write_json(working / SUMMARY, {"competition": competition.name, "metric": None} | summary | more | search)


def recipe_file(values: dict[str, Any], head: str) -> str:
    """Recipe keys as a TOML file that `--recipe` takes; JSON's values are TOML's, but for null, which is `auto`."""
    lines = [head.replace("\n", " ")]
    for table in sorted({key.partition(".")[0] for key in values}):
        lines += ["", f"[{table}]"]
        for key, value in values.items():
            if key.startswith(f"{table}."):
                lines.append(f"{key.partition('.')[2]} = {_toml(value)}")
    return "\n".join(lines) + "\n"


def table(working: Path, tuning: TuneRecipe) -> list[str]:
    """The ranked trials, a line each, under a header."""
    rows = [[*COLUMNS, *(key.partition(".")[2] for key in tuning.space)]]
    for row, trial in _rows(all_trials(working / TRIALS)):
        metric = "-" if row[2] == "" else f"{row[2]:.4f}"
        cells = (*row[:2], metric, row[3], f"{row[4]:.0f}", row[5])
        rows.append([*map(str, cells), *map(spelled, _values(trial, tuning))])
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def has_weights(working: Path) -> bool:
    """Whether a trial has brought weights."""
    return (working / BEST).is_file()


def _rows(found: list[Trial]) -> list[tuple[list[Any], Trial]]:
    """Rank, number, metric ('' for none), epochs, seconds and status of each trial, best first."""
    numbers = {trial.name: number for number, trial in enumerate(found, start=1)}
    rows = []
    for rank, trial in enumerate(ranked(found), start=1):
        content, score = trial.read(), "" if trial.best is None else trial.best
        epochs = max(trial.scores, default=0)
        rows.append(([rank, numbers[trial.name], score, epochs, content["seconds"], content["status"]], trial))
    return rows


def _values(trial: Trial, tuning: TuneRecipe) -> list[Any]:
    values = trial.read()["values"]
    return [_cell(values.get(key)) for key in tuning.space]


def _cell(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list | dict | bool) or value is None else value


def _toml(value: Any) -> str:
    """A value as TOML writes it."""
    if value is None:
        return '"auto"'
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
