"""What the folds of a run leave, put together: the score of every labelled image by the model that did not see it.

write(folders, parts, {...})         # working/summary.json and metrics.csv, of all folds that were begun
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from lib import files
from lib.competitions import Competition
from lib.errors import Failed
from lib.folders import BEST, FOLDS, SUMMARY, Folders
from lib.scoring import Score, Tally, counts_file, image_scores, score
from lib.training import growing
from lib.training.fold_plan import Part
from lib.training.out_of_fold import COUNTS


def folder_of(folders: Folders, number: int) -> Path:
    """Where a fold's outputs lie."""
    return folders.outputs / FOLDS / str(number)


def own_summary(folder: Path) -> dict[str, Any]:
    """What a fold's own summary says; empty before it has written one."""
    with suppress(Failed):
        content = files.read_json(folder / SUMMARY)
        return content if isinstance(content, dict) else {}
    return {}


def is_finished(folder: Path) -> bool:
    """Whether a fold is done: trained to its end, and its held-out images predicted."""
    whole = own_summary(folder).get("finished") is True
    return whole and (folder / BEST).is_file() and (folder / COUNTS).is_file()


def write(folders: Folders, parts: Sequence[Part], about: dict[str, Any]) -> dict[str, Any]:
    """Write the run's summary, with `about` among its keys, and its table of epochs; returns the summary.

    The score is there when all folds are done: of all images as one set, by the competition's own rule, from the exact
    counts that each fold has of its own images.
    """
    competition, recipe = folders.competition(), folders.recipe()
    rows = [_row(folder_of(folders, part.number), part) for part in parts]
    whole = all(row["finished"] for row in rows)
    found = _together(folders, parts, competition) if whole else {"metric": None, "table": None, "images": {}}
    windows = {image: window for part in parts for image, window in part.windows.items()}
    summary = {
        "competition": competition.name,
        "finished": whole,
        "epochs_done": sum(row["epochs_done"] for row in rows),
        **found,
        "folds": rows,
        "training": {
            "images": sum(len(part.held_out) for part in parts),
            "epochs": recipe.train.epochs,
            "steps": sum(row["steps"] for row in rows),
        },
        "validation": sorted(image for part in parts for image in part.held_out),
        "windows": windows,
        "division": "; ".join(part.how for part in parts),
        "radiometry": parts[0].radiometry,
        "recipe": recipe.model_dump(),
        **about,
    }
    files.write_json(folders.outputs / SUMMARY, summary)
    _write_epochs(folders, parts)
    return summary


def _row(folder: Path, part: Part) -> dict[str, Any]:
    """A fold in the summary."""
    own = own_summary(folder)
    metric = own.get("metric") or {}
    checkpoint = folder / BEST
    return {
        "fold": part.number,
        "finished": is_finished(folder),
        "value": metric.get("value"),
        "epoch": metric.get("epoch"),
        "epochs_done": own.get("epochs_done") or 0,
        "steps": (own.get("training") or {}).get("steps") or 0,
        "images": list(part.held_out),
        "checkpoint": f"{FOLDS}/{part.number}/{BEST.as_posix()}" if checkpoint.is_file() else None,
        "seconds": own.get("seconds"),
    }


def _together(folders: Folders, parts: Sequence[Part], competition: Competition) -> dict[str, Any]:
    """The score of all images, each as its own fold's model has predicted it."""
    named = []
    for part in parts:
        counts = counts_file.read(folder_of(folders, part.number) / COUNTS)
        named += zip(part.held_out, counts, strict=True)
    ids, counts = zip(*sorted(named, key=lambda each: each[0]), strict=True)
    tally = Tally.of(counts, competition, ids)
    result: Score = score(tally, competition)
    table = None if tally.tables is None else tally.tables.sum(axis=0).tolist()
    return {
        "metric": {
            "label": competition.metric.label,
            "value": result.value,
            "epoch": None,
            "folds": len(parts),
            "per_class": result.per_class,
            "baselines": result.baselines,
        },
        "classes": result.classes,
        "table": table and {"rows": "truth", "classes": [*competition.names, "none"], "pixels": table},
        "images": dict(zip(ids, image_scores(tally, competition), strict=True)),
    }


def _write_epochs(folders: Folders, parts: Sequence[Part]) -> None:
    """`metrics.csv`: the folds' own tables, one under another, behind a column that says which fold."""
    rows: list[dict[str, Any]] = []
    for part in parts:
        own = growing.read(folder_of(folders, part.number) / "metrics.csv")
        rows += [{"fold": part.number} | row for row in own]
    if rows:
        growing.write(folders.outputs / "metrics.csv", rows)
