"""A kernel's progress line as a value: how far training is, how fast, and what the devices do.

progress = parse('@progress {"epoch": 3, "epochs": 12, "step": 64, "steps": 300, "seconds": 81.2}')
progress.eta                     # 299.4 seconds

A number that is missing, or is no number, is None: a kernel of one's own may say less. Of the loss, NaN is told.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from lib import progress as lines

NUMBERS = (
    "fold",
    "folds",
    "epoch",
    "epochs",
    "step",
    "steps",
    "loss",
    "metric",
    "lr",
    "images_per_s",
    "data_wait",
    "seconds",
    "limit_s",
    "trials",
    "running",
)


@dataclass(frozen=True)
class Gpu:
    """One GPU: the share of the time that it computes, and its memory in bytes."""

    use: float | None
    memory: float | None
    of: float | None


@dataclass(frozen=True)
class Progress:
    """What a progress line says; `seconds` of training over all sessions, `limit_s` left of this session. Of a run of
    folds, epochs, loss and metric are one fold's, steps and seconds those of all."""

    fold: int | None = None
    folds: int | None = None
    epoch: int | None = None
    epochs: int | None = None
    step: int | None = None
    steps: int | None = None
    loss: float | None = None
    metric: float | None = None
    lr: float | None = None
    images_per_s: float | None = None
    data_wait: float | None = None
    seconds: float | None = None
    limit_s: float | None = None
    trials: int | None = None
    """Of a search: its steps are trials, `running` of them at this moment."""
    running: int | None = None
    gpus: tuple[Gpu, ...] = ()

    @property
    def eta(self) -> float | None:
        """Seconds of training that are left at the speed so far; None before the first step."""
        if not self.step or not self.steps or self.seconds is None:
            return None
        return self.seconds * max(0, self.steps - self.step) / self.step

    @property
    def is_late(self) -> bool:
        """Whether the training is not done when the session ends."""
        return self.eta is not None and self.limit_s is not None and self.eta > self.limit_s

    @property
    def has_diverged(self) -> bool:
        """Whether the loss is no number any more."""
        return self.loss is not None and not math.isfinite(self.loss)


def parse(line: str) -> Progress | None:
    """The progress that a line of a log states; None when it is another line."""
    record = lines.parse(line)
    if record is None:
        return None
    gpus = record.get("gpus")
    cards = [card for card in gpus if isinstance(card, dict)] if isinstance(gpus, list) else []
    return Progress(
        **{name: _number(record, name) for name in NUMBERS},
        gpus=tuple(Gpu(*(_number(card, key) for key in ("use", "memory", "of"))) for card in cards),
    )


def _number(record: dict[str, Any], key: str) -> Any:
    value = record.get(key)
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    return value if key == "loss" or math.isfinite(value) else None
