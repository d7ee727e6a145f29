"""What a run keeps while it trains: the weights that score best, and a row an epoch in `metrics.csv`."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lib import files
from lib.competitions import Competition
from lib.models import Segmenter, checkpoint
from lib.recipe import Recipe
from lib.scoring import Score
from lib.training.validation import Validation


@dataclass(frozen=True)
class Best:
    """The epoch with the best score so far."""

    epoch: int
    score: Score
    table: np.ndarray | None
    image_scores: list[tuple[int, float | None]]


class Keeper:
    """`checkpoints/best.safetensors` and `metrics.csv` in the working folder; of several ranks, only rank 0 has one."""

    def __init__(self, folder: Path, competition: Competition, recipe: Recipe) -> None:
        self.folder = folder
        self.competition = competition
        self.recipe = recipe
        self.rows: list[dict[str, Any]] = []
        self.best: Best | None = None

    @property
    def path(self) -> Path:
        """Where the best weights lie."""
        return self.folder / "checkpoints" / "best.safetensors"

    def keep(self, model: Segmenter, result: Validation, row: dict[str, Any]) -> None:
        """Keep a validation: its row, and the validated weights when they are the best so far."""
        self.keep_best(model, result, row["epoch"])
        measure = "score" if self.competition.metric.parts else self.competition.metric.measure
        per_class = {f"{measure}:{name}": part for name, part in result.score.per_class.items()}
        self.rows.append(row | {"metric": result.score.value} | per_class)
        self._write_rows()

    def keep_best(self, model: Segmenter, result: Validation, epoch: int) -> bool:
        """Keep the validated weights when they are the best so far; returns whether they are."""
        if self.best is not None and not result.score.value > self.best.score.value:
            return False
        self.best = Best(epoch, result.score, result.table, result.image_scores)
        checkpoint.save(self.path, model, self.competition, self.recipe, result.score.value, epoch)
        return True

    def _write_rows(self) -> None:
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, list(self.rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        files.write(self.folder / "metrics.csv", text.getvalue())

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
