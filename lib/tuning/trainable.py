"""A trial as Ray Tune runs it: an actor that holds an `Attempt`. Importing this module needs Ray."""

from __future__ import annotations

from typing import Any

from ray import tune

from lib.tuning.attempt import Attempt
from lib.tuning.place import Place
from lib.tuning.space import decoded


class TrialActor(tune.Trainable):
    """One `step` is one epoch. What fails raises, which Ray counts as a trial with an error, and goes on."""

    def setup(self, config: dict[str, Any], place: Place) -> None:
        self.attempt = Attempt(place, decoded(config))

    def step(self) -> dict[str, Any]:
        return self.attempt.next()

    def cleanup(self) -> None:
        self.attempt.close()

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing: the training keeps its own state."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing, for the same reason."""
