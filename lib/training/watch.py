"""What a run says while it trains: the progress line, every few seconds."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch

from lib import progress
from lib.recipe import TrainRecipe

EVERY = 2.0
"""Seconds between progress lines."""


class Watch:
    """The figures of the epoch so far, and of the run over all of its sessions."""

    def __init__(
        self,
        recipe: TrainRecipe,
        steps: int,
        extra: Callable[[], dict[str, Any]] = dict,
        prints: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`steps`: of one epoch. `extra`: what else a line tells. `prints`: whether this rank is the one to speak."""
        self.recipe, self.steps = recipe, steps
        self.extra, self.prints, self.clock = extra, prints, clock
        self.hears: list[Callable[[dict[str, Any]], None]] = []
        """Who is told of each progress line's record."""
        self.begin = self.shown = clock()
        self.earlier = 0.0
        """Seconds of this run before this session."""
        self.start_epoch()

    @property
    def seconds(self) -> float:
        """Seconds of this run so far, over all of its sessions."""
        return self.earlier + self.clock() - self.begin

    @property
    def mean_loss(self) -> float | None:
        """The mean loss of this rank's crops in the epoch so far."""
        return float(self.loss) / self.batches if self.batches else None

    def start_epoch(self) -> None:
        """Forget the epoch before."""
        self.loss: torch.Tensor | None = None
        self.batches = 0
        self.trained = self.waited = 0.0
        self.norms: list[torch.Tensor] = []
        self.norm_sum = self.norm_max = 0.0
        self.norm_count = 0

    def step(self, loss: torch.Tensor, seconds: float, waited: float, norm: torch.Tensor | None = None) -> None:
        """Count a step that took `seconds`, `waited` of them for the loader; `norm`: of its gradient, when known."""
        loss = loss.detach()  # added on the device: reading it each step would make the GPU wait
        self.loss = loss if self.loss is None else self.loss + loss
        self.batches += 1
        self.trained += seconds
        self.waited += waited
        if norm is not None:
            self.norms.append(norm.detach())

    def _count_norms(self) -> None:
        """Read the gradient norms from the device; fp16's scaler leaves out a step whose norm is no number."""
        if self.norms:
            known = [norm for norm in torch.stack(self.norms).tolist() if math.isfinite(norm)]
            for norm in known:  # one by one: the sum is the same wherever a session ended
                self.norm_sum += norm
            self.norm_count += len(known)
            self.norm_max = max([self.norm_max, *known])
            self.norms = []

    def record(self, step: int, lr: Mapping[str, float] | float | None) -> dict[str, Any]:
        """The run's state after `step` steps of all epochs, as the progress line and the epoch's row hold it.

        `lr`: the learning rate, or that of each parameter group by name; the line's own is the highest of them.
        """
        epochs = self.recipe.epochs
        self._count_norms()
        groups = lr if isinstance(lr, Mapping) else {}
        return {
            "epoch": min((step - self.batches) // self.steps + 1, epochs) if epochs else 0,
            "epochs": epochs,
            "step": step,
            "steps": epochs * self.steps,
            "loss": self.mean_loss,
            "lr": max(groups.values()) if groups else lr,
            **({f"lr:{name}": rate for name, rate in groups.items()} if len(groups) > 1 else {}),
            "grad_norm": self.norm_sum / self.norm_count if self.norm_count else None,
            "grad_norm_max": self.norm_max if self.norm_count else None,
            "images_per_s": self.batches * self.recipe.batch / self.trained if self.trained else None,
            "data_wait": self.waited / self.trained if self.trained else None,
            "seconds": self.seconds,
        }

    def is_due(self) -> bool:
        """Whether the last line is long enough ago."""
        return self.clock() - self.shown >= EVERY

    def say(self, record: dict[str, Any]) -> None:
        """Print a progress line."""
        self.shown = self.clock()
        if self.prints:
            print(progress.line(record | self.extra()), flush=True)
        for hear in self.hears:
            hear(record)

    def state_dict(self) -> dict[str, Any]:
        """What a later session goes on with."""
        loss = None if self.loss is None else self.loss.cpu()
        self._count_norms()
        norms = {"norm_sum": self.norm_sum, "norm_max": self.norm_max, "norm_count": self.norm_count}
        return (
            norms
            | {"loss": loss, "batches": self.batches, "trained": self.trained, "waited": self.waited}
            | {"seconds": self.seconds}
        )

    def load_state_dict(self, state: dict[str, Any], device: torch.device) -> None:
        """Go on from what an earlier session's `state_dict` said."""
        self.loss = None if state["loss"] is None else state["loss"].to(device)
        self.batches, self.trained, self.waited = state["batches"], state["trained"], state["waited"]
        self.norm_sum, self.norm_max, self.norm_count = state["norm_sum"], state["norm_max"], state["norm_count"]
        self.earlier = state["seconds"]
