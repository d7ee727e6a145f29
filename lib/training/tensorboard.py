"""TensorBoard event files of a run, in `tensorboard/` in the working folder: `tensorboard --logdir runs` shows them.

    board = Board.begin(working, step=run.step, say=print)
    board.describe(competition, recipe)             # once a run
    watch.hears.append(board.step)                  # loss, learning rates, gradient norm, speed: every few seconds
    keeper.hears.append(board.validation)           # metric, IoU, Dice and accuracy by class, confusion matrix
    gradients.hears.append(board.gradients)         # by block
    board.close()

Without the package, one line says so, and the board writes nothing. A later session goes on in the files of the one
before: `take_over`, before `begin`.
"""

from __future__ import annotations

import sys
import time
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lib import files
from lib.competitions import Competition
from lib.recipe import Recipe

FOLDER = "tensorboard"

EVERY = 5.0
"""Seconds between the points of a step's curves."""

FLUSH = 10
"""Seconds after which what was written is on the disk."""

STEP = {"loss": "train/loss", "grad_norm": "train/grad_norm", "grad_norm_max": "train/grad_norm_max"}
STEP |= {"images_per_s": "speed/images_per_s", "data_wait": "speed/data_wait"}
VALIDATION = {"metric": "validation/metric", "miou": "validation/miou", "accuracy": "validation/accuracy"}
FAMILIES = ("score", "iou", "dice", "accuracy")
"""Columns of metrics.csv that are a class's, as FAMILY:CLASS."""

Picture = Callable[[np.ndarray], np.ndarray]
"""Draws a confusion table (C, C + 1) as (h, w, 3) uint8 RGB."""


class Board:
    """Writes events; without a writer it does nothing."""

    def __init__(
        self, writer: Any = None, picture: Picture | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.writer, self.picture, self.clock = writer, picture, clock
        self._last: tuple[int, float] | None = None

    @classmethod
    def begin(
        cls,
        working: Path,
        step: int = 0,
        picture: Picture | None = None,
        say: Callable[[str], None] = print,
    ) -> Board:
        """A board for what comes from `step` on; events of later steps that lie in the folder count no more."""
        without_tensorflow()
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            say(f"no TensorBoard files are written: {error}")
            return cls()
        writer = SummaryWriter(working / FOLDER, purge_step=step or None, flush_secs=FLUSH)
        return cls(writer, picture)

    def describe(self, competition: Competition, recipe: Recipe) -> None:
        """What the run is: its recipe as text and as hyperparameters, by which TensorBoard compares runs."""
        if self.writer is None:
            return
        from torch.utils.tensorboard.summary import hparams

        values = {f"{table}.{key}": value for table, keys in recipe.model_dump().items() for key, value in keys.items()}
        rows = "\n".join(f"| {key} | {value} |" for key, value in values.items())
        self.writer.add_text("recipe", f"| key | value |\n|---|---|\n{rows}", 0)
        self.writer.add_text("competition", f"{competition.title or competition.name}: {competition.metric.label}", 0)
        plain = {key: value if isinstance(value, bool | int | float) else str(value) for key, value in values.items()}
        for summary in hparams(plain, {VALIDATION["metric"]: 0.0}):
            self.writer.file_writer.add_summary(summary, 0)

    def step(self, record: Mapping[str, Any]) -> None:
        """A progress line's record: one in `EVERY` seconds is written, and each validation's."""
        now, step = self.clock(), record["step"]
        if self._last and (step <= self._last[0] or (now - self._last[1] < EVERY and "metric" not in record)):
            return
        self._last = step, now
        for key, value in record.items():
            if key == "lr" or key.startswith("lr:"):
                self._add(f"train/{key.replace(':', '/')}", value, step)
            elif key in STEP:
                self._add(STEP[key], value, step)

    def validation(self, row: Mapping[str, Any], table: np.ndarray | None) -> None:
        """A validation's row of metrics.csv and its confusion table."""
        for key, value in row.items():
            family, colon, name = key.partition(":")
            if key in VALIDATION:
                self._add(VALIDATION[key], value, row["step"])
            elif colon and family in FAMILIES:
                self._add(f"{family}/{name}", value, row["step"])
        if self.writer is not None and self.picture is not None and table is not None:
            self.writer.add_image("confusion", self.picture(table), row["step"], dataformats="HWC")

    def gradients(self, step: int, measured: Mapping[str, Mapping[str, float | None]]) -> None:
        """Each block's gradient norm, and how much a step changed its weights."""
        for block, numbers in measured.items():
            for key, value in numbers.items():
                self._add(f"{key}/{block}", value, step)

    def close(self) -> None:
        """Have everything on the disk; nothing is written any more."""
        if self.writer is not None:
            self.writer.close()
            self.writer = None

    def _add(self, tag: str, value: float | None, step: int) -> None:
        if self.writer is not None and value is not None:
            self.writer.add_scalar(tag, value, step)


def take_over(working: Path, outputs: Path) -> None:
    """Copy the event files of an earlier session's outputs, beside which a board goes on."""
    for path in sorted((outputs / FOLDER).glob("events.*")):
        files.copy(path, working / FOLDER / path.name)


def without_tensorflow() -> None:
    """Keep TensorBoard from importing TensorFlow where that is installed, which takes seconds and the GPU's memory.

    It asks for the module `tensorboard.compat.notf` first, and where there is one, does with its own few functions
    (tensorboard/compat/__init__.py).
    """
    sys.modules.setdefault("tensorboard.compat.notf", types.ModuleType("tensorboard.compat.notf"))
