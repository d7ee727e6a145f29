"""The training loop: steps, a validation after each epoch, and a state at every point where it may have to stop.

A run is a line of steps, cut by validations; a session goes along it as far as its limit lets it. Where a run stands
is the number of steps done and of validations done, and crops depend on the step alone, so it goes on anywhere:

    training = Training(fabric, model, competition, recipe, identity, watch, keeper, limit)
    training.load_state_dict(state, outputs)        # when it goes on from an earlier session
    training.go(crops, images, working)             # raises SessionEnds when the session ends first
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from lib.competitions import Competition
from lib.models import Segmenter, has_unused_parameters
from lib.models.blocks import blocks
from lib.recipe import Recipe
from lib.training import state as states
from lib.training.agreement import Agreement
from lib.training.gradients import Gradients
from lib.training.keeper import Keeper
from lib.training.lightning import Fabric
from lib.training.limit import Interrupted, Limit, SessionEnds
from lib.training.losses import Loss
from lib.training.optimizer import adamw, averaged, rate, set_rate
from lib.training.validation import validate
from lib.training.watch import Watch


def fabric(device: str, ranks: int, precision: str, model: Segmenter) -> Fabric:
    """Lightning's Fabric for this rank: device, precision, and the ranks' shared gradients."""
    strategy = "auto"
    if ranks > 1:
        strategy = "ddp_find_unused_parameters_true" if has_unused_parameters(model) else "ddp"
    accelerator = "gpu" if device == "cuda" else "cpu"
    made = Fabric(accelerator=accelerator, devices=ranks, strategy=strategy, precision=precision)
    made.launch()
    return made


class Training:
    """A run's training as far as it has come: weights, optimizer, averages, and what was counted and kept."""

    def __init__(
        self,
        fabric: Fabric,
        model: Segmenter,
        competition: Competition,
        recipe: Recipe,
        identity: dict[str, Any],
        watch: Watch,
        keeper: Keeper,
        limit: Limit,
        class_weights: Sequence[float] | None = None,
    ) -> None:
        """`identity`: what must be the same in every session of the run (`state.identity`); `class_weights`: of the
        cross-entropy."""
        self.fabric, self.competition, self.recipe = fabric, competition, recipe
        self.identity, self.watch, self.keeper, self.limit = identity, watch, keeper, limit
        self.together = Agreement(fabric.world_size)
        self.model = fabric.to_device(model)
        self.average = averaged(self.model, recipe.train.ema) if recipe.train.ema else None
        self.optimizer = adamw(self.model, recipe.train)
        self.loss = fabric.to_device(Loss(recipe.train, class_weights))
        self.steps = identity["steps"]
        self.gradients = Gradients(blocks(self.model) if fabric.is_global_zero else {}, self.steps)
        self.total = recipe.train.epochs * self.steps
        self.step = self.validations = 0
        self.held_out: Sequence[str] | None = None
        """Ids of the validation images, for a rule that groups them."""
        self.diverged: int | None = None
        """The epoch after which the weights were not numbers any more."""
        self._durations: deque[float] = deque([0.0], maxlen=10)
        self._costs = {"validation": 0.0, "state": 0.0}
        self._begun_at = (0, 0)

    @property
    def epochs_done(self) -> int:
        """Epochs whose validation is done."""
        return min(self.validations, self.recipe.train.epochs)

    @property
    def epoch(self) -> int:
        """The epoch that training is in, from 1."""
        return min(self.validations + 1, max(1, self.recipe.train.epochs))

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to do."""
        return bool(self.diverged) or (self.step == self.total and not self._validation_is_due)

    @property
    def has_moved(self) -> bool:
        """Whether this session has brought the run further."""
        return (self.step, self.validations) != self._begun_at

    @property
    def _validation_is_due(self) -> bool:
        return self.validations < (self.step // self.steps if self.total else 1)

    def go(self, crops: Iterable, images: Iterable, folder: Path) -> None:
        """Train to the end of the run or of the session.

        `crops` yields this rank's batches from `step` on, `images` this rank's share of the validation images. The
        state is written into `folder` after each epoch, and where `SessionEnds` is raised.
        """
        self._begun_at = (self.step, self.validations)
        wrapped, optimizer = self.fabric.setup(self.model, self.optimizer, move_to_device=False)
        wrapped.train()
        batches = iter(crops)
        with self.limit.saving():
            try:
                while not self.is_finished:
                    if self._validation_is_due:
                        self._validate(images)
                        self.save(folder)
                    else:
                        self._train_epoch(wrapped, optimizer, batches)
            except SessionEnds:
                self.save(folder)
                raise

    def _train_epoch(self, wrapped: torch.nn.Module, optimizer: Any, batches: Iterator) -> None:
        """Steps to the end of the epoch, from its beginning or from where a session stopped in it."""
        recipe = self.recipe.train
        if self.step % self.steps == 0:
            self.watch.start_epoch()
        mark = time.monotonic()
        while not self._validation_is_due:
            begin = mark
            try:
                with self.limit.waiting():
                    images, labels = self.fabric.to_device(next(batches))
            except Interrupted:
                images = labels = None  # the next session draws them again
            self._stop_if(self.limit.calls(self._costs["state"] + max(self._durations)))
            waited = time.monotonic() - begin
            set_rate(self.optimizer, recipe, self.step, self.total)
            optimizer.zero_grad()
            loss = self.loss(wrapped(images), labels.long())
            self.fabric.backward(loss)
            norm = self.gradients.before(self.step, self._scale)
            if recipe.clip:
                norm = self.fabric.clip_gradients(wrapped, optimizer, max_norm=recipe.clip, error_if_nonfinite=False)
            optimizer.step()
            self.gradients.after(self.step)
            if self.average is not None:
                self.average.update_parameters(self.model)
            self.step += 1
            mark = time.monotonic()
            self._durations.append(mark - begin)
            self.watch.step(loss, mark - begin, waited, norm)
            if self.watch.is_due():
                self.watch.say(self._record())

    def _scale(self) -> float:
        """What gradients are multiplied with: fp16's are scaled."""
        scaler = getattr(self.fabric.strategy.precision, "scaler", None)
        return scaler.get_scale() if scaler is not None else 1.0

    def _validate(self, images: Iterable) -> None:
        """Score the weights, or their average; keep them when they are the best so far.

        Weights that are no longer numbers, on every rank alike, end the training. A loss alone that is none is no
        reason: fp16 overflows now and then, and its scaler leaves out the step.
        """
        begin = time.monotonic()
        # A session that has done nothing yet tries it, however long it took before.
        needed = self._costs["state"] + (self._costs["validation"] if self.has_moved else 0)
        self._stop_if(self.limit.calls(needed))
        if self.step and not all(torch.isfinite(weights).all() for weights in self.model.parameters()):
            self.diverged = self.validations + 1
        model = self.model if self.average is None or not self.step else self.average.module
        held_out = self._while_there_is_time(images)
        result = validate(model, held_out, self.competition, self.recipe, self.together, self.held_out)
        self._costs["validation"] = time.monotonic() - begin
        record = self._record()
        self.validations += 1
        if self.fabric.is_global_zero:
            self.keeper.keep(model, result, record)
        self.watch.say(record | {"metric": result.score.value})

    def _while_there_is_time(self, images: Iterable) -> Iterator:
        """The images one by one; `SessionEnds` when the next would be too many."""
        drawn = iter(images)
        while True:
            try:
                with self.limit.waiting():
                    item = next(drawn)
            except StopIteration:
                return
            except Interrupted:
                raise SessionEnds from None
            if self.limit.calls(self._costs["state"]):
                raise SessionEnds
            yield item

    def _record(self) -> dict[str, Any]:
        recipe = self.recipe.train
        lr = recipe.lr * rate(self.step, self.total, recipe.warmup) if self.total else None
        return self.watch.record(self.step, lr)

    def _stop_if(self, called: bool) -> None:
        if self.together.any(called):
            raise SessionEnds

    def save(self, folder: Path) -> None:
        """Write the state into a working folder (rank 0's work, but every rank's random numbers)."""
        begin = time.monotonic()
        randoms = self.together.gather(states.random_state())
        if self.fabric.is_global_zero and not self.diverged:
            states.write(folder, self.identity | self.state_dict() | {"random": randoms})
        self._costs["state"] = time.monotonic() - begin

    def state_dict(self) -> dict[str, Any]:
        """Where the run stands, but random numbers and what it is."""
        return {
            "step": self.step,
            "validations": self.validations,
            "costs": self._costs,
            "model": self.model.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.fabric.strategy.precision.state_dict(),
            "watch": self.watch.state_dict(),
            "keeper": self.keeper.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any], outputs: Path) -> None:
        """Go on from a state; `outputs` is the folder of the session that left it."""
        self.step, self.validations = state["step"], state["validations"]
        self._costs |= state["costs"]
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        if state["scaler"]:
            self.fabric.strategy.precision.load_state_dict(state["scaler"])
        self.watch.load_state_dict(state["watch"], self.fabric.device)
        if self.fabric.is_global_zero:
            self.keeper.load_state_dict(state["keeper"], outputs)
        rank = self.fabric.global_rank
        if rank < len(state["random"]):
            states.set_random_state(state["random"][rank])
