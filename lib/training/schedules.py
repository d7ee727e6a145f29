"""How the learning rate goes over a run: a share of its peak, from the step alone, so that a run goes on anywhere.

share = schedule_of(recipe.train)
share(step=10, steps=100)                     # of train.lr
plateau = Plateau(factor=0.5, patience=3)     # the one that looks at the metric
plateau.heed(0.83)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass

from lib.recipe import TrainRecipe, call
from lib.recipe.choices import SCHEDULES

Share = Callable[[int, int], float]


def schedule_of(recipe: TrainRecipe) -> Share:
    """The recipe's schedule: (step, steps) → share of the peak, which it rises to linearly during the warm-up."""
    chosen = call(recipe.schedule)
    options = SCHEDULES[chosen.name] | chosen.options
    if chosen.name == "onecycle":
        return lambda step, steps: onecycle(step, steps, **options)
    fall = FALLS[chosen.name]

    def share(step: int, steps: int) -> float:
        rising = round(steps * recipe.warmup)
        if step < rising:
            return (step + 1) / rising
        return fall(min(1.0, (step - rising) / max(1, steps - rising)), options)

    return share


def cosine(progress: float, options: dict[str, float]) -> float:
    """Half a cosine from 1 to `floor` (Loshchilov and Hutter 2017)."""
    return options["floor"] + (1 - options["floor"]) * 0.5 * (1 + math.cos(math.pi * progress))


def poly(progress: float, options: dict[str, float]) -> float:
    """(1 − progress)^power, as DeepLab has it (Chen et al. 2018)."""
    return (1 - progress) ** options["power"]


def steps(progress: float, options: dict[str, float]) -> float:
    """Times `factor` after each `every` of the run."""
    return options["factor"] ** math.floor(progress / options["every"] + 1e-9)


def constant(progress: float, options: dict[str, float]) -> float:
    """The peak all along; a plateau's factor comes on top."""
    return 1.0


FALLS = {"cosine": cosine, "poly": poly, "step": steps, "constant": constant, "plateau": constant}


def onecycle(step: int, steps: int, rise: float, start: float, end: float) -> float:
    """From 1/start up to the peak in `rise` of the run, down to 1/(start·end), along cosines (Smith and Topin 2018)."""
    top, last = rise * steps - 1, steps - 1
    low, final = 1 / start, 1 / (start * end)
    if step <= top:
        return _along(low, 1.0, step / top if top > 0 else 1.0)
    return _along(1.0, final, min(1.0, (step - top) / max(1e-9, last - top)))


def _along(begin: float, end: float, progress: float) -> float:
    return end + (begin - end) * 0.5 * (1 + math.cos(math.pi * progress))


@dataclass
class Plateau:
    """Lowers the learning rate when the metric stands still, as torch's ReduceLROnPlateau does in its relative mode."""

    factor: float = 0.5
    patience: int = 3
    threshold: float = 1e-4
    floor: float = 0.0
    share: float = 1.0
    """Of the peak, so far."""
    best: float | None = None
    bad: int = 0
    """Validations since the best."""

    @classmethod
    def of(cls, recipe: TrainRecipe) -> Plateau | None:
        """The recipe's; None when it has another schedule."""
        chosen = call(recipe.schedule)
        return cls(**SCHEDULES["plateau"] | chosen.options) if chosen.name == "plateau" else None

    def heed(self, metric: float) -> None:
        """Hear of a validation's score, higher is better."""
        if self.best is None or metric > self.best + abs(self.best) * self.threshold:
            self.best, self.bad = metric, 0
            return
        self.bad += 1
        if self.bad > self.patience:
            self.share, self.bad = max(self.floor, self.share * self.factor), 0

    def state_dict(self) -> dict[str, float | int | None]:
        """Where it stands, and what it is."""
        return asdict(self)

    def load_state_dict(self, state: dict[str, float | int | None]) -> None:
        """Go on from there."""
        vars(self).update(state)
