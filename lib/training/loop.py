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
from lib.models.blocks import blocks, encoder_parameters
from lib.models.freezing import freeze
from lib.recipe import Recipe
from lib.training import state as states
from lib.training.agreement import Agreement
from lib.training.averages import BestEpochs, moving_average
from lib.training.compiling import compiled
from lib.training.gradients import Gradients
from lib.training.keeper import Keeper
from lib.training.lightning import Fabric
from lib.training.limit import Interrupted, Limit, SessionEnds
from lib.training.losses import Loss
from lib.training.optimizers import optimizer_of, set_rate
from lib.training.schedules import Plateau, schedule_of
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
        self.model = fabric.to_device(model)
        self.average = moving_average(self.model, train.ema) if train.ema else None
        self.optimizer = optimizer_of(train, self.model, encoder_parameters(model))
        self.loss = fabric.to_device(Loss(train.loss, class_weights))
        self.share, self.plateau = schedule_of(train), Plateau.of(train)
        self.stopping = Stopping(train.patience)
        self.best_epochs = BestEpochs(keeper.folder, train.average_best, fabric.is_global_zero)
        self.steps = identity["steps"]
        self.gradients = Gradients(blocks(self.model) if fabric.is_global_zero else {}, self.steps)
        self.total = train.epochs * self.steps
        self.step = self.validations = 0
        self.averaged: list[int] | None = None
        """The epochs whose average was tried at the end."""
        self.held_out: Sequence[str] | None = None
        """Ids of the validation images, for a rule that groups them."""
        self._durations: deque[float] = deque([0.0], maxlen=10)
        self._costs = {"validation": 0.0, "state": 0.0}
        self._begun_at = self._stands
        self._wrapping: tuple[torch.nn.Module, Any] | None = None
        self._trained: list[bool] | None = None

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
        batches = iter(crops)
        with self.limit.saving():
            try:
                while not self.is_finished:
                    if self.is_trained:
                        self._validate_average(images)
                    elif self._validation_is_due:
                        self._validate(images)
                    else:
                        self.train_epoch(batches)
                        continue
                    self.save(folder)
            except SessionEnds:
                self.save(folder)
                raise

    def train_epoch(self, batches: Iterator) -> None:
        """Steps to the end of the epoch, from its beginning or from where a session stopped in it."""
        if self.step % self.steps == 0:
            self.watch.start_epoch()
        wrapped, optimizer = self._wrapped()
        clip, mark = self.recipe.train.clip, time.monotonic()
        while not self._validation_is_due:
            begin = mark
            drawn, waited = self._draw(batches, begin)
            set_rate(self.optimizer, self.lr)
            optimizer.zero_grad()
            loss = self._backward(wrapped, drawn)
            norm = self.gradients.before(self.step, self._scale)
            if clip:
                norm = self.fabric.clip_gradients(wrapped, optimizer, max_norm=clip, error_if_nonfinite=False)
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

    def _wrapped(self) -> tuple[torch.nn.Module, Any]:
        """Model and optimizer as Fabric runs them, with what this epoch trains; set up anew when that changes."""
        self.model.train()
        freeze(self.model, self.recipe.model, self.epoch)
        trained = [parameter.requires_grad for parameter in self.model.parameters()]
        if self._wrapping is None or trained != self._trained:
            model = compiled(self.model) if self.recipe.train.compile else self.model
            self._wrapping = self.fabric.setup(model, self.optimizer, move_to_device=False)
            self._trained = trained
        return self._wrapping

    def _draw(self, batches: Iterator, begin: float) -> tuple[list, float]:
        """The next step's batches on the device, and the seconds since `begin` that were waited for them."""
        drawn = []
        try:
            with self.limit.waiting():
                for _ in range(self.recipe.train.accumulate):
                    drawn.append(self.fabric.to_device(next(batches)))
        except Interrupted:
            drawn = []  # the next session draws them again
        self._stop_if(self.limit.calls(self._costs["state"] + max(self._durations)))
        return drawn, time.monotonic() - begin

    def _backward(self, wrapped: torch.nn.Module, drawn: list) -> torch.Tensor:
        """Make the gradients of a step's batches; returns their mean loss."""
        losses = []
        for number, (images, labels) in enumerate(drawn, 1):
            with self.fabric.no_backward_sync(wrapped, enabled=number < len(drawn)):
                loss = self.loss(wrapped(images), labels.long()) / len(drawn)
                self.fabric.backward(loss)
            losses.append(loss.detach())
        return sum(losses)

    def _scale(self) -> float:
        """What gradients are multiplied with: fp16's are scaled."""
        scaler = getattr(self.fabric.strategy.precision, "scaler", None)
        return scaler.get_scale() if scaler is not None else 1.0

    def _validate(self, images: Iterable) -> None:
        """Score the weights, or their average; keep them when they are the best so far.

        Weights that are no longer numbers, on every rank alike, end the training. A loss alone that is none is no
        reason: fp16 overflows now and then, and its scaler leaves out the step.
        """
        model = self.model if self.average is None or not self.step else self.average.module
        result = self._scored(model, images)
        if self.step and not all(torch.isfinite(weights).all() for weights in self.model.parameters()):
            self.stopping.diverged = self.validations + 1
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
        held_out = self._while_there_is_time(images)
        result = validate(model, held_out, self.competition, self.recipe, self.together, self.held_out)
        self._costs["validation"] = time.monotonic() - begin
        return result

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
        return self.watch.record(self.step, self.lr if self.total else None)

    def _mean_loss(self) -> float | None:
        """The epoch's mean loss over all ranks, each of which has seen its own crops."""
        losses = [loss for loss in self.together.gather(self.watch.mean_loss) if loss is not None]
        return sum(losses) / len(losses) if losses else None

    def _stop_if(self, called: bool) -> None:
        if self.together.any(called):
            raise SessionEnds

    def save(self, folder: Path) -> None:
        """Write the state into a working folder (rank 0's work, but every rank's random numbers)."""
        begin = time.monotonic()
        randoms = self.together.gather(states.random_state())
        if self.fabric.is_global_zero and not self.stopping.diverged:
            states.write(folder, self.identity | self.state_dict() | {"random": randoms})
        self._costs["state"] = time.monotonic() - begin

    def _parts(self) -> dict[str, Any]:
        """What has a state of its own, by its name in the run's."""
        parts = {
            "model": self.model,
            "average": self.average,
            "optimizer": self.optimizer,
            "plateau": self.plateau,
            "stopping": self.stopping,
        }
        return {name: part for name, part in parts.items() if part is not None}

    def state_dict(self) -> dict[str, Any]:
        """Where the run stands, but random numbers and what it is."""
        return {name: part.state_dict() for name, part in self._parts().items()} | {
            "step": self.step,
            "validations": self.validations,
            "averaged": self.averaged,
            "costs": self._costs,
            "scaler": self.fabric.strategy.precision.state_dict(),
            "watch": self.watch.state_dict(),
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
        self.watch.load_state_dict(state["watch"], self.fabric.device)
        self.best_epochs.load_state_dict(state["best_epochs"], outputs)
        if self.fabric.is_global_zero:
            self.keeper.load_state_dict(state["keeper"], outputs)
        rank = self.fabric.global_rank
        if rank < len(state["random"]):
            states.set_random_state(state["random"][rank])
