"""A trial's training in this session: `kernels/train.py` itself, in folders of its own, and its score after each epoch.

    attempt = Attempt(place, {"train.lr": 0.001})
    attempt.next()               # {"epoch": 1, "metric": 0.41, "done": False}: the best score so far
    attempt.close()              # a training that still runs is asked to end, and its trial counts as stopped

Scores that are known from an earlier session come first, at once; then the training goes on from its own state.
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from lib import files, progress
from lib.errors import Failed, SwathError
from lib.folders import PROJECT
from lib.recipe import Recipe
from lib.recipe.tune import with_values
from lib.tuning import leash
from lib.tuning.trials import DONE, FAILED, INTERRUPTED, RUNNING, STOPPED, TRIALS, TUNE, Trial

STATE = Path("checkpoints", "last.ckpt")
"""What a training goes on from."""

OWNER = "tune"
"""Below input/notebooks/, where a trial sees what it left itself in an earlier session."""

PATIENCE = 60.0
"""Seconds in which a training that is asked to end has to save its state."""

PAUSE = 0.3
"""Seconds between looks at whether the search ends."""


@dataclass(frozen=True)
class Place:
    """A session's folders as its trials see them: on a cluster, paths that all machines share."""

    inputs: Path
    working: Path
    scratch: Path
    """Decoded images, which all trials use."""
    temp: Path
    """Folders laid out for trials."""
    competition: str
    """Of competition.toml."""
    recipe: str
    """Of recipe.json, which the trials vary."""
    gpu: str
    threads: int
    """Of a trial's computations on the CPU."""
    environment: Mapping[str, str]
    """The session's own variables: SWATH_BUNDLE, SWATH_WEIGHTS."""

    @property
    def ending(self) -> Path:
        """A file whose presence says that the search ends: every training has to save its state."""
        return self.working / TUNE / "ending"


class Ended(Failed):
    """The search ends before the trial has a score."""


class Attempt:
    """One trial, from where it stands."""

    def __init__(self, place: Place, values: Mapping[str, Any]) -> None:
        self.place, self.values = place, dict(values)
        self.trial = Trial.of(place.working / TRIALS, values)
        self.process: subprocess.Popen | None = None
        self.lines: queue.Queue[str | None] = queue.Queue()
        self.known: list[int] | None = None
        """Epochs whose scores an earlier session left, and that were not told yet."""
        self.lock = FileLock(place.temp / f"{self.trial.name}.lock")
        self.earlier = 0.0

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
            try:
                line = self.lines.get(timeout=PAUSE)
            except queue.Empty:
                continue
            if line is None:
                return self._finish()
            record = progress.parse(line) or {}
            if isinstance(record.get("metric"), int | float):
                scores = self.trial.scores | {record.get("epoch") or 0: record["metric"]}
                self.trial.update(scores=scores, seconds=self._seconds)
                return self._told(record.get("epoch") or 0)

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
        self.known = sorted(self.trial.scores)

    def _start(self) -> None:
        if self.place.ending.exists():
            raise Ended("the search ends")
        try:
            environment = self._lay_out()
        except SwathError as error:  # values that do not go together
            self.trial.update(status=FAILED, error=error.reason)
            raise Failed(error.reason) from None
        self.began = time.monotonic()
        self.trial.update(status=RUNNING)
        self.process = leash.leashed(
            PROJECT / "kernels" / "train.py",
            environment,
            cwd=self.trial.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        threading.Thread(target=self._read, args=(self.process,), daemon=True).start()

    def _read(self, process: subprocess.Popen) -> None:
        """Keep what the training says, and pass it on."""
        with open(self.trial.folder / "log.txt", "ab") as log:
            for line in process.stdout:
                log.write(line)
                log.flush()
                self.lines.put(line.decode("utf-8", "replace").rstrip("\n"))
        self.lines.put(None)

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
            error = _last_words(self.trial.folder / "log.txt", code)
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
    def _seconds(self) -> float:
        """Of training so far, over all sessions."""
        return round(self.earlier + (time.monotonic() - self.began if self.process else 0.0), 1)

    def _lay_out(self) -> dict[str, str]:
        """Kaggle's folders for this trial alone, and the variables that say where they are.

        Its recipe is settled when it begins; a later session must find the very same one.
        """
        root = self.place.temp / self.trial.name
        shutil.rmtree(root, ignore_errors=True)
        for name in ("temp", "payload", f"input/notebooks/{OWNER}"):
            (root / name).mkdir(parents=True)
        (root / "working").symlink_to(self.trial.folder.resolve(), target_is_directory=True)
        for source in (*self.place.inputs.glob("*"), *self.place.inputs.glob("notebooks/*")):
            link = root / "input" / source.relative_to(self.place.inputs)
            if not link.exists():
                link.symlink_to(source.resolve(), target_is_directory=source.is_dir())
        kept = self.trial.folder / "recipe.json"
        if not kept.is_file():
            recipe = with_values(Recipe.model_validate_json(self.place.recipe), self.values)
            files.write(kept, recipe.model_dump_json(indent=2))
        shutil.copyfile(kept, root / "payload" / "recipe.json")
        files.write(root / "payload" / "competition.toml", self.place.competition)
        files.write_json(root / "payload" / "plan.json", {"kernel": "train.py", "gpu": self.place.gpu})
        resumes = ""
        if (self.trial.folder / STATE).is_file():
            (root / "input" / "notebooks" / OWNER / self.trial.name).symlink_to(self.trial.folder.resolve())
            resumes = f"{OWNER}/{self.trial.name}"
        path = os.pathsep.join([str(PROJECT), str(PROJECT / "site"), os.environ.get("PYTHONPATH", "")])
        folders = {"SWATH_ROOT": root, "SWATH_PAYLOAD": root / "payload", "SWATH_CACHE": self.place.scratch}
        return {
            **os.environ,
            **self.place.environment,
            **{name: str(folder) for name, folder in folders.items()},
            "SWATH_BEGIN": repr(time.time()),
            "SWATH_LIMIT": "",  # the search ends its trials
            "SWATH_RESUMES": resumes,
            "OMP_NUM_THREADS": str(self.place.threads),
            "PYTHONPATH": path.rstrip(os.pathsep),
            "PYTHONUNBUFFERED": "1",
        }

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


def decoded(config: Mapping[str, Any]) -> dict[str, Any]:
    """A trial's values from Ray's: choices travel as JSON, so that lists and tables can be some."""
    return {key: json.loads(value) if isinstance(value, str) else value for key, value in config.items()}
