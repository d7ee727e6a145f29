"""What a run keeps while it trains: the weights that score best, and a row an epoch in `metrics.csv`.

`metrics.csv`, a row a validation; what is undefined, such as the IoU of a class that is nowhere, is an empty cell:

    epoch, epochs, step, steps, loss, images_per_s, data_wait, seconds    as in lib/progress.py
    lr, lr:GROUP             the next step's learning rate, and each parameter group's where they differ
    grad_norm, grad_norm_max     the epoch's mean and largest gradient norm, before it is clipped
    metric, score:CLASS      the competition's own, and its rule over one class
    miou, accuracy           the mean of the classes' IoU; the share of pixels that are right
    iou:CLASS, dice:CLASS, accuracy:CLASS    of pixels over the whole set; a class's accuracy is its recall

`confusion.csv` has the confusion table of every validation, where a pixel has one class: epoch, truth, prediction,
pixels, and `share` of the true class's pixels. With more than `MOST_PAIRS` classes, pairs without a pixel are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lib import files
from lib.competitions import Competition
from lib.errors import Failed
from lib.folders import BEST, SUMMARY
from lib.models import Segmenter, checkpoint
from lib.recipe import Recipe
from lib.scoring import Score
from lib.training.growing import Growing, write
from lib.training.validation import Validation

MOST_PAIRS = 64
CONFUSION = "confusion.csv"

Hears = Callable[[dict[str, Any], np.ndarray | None], None]
"""Takes a validation's row and its table (C, C + 1)."""


@dataclass(frozen=True)
class Best:
    """The epoch with the best score so far."""

    epoch: int
    score: Score
    table: np.ndarray | None
    image_scores: list[tuple[int, float | None]]


class Keeper:
    """Best weights, `metrics.csv` and `confusion.csv` in the working folder; of several ranks, only rank 0 has them."""

    def __init__(self, folder: Path, competition: Competition, recipe: Recipe) -> None:
        self.folder = folder
        self.competition = competition
        self.recipe = recipe
        self.rows: list[dict[str, Any]] = []
        self.best: Best | None = None
        self.hears: list[Hears] = []
        """Who is told of each validation."""
        self.sessions: list[dict[str, Any]] = []
        """What the summary of the session before says of those before this one."""
        self.confusions = Growing(folder / CONFUSION, ("epoch", "truth", "prediction", "pixels", "share"))

    @property
    def path(self) -> Path:
        """Where the best weights lie."""
        return self.folder / BEST

    def keep(self, model: Segmenter, result: Validation, row: dict[str, Any]) -> None:
        """Keep a validation: its row, and the validated weights when they are the best so far."""
        self.keep_best(model, result, row["epoch"])
        self.rows.append(row | measures(result))
        self._write_rows()
        if result.table is not None:
            self.confusions.add(confusions(row["epoch"], result.table, self.competition.names))
        for hear in self.hears:
            hear(self.rows[-1], result.table)

    def keep_best(self, model: Segmenter, result: Validation, epoch: int) -> bool:
        """Keep the validated weights when they are the best so far; returns whether they are."""
        if self.best is not None and not result.score.value > self.best.score.value:
            return False
        self.best = Best(epoch, result.score, result.table, result.image_scores)
        checkpoint.save(self.path, model, self.competition, self.recipe, result.score.value, epoch)
        return True

    def _write_rows(self) -> None:
        write(self.folder / "metrics.csv", self.rows)

    def state_dict(self) -> dict[str, Any]:
        """What a later session goes on with, but the best weights themselves."""
        best = None
        if self.best is not None:
            table = None if self.best.table is None else self.best.table.tolist()
            best = asdict(self.best) | {"table": table}
        return {"rows": self.rows, "best": best}

    def load_state_dict(self, state: dict[str, Any], outputs: Path) -> None:
        """Go on from an earlier session: what its `state_dict` said, and the best weights among its `outputs`."""
        self.rows = [dict(row) for row in state["rows"]]
        with suppress(Failed):  # a session that was ended from outside leaves no summary
            self.sessions = list(files.read_json(outputs / SUMMARY).get("sessions", []))
        epochs = {str(row["epoch"]) for row in self.rows}
        self.confusions.take_over(outputs / CONFUSION, lambda row: row["epoch"] in epochs)
        if self.rows:
            self._write_rows()
        if state["best"] is None:
            return
        best = state["best"]
        table = None if best["table"] is None else np.asarray(best["table"], np.int64)
        self.best = Best(best["epoch"], Score(**best["score"]), table, [tuple(item) for item in best["image_scores"]])
        weights = outputs / self.path.relative_to(self.folder)
        checkpoint.read(weights)  # whole, or an error that names it
        files.copy(weights, self.path)


def measures(result: Validation) -> dict[str, float | None]:
    """A validation's columns of `metrics.csv`; None where a number is not defined."""
    classes = result.score.classes
    known = [row["iou"] for row in classes if row["iou"] is not None]
    columns: dict[str, float | None] = {
        "metric": result.score.value,
        "miou": sum(known) / len(known) if known else None,
        "accuracy": None,
    }
    if result.table is not None and result.table.any():
        columns["accuracy"] = float(np.trace(result.table[:, :-1]) / result.table.sum())
    columns |= {f"score:{name}": part for name, part in result.score.per_class.items()}
    for column, key in (("iou", "iou"), ("dice", "dice"), ("accuracy", "recall")):
        columns |= {f"{column}:{row['name']}": row[key] for row in classes}
    return columns


def confusions(epoch: int, table: np.ndarray, names: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """A table (C, C + 1) as rows of `confusion.csv`; `none`, for pixels of no class, only where there are any."""
    for truth, row in zip(names, table.tolist(), strict=True):
        total = sum(row)
        for prediction, pixels in zip((*names, "none"), row, strict=True):
            if pixels or (prediction != "none" and len(names) <= MOST_PAIRS):
                share = pixels / total if total else None
                yield {"epoch": epoch, "truth": truth, "prediction": prediction, "pixels": pixels, "share": share}
