"""A queue of runs on disk: as many sessions at a time as there are slots, and what is done is not done again.

sweep = Sweep.of(request, Path("trials.toml"))      # runs/sweeps/<id>/sweep.json; the same words, the same sweep
sweep.drive(print)                                  # until every trial has ended; killed, the same command goes on
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from lib import files
from lib.errors import Failed, Refused, UsageError
from lib.folders import runs_folder
from lib.launching import chain, flow, starting, trials
from lib.launching.attempts import was_pushed
from lib.launching.kaggle import slots
from lib.launching.kaggle.session import KaggleSession
from lib.launching.polling import POLL_SECONDS
from lib.launching.preparing import preflight
from lib.launching.preparing.plan import Plan, Request, make_plan
from lib.launching.preparing.rehearsal import rehearse_model
from lib.launching.runs import Run
from lib.launching.session import LostConnection, NoSlot, Offline, Status

HERE_SECONDS = 0.5
"""Between looks at a session on this machine."""

WAITING, RUNNING, LOST = "waiting", "running", "lost"
"""States of a trial beside a run's own; lost: it could not be asked for or brought home, and is looked at next time."""

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Sweep:
    """A sweep's folder, and the plans and names of its trials, in order."""

    folder: Path
    plans: tuple[Plan, ...]
    names: tuple[str, ...]

    @classmethod
    def of(cls, request: Request, file: Path) -> Sweep:
        """The sweep of these words, forced or not: a new one, or the one that they began. Every recipe is checked."""
        tried = trials.read(file)
        plans = tuple(make_plan(replace(request, settings=(*request.settings, *trial.settings))) for trial in tried)
        same = {word: value for word, value in asdict(request).items() if word != "force"}
        words = json.dumps([same, [trial.settings for trial in tried]], sort_keys=True, default=str)
        name = f"{file.stem}-{hashlib.sha256(words.encode()).hexdigest()[:8]}"
        return cls(runs_folder() / "sweeps" / name, plans, tuple(trial.name for trial in tried))

    @property
    def file(self) -> Path:
        """What is known of the trials, written after every step."""
        return self.folder / "sweep.json"

    def rows(self) -> list[dict[str, Any]]:
        """The trials, in the file's order: trial, run, state, value."""
        if not self.file.is_file():
            return [{"trial": name, "run": None, "state": WAITING, "value": None} for name in self.names]
        return files.read_json(self.file)["trials"]

    def ranked(self) -> list[dict[str, Any]]:
        """The trials, best score first; those without one last."""
        return sorted(self.rows(), key=lambda row: (row["value"] is None, -(row["value"] or 0)))

    def set(self, number: int, **changes: Any) -> None:
        """Change what is known of a trial."""
        rows = self.rows()
        rows[number] |= changes
        files.write_json(self.file, {"trials": rows})

    def drive(
        self, tell: Tell, retry: bool = False, force: bool = False, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        """Start and watch trials until all have ended; with `retry`, those that failed are started once more.

        What can be known before a push is asked before each, as for a single run; `force` overrides it. A full house
        and a network that is gone are waited out; a trial that is refused otherwise raises `Refused`, and what runs
        goes on.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.folder / "lock", timeout=0):
                self._check(retry)
                said = ""
                while any(row["state"] in (WAITING, RUNNING) for row in self.rows()):
                    for number, row in enumerate(self.rows()):
                        if row["state"] == RUNNING:
                            self._look(number, row, tell, force)
                    full = self._fill(tell, force)
                    if full and full != said:
                        tell(f"waiting: {full}")
                    said = full
                    if any(row["state"] in (WAITING, RUNNING) for row in self.rows()):
                        sleep(HERE_SECONDS if self.plans[0].place == "local" else POLL_SECONDS)
        except Timeout:
            raise UsageError(f"another process drives {files.shown(self.folder)}", "python launch.py runs") from None

    def _check(self, retry: bool) -> None:
        for plan in self.plans:  # before the first one is pushed
            if plan.place == "kaggle":
                rehearse_model(plan)
        for number, row in enumerate(self.rows()):
            gone = row["run"] and not self._run(row).folder.is_dir()
            if row["state"] == LOST:
                self.set(number, state=RUNNING)
            if gone or (retry and row["state"] in ("failed", "stopped")):
                self.set(number, run=None, state=WAITING, value=None)

    def _fill(self, tell: Tell, force: bool) -> str:
        """Start waiting trials while there is room; says what stands in the way, where it is not this sweep's own."""
        room = self._slots()
        for number, row in enumerate(self.rows()):
            if row["state"] != WAITING:
                continue
            if sum(other["state"] == RUNNING for other in self.rows()) >= room:
                return ""
            try:
                self._start(number, tell, force)
            except NoSlot as full:
                return full.reason
            except Offline as error:
                if not any(row["run"] for row in self.rows()):
                    raise
                return error.reason
        return ""

    def _slots(self) -> int:
        """How many sessions may run at a time."""
        plan = self.plans[0]
        if plan.place != "kaggle":
            return 1
        return slots.most(plan.accelerator.kind, KaggleSession().owner)

    def _start(self, number: int, tell: Tell, force: bool) -> None:
        """Push a trial, after everything that can be asked; the card is the first one's, the others differ in a row."""
        plan, is_first = self.plans[number], not any(row["run"] for row in self.rows())
        waits = is_first and plan.place == "kaggle"  # later there are trials to look after
        run = starting.prepare(preflight.clear(plan, force, waits, shows=is_first))
        self.set(number, run=run.id, state=RUNNING)  # before the push: whoever finds it can ask for the kernel
        tell(f"{run.id}: {self.rows()[number]['trial']}")
        try:
            self._push(number, run)
        except LostConnection as error:
            tell(f"{run.id}: {error.reason}; it is asked for again")

    def _push(self, number: int, run: Run) -> None:
        """Push a trial's run; one that is refused leaves no run, and its trial waits."""
        try:
            starting.push(run)
        except Refused:
            self.set(number, run=None, state=WAITING)
            raise

    def _look(self, number: int, row: dict[str, Any], tell: Tell, force: bool) -> None:
        """Ask how a running trial stands; one that is over comes home, or goes on with its next session."""
        run, plan = self._run(row), self.plans[number]
        try:
            if not was_pushed(run):  # the process before this one was killed
                return self._push(number, run)
            if not flow.refresh(run).over:
                return None
            outcome = flow.bring_home(run)
            if chain.goes_on(outcome, plan.sessions):
                told = chain.admit_next(run, force=force, wait_slot=False, shows=False)
                tell(f"{run.id}: {run.unfinished}; on with session {len(run.read()['attempts']) + 1}")
                return chain.start_next(run, told, wait_slot=False)
        except (LostConnection, NoSlot, Offline):
            return None
        except Failed as error:
            tell(f"{run.id}: {error.reason}")
            return self.set(number, state=LOST)
        self._end(number, run, outcome.status, outcome.metric, tell)

    def _end(self, number: int, run: Run, status: Status, metric: dict[str, Any] | None, tell: Tell) -> None:
        value = metric["value"] if metric else None
        self.set(number, state=status.state, value=value)
        score = f", {metric['label']} {value:.4f}" if metric else ""
        tell(f"{run.id}: {status.state}{score}{f' ({status.message})' if status.message else ''}")

    def _run(self, row: dict[str, Any]) -> Run:
        return Run(runs_folder() / row["run"])
