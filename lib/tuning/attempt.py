"""A trial's training in this session: `kernels/train.py` itself, in folders of its own, and its score after each epoch.

    attempt = Attempt(place, {"train.lr": 0.001})
    attempt.next()               # {"epoch": 1, "metric": 0.41, "done": False}: the best score so far
    attempt.close()              # a training that still runs is asked to end, and its trial counts as stopped

Scores that are known from an earlier session come first, at once; then the training goes on from its own state.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from lib import progress
from lib.errors import Failed, SwathError
from lib.folders import PROJECT
from lib.recipe import Recipe
from lib.tuning import leash
from lib.tuning.place import Place, lay_out
from lib.tuning.trials import DONE, FAILED, INTERRUPTED, RUNNING, STOPPED, TRIALS, Trial

PATIENCE = 60.0
"""Seconds in which a training that is asked to end has to save its state."""

PAUSE = 0.3
"""Seconds between looks at whether the search ends."""


class Ended(Failed):
    """The search ends before the trial has a score."""


class Attempt:
    """One trial, from where it stands."""

    def __init__(self, place: Place, values: Mapping[str, Any]) -> None:
        self.place, self.values = place, dict(values)
        self.trial = Trial.of(place.working / TRIALS, values)
        self.process: subprocess.Popen | None = None
        self.lines: deque[str] = deque()
        """What it has said and nobody has looked at."""
        self.read = 0
        """Bytes of the log that were read."""
        self.known: list[int] | None = None
        """Epochs whose scores an earlier session left, and that were not told yet."""
        self.lock = FileLock(place.temp / f"{self.trial.name}.lock")
        self.earlier = 0.0
        self.epochs = Recipe.model_validate_json(place.recipe).train.epochs

    def next(self) -> dict[str, Any]:
        """The best score after the next epoch; `done` with the last one. Raises `Failed` for a trial that fails."""
        if self.known is None:
            self._take()
        if self.known:
            epoch = self.known.pop(0)
            best = max(score for of, score in self.trial.scores.items() if of <= epoch)
            return {"epoch": epoch, "metric": best, "done": not self.known and self.trial.is_over}
        if self.trial.is_over:
            raise Failed(self.trial.read()["error"] or "it has no score")
        if self.process is None:
            self._start()
        while True:
            if self.place.ending.exists():
                return self._interrupt()
            if not self.lines and not self._read():
                return self._finish()
            record = progress.parse(self.lines.popleft()) or {} if self.lines else {}
            if isinstance(record.get("metric"), int | float):
                epoch = record.get("epoch") or 0
                self.trial.update(scores=self.trial.scores | {epoch: record["metric"]}, seconds=self._seconds)
                if epoch < self.epochs:
                    return self._told(epoch)  # the last one is told when the training has ended by itself

    def close(self) -> None:
        """End what still runs. Unless the search as a whole ends, whoever closes has had enough of the trial."""
        if self.process is not None:
            leash.ask(self.process)
            leash.end(self.process, PATIENCE)
        if self.known is not None and self.trial.exists and not self.trial.is_over:
            ends = self.place.ending.exists() or not self.trial.scores
            self.trial.update(status=INTERRUPTED if ends else STOPPED, seconds=self._seconds)
        self._tidy()

    def _take(self) -> None:
        """Wait until no other process has the trial, and read how it stands."""
        self.place.temp.mkdir(parents=True, exist_ok=True)
        while True:
            try:
                self.lock.acquire(timeout=PAUSE)
                break
            except Timeout:
                if self.place.ending.exists():
                    raise Ended("the search ends") from None
        if not self.trial.exists:
            self.trial.begin(self.values)
        if not self.trial.is_over:
            self.trial.catch_up()
        self.earlier = self.trial.read()["seconds"]
        scores, is_over = sorted(self.trial.scores), self.trial.is_over
        self.known = [epoch for epoch in scores if is_over or epoch < self.epochs]

    def _start(self) -> None:
        if self.place.ending.exists():
            raise Ended("the search ends")
        try:
            environment = lay_out(self.place, self.trial, self.values)
        except SwathError as error:  # values that do not go together
            self.trial.update(status=FAILED, error=error.reason)
            raise Failed(error.reason) from None
        self.began = time.monotonic()
        self.trial.update(status=RUNNING)
        with open(self._log, "ab") as log:  # a file, not a pipe, which would break when this process is killed
            self.read = log.tell()
            script, streams = PROJECT / "kernels" / "train.py", {"stdout": log, "stderr": subprocess.STDOUT}
            where = {"cwd": self.trial.folder, "stdin": subprocess.DEVNULL}
            self.process = leash.leashed(script, environment, **where, **streams)

    def _read(self) -> bool:
        """Wait a moment for what the training says; False when it has ended and all of it was read."""
        is_over = self.process.poll() is not None
        with open(self._log, "rb") as log:
            log.seek(self.read)
            new = log.read()
        whole = new if is_over else new[: new.rfind(b"\n") + 1]
        self.read += len(whole)
        self.lines += whole.decode("utf-8", "replace").splitlines()
        if not whole and not is_over:
            time.sleep(PAUSE)
        return bool(whole) or not is_over

    def _interrupt(self) -> dict[str, Any]:
        """Have the state saved; an earlier line may still tell a score."""
        leash.ask(self.process)
        leash.end(self.process, PATIENCE)
        self.trial.update(status=INTERRUPTED, seconds=self._seconds)
        self._tidy()
        if not self.trial.scores:
            raise Ended("the search ends")
        return self._told(max(self.trial.scores)) | {"done": True}

    def _finish(self) -> dict[str, Any]:
        """The training has ended by itself."""
        code, summary = self.process.wait(), self.trial.summary()
        if code or summary.get("finished") is not True or not self.trial.scores:
            error = _last_words(self._log, code)
            self.trial.update(status=FAILED, error=error, seconds=self._seconds)
            self._tidy()
            raise Failed(error)
        metric = (summary.get("metric") or {}).get("value")
        self.trial.update(status=DONE, metric=metric, seconds=self._seconds)
        self._tidy()
        return self._told(max(self.trial.scores)) | {"done": True}

    def _told(self, epoch: int) -> dict[str, Any]:
        return {"epoch": epoch, "metric": self.trial.best, "done": False}

    @property
    def _log(self) -> Path:
        return self.trial.folder / "log.txt"

    @property
    def _seconds(self) -> float:
        """Of training so far, over all sessions."""
        return round(self.earlier + (time.monotonic() - self.began if self.process else 0.0), 1)

    def _tidy(self) -> None:
        """Leave the trial to whoever comes next; its laid-out folders are only links."""
        shutil.rmtree(self.place.temp / self.trial.name, ignore_errors=True)
        self.lock.release()


def _last_words(log: Path, code: int) -> str:
    """What a training that failed said last: its own error, or else its last line."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    lines = [line.strip() for line in text.splitlines() if line.strip() and progress.parse(line) is None]
    said = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")] or lines
    last = said[-1] if said else "no word"
    return last if code >= 0 else f"killed by signal {-code}: {last}"
