"""What a run says and keeps while it trains: the progress line, `metrics.csv`, the best checkpoint."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch

from lib import files, progress
from lib.models import checkpoint
from lib.scoring import Score
from lib.training.loop import Segmentation

EVERY = 2.0
"""Seconds between progress lines."""


class Progress(pl.Callback):
    """Prints a progress line every `EVERY` seconds and after each validation (rank 0 only)."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.begin = self.shown = clock()
        self.loss: torch.Tensor | None = None
        self.batches = 0
        self.training_seconds = 0.0
        self.images = 0
        self.diverged: int | None = None
        """The epoch after which the weights were not numbers any more."""

    def on_train_epoch_start(self, trainer: pl.Trainer, module: Segmentation) -> None:
        self.loss, self.batches, self.images, self.training_seconds = None, 0, 0, 0.0
        self._mark = self.clock()

    def on_train_batch_end(self, trainer, module: Segmentation, outputs, batch, batch_idx: int) -> None:
        now = self.clock()
        self.training_seconds += now - self._mark
        self._mark = now
        self.images += module.recipe.train.batch
        loss = outputs["loss"].detach()  # added on the device: reading it each step would make the GPU wait
        self.loss = loss if self.loss is None else self.loss + loss
        self.batches += 1
        if now - self.shown >= EVERY:
            self._say(trainer, module, {})

    def on_validation_start(self, trainer: pl.Trainer, module: Segmentation) -> None:
        """Once an epoch: weights that are no longer numbers, on every rank alike, end the training.

        A loss alone that is none is no reason: fp16 overflows now and then, and its scaler leaves out the step.
        """
        if self.batches and not all(torch.isfinite(weights).all() for weights in module.parameters()):
            self.diverged = trainer.current_epoch + 1
            trainer.should_stop = True

    def on_validation_end(self, trainer: pl.Trainer, module: Segmentation) -> None:
        self._say(trainer, module, {"metric": module.score.value})
        self._mark = self.clock()

    def record(self, trainer: pl.Trainer, module: Segmentation) -> dict[str, Any]:
        """The run's state, as the progress line and the epoch's row hold it."""
        epochs = module.recipe.train.epochs
        return {
            "epoch": min(trainer.current_epoch + 1, epochs) if epochs else 0,
            "epochs": epochs,
            "step": trainer.global_step,
            "steps": module.steps,
            "loss": float(self.loss) / self.batches if self.batches else None,
            "lr": trainer.optimizers[0].param_groups[0]["lr"] if trainer.optimizers else None,
            "images_per_s": self.images / self.training_seconds if self.training_seconds else None,
            "seconds": self.clock() - self.begin,
        }

    def _say(self, trainer: pl.Trainer, module: Segmentation, more: dict[str, Any]) -> None:
        self.shown = self.clock()
        if trainer.is_global_zero:
            print(progress.line(self.record(trainer, module) | more), flush=True)


@dataclass(frozen=True)
class Best:
    """The epoch with the best score so far."""

    epoch: int
    score: Score
    table: np.ndarray
    image_scores: list[tuple[int, float | None]]


class Keeper(pl.Callback):
    """Keeps the best weights by the competition's metric, and a row an epoch in `metrics.csv` (rank 0 only)."""

    def __init__(self, folder: Path, watch: Progress) -> None:
        self.folder = folder
        self.watch = watch
        self.rows: list[dict[str, Any]] = []
        self.best: Best | None = None

    @property
    def path(self) -> Path:
        """Where the best weights lie."""
        return self.folder / "checkpoints" / "best.safetensors"

    def on_validation_end(self, trainer: pl.Trainer, module: Segmentation) -> None:
        if not trainer.is_global_zero:
            return
        score, row = module.score, self.watch.record(trainer, module)
        if self.best is None or score.value > self.best.score.value:
            self.best = Best(row["epoch"], score, module.table, module.image_scores)
            checkpoint.save(self.path, module.model, module.competition, module.recipe, score.value, row["epoch"])
        measure = module.competition.metric.measure
        per_class = {f"{measure}:{name}": part for name, part in score.per_class.items()}
        self.rows.append(row | {"metric": score.value} | per_class)
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, list(self.rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        files.write(self.folder / "metrics.csv", text.getvalue())
