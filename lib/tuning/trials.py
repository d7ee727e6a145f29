"""The trials of a search, a folder each, and `trial.json` in it says everything: whoever is killed, they go on from it.

    trial = Trial.of(working / TRIALS, {"train.lr": 0.001})     # the same values, the same folder
    trial.update(scores={**trial.scores, 1: 0.41})
    ranked(all_trials(working / TRIALS))                        # best first, failed ones last

The folder is also the working folder of the trial's training, where its state lies while it is not done.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib import files
from lib.errors import Failed
from lib.folders import BEST, SUMMARY
from lib.training import growing

TUNE = Path("tune")
"""What a search keeps of itself among a session's outputs."""

TRIALS = TUNE / "trials"

RUNNING, INTERRUPTED = "running", "interrupted"
DONE, STOPPED, FAILED = "done", "stopped", "failed"
"""States of a trial. Stopped: it was worse than others at as many epochs. The last three are for good."""

KEPT = ("trial.json", "recipe.json", "log.txt", "summary.json", "metrics.csv", "report.html")
"""What stays of a trial that is over; the best one's weights become the search's."""


@dataclass(frozen=True)
class Trial:
    """A trial's folder."""

    folder: Path

    @classmethod
    def of(cls, trials: Path, values: Mapping[str, Any]) -> Trial:
        """The trial of these values, begun before or not."""
        text = json.dumps(dict(values), sort_keys=True)
        return cls(trials / hashlib.sha256(text.encode()).hexdigest()[:10])

    @property
    def name(self) -> str:
        """Ten hexadecimals of its values' SHA-256."""
        return self.folder.name

    @property
    def exists(self) -> bool:
        """Whether it was begun."""
        return self._file.is_file()

    @property
    def _file(self) -> Path:
        return self.folder / "trial.json"

    def begin(self, values: Mapping[str, Any]) -> None:
        """Write its record for the first time."""
        content = {"values": dict(values), "begun": time.time(), "status": INTERRUPTED, "scores": {}, "seconds": 0.0}
        files.write_json(self._file, content | {"metric": None, "error": None})

    def read(self) -> dict[str, Any]:
        """The record: values, begun, status, scores (of each epoch), metric (once it is done), seconds, error."""
        return files.read_json(self._file)

    def update(self, **changes: Any) -> None:
        """Change keys of the record; only one process writes a trial's at a time."""
        files.write_json(self._file, self.read() | changes)

    @property
    def scores(self) -> dict[int, float]:
        """The metric of each epoch's validation so far, by the epoch from 1."""
        return {int(epoch): score for epoch, score in self.read()["scores"].items()}

    @property
    def is_over(self) -> bool:
        """Whether nothing of it is left to do."""
        return self.read()["status"] in (DONE, STOPPED, FAILED)

    @property
    def best(self) -> float | None:
        """The best of its scores; None before the first."""
        content = self.read()
        found = [*content["scores"].values(), *([] if content["metric"] is None else [content["metric"]])]
        return max(found, default=None)

    def summary(self) -> dict[str, Any]:
        """What its training said of itself at the end; empty when it could not."""
        try:
            content = files.read_json(self.folder / SUMMARY)
        except Failed:
            return {}
        return content if isinstance(content, dict) else {}

    def catch_up(self) -> None:
        """Write down what its training did after whoever wrote the record was killed."""
        scores = self.scores
        scores |= {int(row["epoch"]): float(row["metric"]) for row in growing.read(self.folder / "metrics.csv")}
        summary = self.summary()
        is_done = summary.get("finished") is True and bool(scores)
        metric = (summary.get("metric") or {}).get("value") if is_done else None
        self.update(scores=scores, metric=metric, **({"status": DONE} if is_done else {}))

    def tidy(self) -> None:
        """Remove what is not kept of a trial that is over."""
        for path in self.folder.iterdir():
            if path.name not in KEPT:
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def all_trials(folder: Path) -> list[Trial]:
    """The trials in a folder, in the order in which they were begun."""
    found = [Trial(path.parent) for path in folder.glob("*/trial.json")]
    return sorted(found, key=lambda trial: (trial.read()["begun"], trial.name))


def ranked(trials: Iterable[Trial]) -> list[Trial]:
    """Best first; behind those that failed come those without a score."""

    def place(trial: Trial) -> tuple[bool, bool, float]:
        score = trial.best
        return score is None, trial.read()["status"] == FAILED, -(score or 0.0)

    return sorted(trials, key=place)


def leader(trials: Iterable[Trial]) -> Trial | None:
    """The best trial that is over and did not fail."""
    over = [trial for trial in trials if trial.read()["status"] in (DONE, STOPPED) and trial.best is not None]
    return next(iter(ranked(over)), None)


def keep_best(working: Path) -> None:
    """Make the best trial's weights the search's, and remove what else lies in trials that are over.

    It may be killed anywhere and called again: weights leave a trial's folder only when they lie in their place.
    """
    found = all_trials(working / TRIALS)
    first = leader(found)
    if first is not None:
        for name in (BEST, Path("metrics.csv")):
            if (first.folder / BEST).is_file() and (first.folder / name).is_file():
                files.copy(first.folder / name, working / name)
    for trial in found:
        if trial.is_over:
            trial.tidy()
