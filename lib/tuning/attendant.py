"""Looks after a search while Ray Tune runs it: says how it stands, keeps the best weights, ends it in time.

    with Attendant(place, tuning.trials, 2, "macro Dice", limit, extra):
        search(...)

It works from the trials' folders alone, in a thread of its own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from lib import files, progress
from lib.errors import SwathError
from lib.recipe.tune import spelled
from lib.training.limit import Limit
from lib.tuning.place import Place
from lib.tuning.trials import FAILED, RUNNING, STOPPED, TRIALS, Trial, all_trials, keep_best

LOOK = 0.5
"""Seconds between looks at the trials."""

EVERY = 5.0
"""Seconds between progress lines, and only when a training has said something since."""

ENDING = (0.1, 30.0)
"""Share of a session, and most seconds of it, that trainings need to save their states, beside the limit's reserve."""


class Attendant:
    """A search's progress, told and written down."""

    def __init__(
        self, place: Place, trials: int, slots: int, metric: str, limit: Limit, extra: Callable[[], dict[str, Any]]
    ) -> None:
        """`slots`: trials at a time; `metric`: the competition's, for people; `extra`: what else a line tells."""
        self.place, self.trials, self.metric, self.limit, self.extra = place, trials, metric, limit, extra
        self.folder = place.working / TRIALS
        self.begin = time.monotonic()
        self.earlier = sum(trial.read()["seconds"] for trial in all_trials(self.folder)) / slots
        self.told = {trial.name for trial in all_trials(self.folder) if trial.is_over}
        self.heard = self.said = 0.0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Attendant:
        self.place.ending.unlink(missing_ok=True)
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.over.set()
        self.thread.join()
        files.write(self.place.ending, "")  # whatever is still there saves its state
        self._look(last=True)

    def _run(self) -> None:
        while not self.over.wait(LOOK):
            with suppress(SwathError):  # a record that is just being made
                self._look()

    def _look(self, last: bool = False) -> None:
        needed = min(ENDING[1], ENDING[0] * (self.limit.seconds or 0))
        if self.limit.calls(needed) and not self.place.ending.exists():
            files.write(self.place.ending, "")
        found = all_trials(self.folder)
        for number, trial in enumerate(found, start=1):
            if trial.is_over and trial.name not in self.told:
                self.told.add(trial.name)
                print(self._line(number, trial), flush=True)
        keep_best(self.place.working)
        heard = max((_changed(trial) for trial in found), default=0.0)
        is_new = heard > self.heard and time.monotonic() - self.said >= EVERY
        if is_new or last:
            self.heard, self.said = heard, time.monotonic()
            print(progress.line(self._record(found)), flush=True)

    def _record(self, found: list[Trial]) -> dict[str, Any]:
        """The search's progress; steps are trials."""
        scores = [trial.best for trial in found if trial.read()["status"] != FAILED and trial.best is not None]
        return {
            "trials": self.trials,
            "running": sum(trial.read()["status"] == RUNNING for trial in found),
            "step": len(self.told),
            "steps": self.trials,
            "metric": max(scores, default=None),
            "seconds": self.earlier + time.monotonic() - self.begin,
        } | self.extra()

    def _line(self, number: int, trial: Trial) -> str:
        content = trial.read()
        values = ", ".join(f"{key} {spelled(value)}" for key, value in content["values"].items())
        if content["status"] == FAILED:
            return f"trial {number} of {self.trials} failed: {content['error']} ({values})"
        how = "stopped" if content["status"] == STOPPED else "done"
        score = "no score" if trial.best is None else f"{self.metric} {trial.best:.4f}"
        epochs = max(trial.scores, default=0)
        return f"trial {number} of {self.trials} {how} at epoch {epochs}: {score} ({values})"


def _changed(trial: Trial) -> float:
    """When a training last said something."""
    try:
        return (trial.folder / "log.txt").stat().st_mtime
    except OSError:
        return 0.0
