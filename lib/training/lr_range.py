"""The learning-rate range test: the rate rises from far too small to far too large, and the loss says what it can bear.

curve = range_test(train_at, low=1e-6, high=1.0, steps=100)      # train_at(lr) → the loss of one step at that rate
curve.suggestion                                                 # a rate to train at
curve.write(working)                                             # lr_range.csv and lr_range.png

Smith, Cyclical Learning Rates for Training Neural Networks (2017), section 3.3.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lib import files

LOWEST, HIGHEST = 1e-6, 1.0
STEPS = 100

MEMORY = 0.9
"""Of the loss's moving average; single batches differ too much."""

BURST = 3.0
"""So many times the least smoothed loss ends the test."""


@dataclass(frozen=True)
class Curve:
    """Learning rates and the loss at each, single and smoothed."""

    rates: Sequence[float]
    losses: Sequence[float]

    @property
    def smoothed(self) -> np.ndarray:
        """The losses' moving average, corrected for its beginning."""
        average, out = 0.0, []
        for number, loss in enumerate(self.losses, 1):
            average = MEMORY * average + (1 - MEMORY) * loss
            out.append(average / (1 - MEMORY**number))
        return np.array(out)

    @property
    def suggestion(self) -> float:
        """A rate to train at: where the smoothed loss falls steepest over the rate's logarithm, but no more than a
        third of the rate at which it is least."""
        smoothed, logs = self.smoothed, np.log(self.rates)
        least = int(smoothed.argmin())
        if least < 2:
            return float(self.rates[least])
        slopes = np.gradient(smoothed[: least + 1], logs[: least + 1])
        return float(min(self.rates[int(slopes.argmin())], self.rates[least] / 3))

    def write(self, folder: Path) -> None:
        """Write `lr_range.csv` and its picture."""
        rows = [f"{rate:.6g},{loss:.6g},{soft:.6g}" for rate, loss, soft in self._rows()]
        files.write(folder / "lr_range.csv", "\n".join(["lr,loss,smoothed", *rows, ""]))
        from matplotlib.figure import Figure  # a second of imports, and only here

        figure = Figure(figsize=(7, 4), layout="constrained")
        axes = figure.subplots()
        axes.plot(self.rates, self.losses, color="#9aa5b1", linewidth=1, label="each step")
        axes.plot(self.rates, self.smoothed, color="#1f5fa8", linewidth=2, label="smoothed")
        axes.axvline(self.suggestion, color="#c2410c", linestyle="--", label=f"train.lr = {self.suggestion:.2g}")
        axes.set(xscale="log", xlabel="learning rate", ylabel="loss", title="Learning-rate range test")
        axes.set_ylim(0.95 * min(self.losses), 1.05 * self.smoothed.max())
        axes.legend(frameon=False)
        picture = io.BytesIO()
        figure.savefig(picture, format="png", dpi=120)
        files.write(folder / "lr_range.png", picture.getvalue())

    def _rows(self) -> zip:
        return zip(self.rates, self.losses, self.smoothed, strict=True)


def range_test(
    train_at: Callable[[float], float], low: float = LOWEST, high: float = HIGHEST, steps: int = STEPS
) -> Curve:
    """Train at rates rising exponentially from `low` to `high`, until the loss bursts."""
    rates, losses = [], []
    for number in range(steps):
        lr = low * (high / low) ** (number / max(1, steps - 1))
        loss = train_at(lr)
        if not math.isfinite(loss):
            break
        rates.append(lr)
        losses.append(loss)
        smoothed = Curve(rates, losses).smoothed
        if number > 10 and smoothed[-1] > BURST * smoothed.min():
            break
    return Curve(rates, losses)
