"""The training loop: steps, a validation after each epoch, and a state at every point where it may have to stop.

A run is a line of steps, cut by validations; a session goes along it as far as its limit lets it. Where a run stands
is the number of steps done and of validations done, and crops depend on the step alone, so it goes on anywhere:

    training = Training(fabric, model, competition, recipe, identity, watch, keeper, limit)
    training.load_state_dict(state, outputs)        # when it goes on from an earlier session
    training.go(crops, images, working)             # raises SessionEnds when the session ends first
"""

from __future__ import annotations

import copy
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from lib.competitions import Competition
from lib.models import Segmenter
from lib.recipe import Recipe
from lib.training import state as states
from lib.training.agreement import Agreement
from lib.training.averages import BestEpochs
from lib.training.keeper import Keeper
from lib.training.lightning import Fabric
from lib.training.limit import Interrupted, Limit, SessionEnds
from lib.training.schedules import Plateau, schedule_of
from lib.training.stepper import Stepper
from lib.training.stopping import Stopping
from lib.training.validation import Validation, validate
from lib.training.watch import Watch


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
        loss. The recipe's batch and learning rate are numbers by now."""
        self.fabric, self.competition, self.recipe = fabric, competition, recipe
        self.identity, self.watch, self.keeper, self.limit = identity, watch, keeper, limit
        self.together = Agreement(fabric.world_size)
        train = recipe.train
        self.steps = identity["steps"]
        self.stepper = Stepper(fabric, model, recipe, self.steps, class_weights)
        self.model = self.stepper.model
        self.share, self.plateau = schedule_of(train), Plateau.of(train)
        self.stopping = Stopping(train.patience)
        self.best_epochs = BestEpochs(keeper.folder, train.average_best, fabric.is_global_zero)
        self.total = train.epochs * self.steps
        self.step = self.validations = 0
        self.averaged: list[int] | None = None
        """The epochs whose average was tried at the end."""
        self.held_out: Sequence[str] | None = None
        """Ids of the validation images, for a rule that groups them."""
        self._durations: deque[float] = deque([0.0], maxlen=10)
        self._costs = {"validation": 0.0, "state": 0.0}
        self._begun_at = self._stands

    @property
    def epochs_done(self) -> int:
        """Epochs whose validation is done."""
        return min(self.validations, self.recipe.train.epochs)

    @property
    def epoch(self) -> int:
        """The epoch that training is in, from 1."""
        return min(self.validations + 1, max(1, self.recipe.train.epochs))

    @property
    def lr(self) -> float:
        """The learning rate of the next step."""
        share = self.share(self.step, self.total) if self.total else 0.0
        return self.recipe.train.lr * share * (self.plateau.share if self.plateau else 1.0)

    @property
    def is_trained(self) -> bool:
        """Whether no step and no validation of an epoch is left."""
        if self.stopping.diverged:
            return True
        stopped = self.stopping.has_waited or self.step == self.total
        return stopped and not self._validation_is_due

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.is_trained and not self._average_is_due

    @property
    def has_moved(self) -> bool:
        """Whether this session has brought the run further."""
        return self._stands != self._begun_at

    @property
    def _stands(self) -> tuple:
        return self.step, self.validations, self.averaged

    @property
    def _validation_is_due(self) -> bool:
        return self.validations < (self.step // self.steps if self.total else 1)

    @property
    def _average_is_due(self) -> bool:
        due = self.recipe.train.average_best > 1 and self.validations > 1 and not self.stopping.diverged
        return due and self.averaged is None

    def go(self, crops: Iterable, images: Iterable, folder: Path) -> None:
        """Train to the end of the run or of the session.

        `crops` yields this rank's batches from `step` on, `images` this rank's share of the validation images. The
        state is written into `folder` after each epoch, and where `SessionEnds` is raised.
        """
        self._begun_at = self._stands
        drawn = iter(crops)
        with self.limit.saving():
            try:
                while not self.is_finished:
                    if self.is_trained:
                        self._validate_average(images)
                    elif self._validation_is_due:
                        self._validate(images)
                    else:
                        self.train_epoch(drawn)
                        continue
                    self.save(folder)
            except SessionEnds:
                self.save(folder)
                raise

    def train_epoch(self, crops: Iterator) -> None:
        """Steps to the end of the epoch, from its beginning or from where a session stopped in it."""
        if self.step % self.steps == 0:
            self.watch.start_epoch()
        self.stepper.begin(self.epoch)
        mark = time.monotonic()
        while not self._validation_is_due:
            begin = mark
            batches, waited = self._draw(crops, begin)
            loss, norm = self.stepper.take(batches, self.step, self.lr)
            self.step += 1
            mark = time.monotonic()
            self._durations.append(mark - begin)
            self.watch.step(loss, mark - begin, waited, norm)
            if self.watch.is_due():
                self.watch.say(self._record())

    def _draw(self, crops: Iterator, begin: float) -> tuple[list, float]:
        """The next step's batches on the device, and the seconds since `begin` that were waited for them."""
        drawn = []
        try:
            with self.limit.waiting():
                for _ in range(self.recipe.train.accumulate):
                    drawn.append(self.fabric.to_device(next(crops)))
        except Interrupted:
            drawn = []  # the next session draws them again
        self._stop_if(self.limit.calls(self._costs["state"] + max(self._durations)))
        return drawn, time.monotonic() - begin

    def _validate(self, images: Iterable) -> None:
        """Score the weights, or their average; keep them when they are the best so far.

        Weights that are no longer numbers, on every rank alike, end the training. A loss alone that is none is no
        reason: fp16 overflows now and then, and its scaler leaves out the step.
        """
        average = self.stepper.average
        model = self.model if average is None or not self.step else average.module
        result = self._scored(model, images)
        if self.step and not all(torch.isfinite(weights).all() for weights in self.model.parameters()):
            self.stopping.diverged = self.validations + 1
            self.best_epochs.clear()
        record = self._record() | {"loss": self._mean_loss()}
        self.validations += 1
        self.stopping.heed(result.score.value)
        if self.plateau:
            self.plateau.heed(result.score.value)
        if self.best_epochs.count and not self.stopping.diverged:
            self.best_epochs.offer(record["epoch"], result.score.value, model)
        if self.fabric.is_global_zero:
            self.keeper.keep(model, result, record)
        self.watch.say(record | {"metric": result.score.value})

    def _validate_average(self, images: Iterable) -> None:
        """Score the average of the best epochs' weights, and keep it when it is better than each of them."""
        self.together.gather(None)  # the first rank has written the last of them
        model = copy.deepcopy(self.model)
        model.load_state_dict(self.best_epochs.mean())
        result, self.averaged = self._scored(model, images), self.best_epochs.epochs
        if self.fabric.is_global_zero:
            earlier = self.keeper.best
            is_best = self.keeper.keep_best(model, result, self.averaged[0])
            print(
                f"average of epochs {', '.join(map(str, self.averaged))}: {self.competition.metric.label} "
                f"{result.score.value:.4f}, {'better' if is_best else 'no better'} than {earlier.score.value:.4f} of "
                f"epoch {earlier.epoch}",
                flush=True,
            )
            self.best_epochs.clear()

    def _scored(self, model: Segmenter, images: Iterable) -> Validation:
        """The whole validation set's result; `SessionEnds` when there is no time for it."""
        begin = time.monotonic()
        # A session that has done nothing yet tries it, however long it took before.
        needed = self._costs["state"] + (self._costs["validation"] if self.has_moved else 0)
        self._stop_if(self.limit.calls(needed))
        held_out = self.while_there_is_time(images)
        result = validate(model, held_out, self.competition, self.recipe, self.together, self.held_out)
        self._costs["validation"] = time.monotonic() - begin
        return result

    def while_there_is_time(self, images: Iterable) -> Iterator:
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
        if not self.total:
            return self.watch.record(self.step, None)
        rates = {"encoder": self.lr * self.recipe.train.encoder_lr, "decoder": self.lr}
        return self.watch.record(self.step, rates if self.recipe.train.encoder_lr != 1 else self.lr)

    def _mean_loss(self) -> float | None:
        """The epoch's mean loss over all ranks, each of which has seen its own crops."""
        losses = [loss for loss in self.together.gather(self.watch.mean_loss) if loss is not None]
        return sum(losses) / len(losses) if losses else None

    def _stop_if(self, called: bool) -> None:
        if self.together.any(called):
            raise SessionEnds

    def save(self, folder: Path) -> None:
        """Write the state into a working folder: rank 0's work, but every rank's random numbers and losses."""
        begin = time.monotonic()
        ranks = self.together.gather({"random": states.random_state(), "watch": self.watch.state_dict()})
        if self.fabric.is_global_zero and not self.stopping.diverged:
            states.write(folder, self.identity | self.state_dict() | {"ranks": ranks})
        self._costs["state"] = time.monotonic() - begin

    def _parts(self) -> dict[str, Any]:
        """What has a state of its own, by its name in the run's."""
        parts = {
            "model": self.model,
            "average": self.stepper.average,
            "optimizer": self.stepper.optimizer,
            "plateau": self.plateau,
            "stopping": self.stopping,
        }
        return {name: part for name, part in parts.items() if part is not None}

    def state_dict(self) -> dict[str, Any]:
        """Where the run stands, but what each rank has of its own, and what the run is."""
        return {name: part.state_dict() for name, part in self._parts().items()} | {
            "step": self.step,
            "validations": self.validations,
            "averaged": self.averaged,
            "costs": self._costs,
            "scaler": self.fabric.strategy.precision.state_dict(),
            "keeper": self.keeper.state_dict(),
            "best_epochs": self.best_epochs.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any], outputs: Path) -> None:
        """Go on from a state; `outputs` is the folder of the session that left it."""
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.step, self.validations, self.averaged = state["step"], state["validations"], state["averaged"]
        self._costs |= state["costs"]
        if state["scaler"]:
            self.fabric.strategy.precision.load_state_dict(state["scaler"])
        self.best_epochs.load_state_dict(state["best_epochs"], outputs)
        if self.fabric.is_global_zero:
            self.keeper.load_state_dict(state["keeper"], outputs)
        ranks, rank = state["ranks"], self.fabric.global_rank
        self.watch.load_state_dict(ranks[min(rank, len(ranks) - 1)]["watch"], self.fabric.device)
        if rank < len(ranks):
            states.set_random_state(ranks[rank]["random"])
