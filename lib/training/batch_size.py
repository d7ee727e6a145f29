"""The batch that fits and is fast, found by trying: `train.batch = auto`.

found = useful_batch(try_out, least=1, most=256)     # try_out(8) → crops a second; MemoryError when it does not fit
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from lib.models import Segmenter
from lib.recipe import Recipe
from lib.training.lightning import Fabric
from lib.training.stepper import NEVER, Stepper

GAIN = 1.05
"""A doubled batch must bring so much more speed to be worth its memory."""

SPARE = 0.92
"""Share of a GPU's memory that a run may take: validation and other shapes need some too."""

STEPS = 3
"""Timed steps of each try, behind one that is not."""


def useful_batch(
    try_out: Callable[[int], float], least: int, most: int, say: Callable[[str], None] = print
) -> int | None:
    """The smallest of least, 2·least, 4·least … up to `most` that trains about as fast as any that fits, or None.

    Trying ends where a batch does not fit, or is less than 5 % faster than the one before.
    """
    found, speed, batch = None, 0.0, least
    while batch <= max(least, most):
        try:
            reached = try_out(batch)
        except MemoryError:
            say(f"      batch {batch}: does not fit")
            break
        say(f"      batch {batch}: {reached:.3g} crops/s")
        if found and reached < speed * GAIN:
            break
        found, speed, batch = batch, reached, 2 * batch
    return found


class Trial:
    """Trains a model on random crops of the recipe's size, to see how fast that is and whether it fits."""

    def __init__(self, fabric: Fabric, model: Segmenter, recipe: Recipe, classes: int) -> None:
        """The model is trained on noise, and is of no use afterwards."""
        self.fabric, self.crop, self.classes = fabric, recipe.data.crop, classes
        train = recipe.train.model_copy(update={"lr": recipe.train.lr or 1e-3})
        self.stepper = Stepper(fabric, model, recipe.model_copy(update={"train": train}), NEVER)
        self.stepper.begin(epoch=max(1, recipe.model.thaw))
        self.channels, self.eight_bit = model.channels, model.radiometry.low is None
        self.last: tuple[int, float] | None = None

    def __call__(self, batch: int) -> float:
        """Crops a second at a batch of one rank; `MemoryError` when it does not fit."""
        if self.fabric.device.type == "cuda":
            return self._on_gpu(batch)
        self._must_fit_here(batch)
        before = _peak()
        speed = self._speed(batch)
        self.last = batch, max(0, _peak() - before)
        return speed

    def _on_gpu(self, batch: int) -> float:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        try:
            speed = self._speed(batch)
        except torch.OutOfMemoryError:
            raise MemoryError from None
        if torch.cuda.max_memory_reserved() > SPARE * torch.cuda.mem_get_info()[1]:
            raise MemoryError
        return speed

    def _must_fit_here(self, batch: int) -> None:
        """Twice the crops take twice as much more memory, which must be there."""
        free = _available()
        if self.last and free is not None and self.last[1] * batch / self.last[0] > free / 2:
            raise MemoryError

    def _speed(self, batch: int) -> float:
        side, device = self.crop, self.fabric.device
        images = torch.rand(batch, self.channels, side, side, device=device)
        images = (images * 255).to(torch.uint8) if self.eight_bit else images
        labels = torch.randint(0, self.classes, (batch, side, side), device=device)
        for number in range(STEPS + 1):
            if number == 1:  # the first one sets things up
                _wait(device)
                begin = time.perf_counter()
            self.stepper.take([(images, labels)], 0, 1e-6)
        _wait(device)
        return STEPS * batch / (time.perf_counter() - begin)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def _peak() -> int:
    """The most bytes that this process has had in memory."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _available() -> int | None:
    """Bytes that this machine can still give, where it says so (Linux)."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    told = dict(line.split(":") for line in lines)
    return int(told["MemAvailable"].split()[0]) * 1024 if "MemAvailable" in told else None
