"""From a plan to a session: the run's folder with exactly what is pushed, then the push, once.

run = prepare(plan)              # a folder that says what is about to be pushed
push(run)                    # the session has it
"""

from __future__ import annotations

import shutil
import time
from typing import Any

from lib import files
from lib.errors import Refused, SwathError
from lib.folders import runs_folder
from lib.launching.attempts import change_last, session_of
from lib.launching.kaggle.session import KaggleSession
from lib.launching.polling import POLL_SECONDS
from lib.launching.preparing import weights
from lib.launching.preparing.plan import Plan, describe, write_kernel
from lib.launching.runs import Run, now
from lib.launching.session import KernelRef, NoSlot, Session
from lib.launching.terminal import talk


def prepare(plan: Plan, **more: Any) -> Run:
    """Make the run's folder, with exactly what will be pushed; `more` goes into its run.json."""
    owner = KaggleSession().owner if plan.place == "kaggle" else plan.place
    plan = weights.attach(plan)
    run_id = plan.run_id
    attempt = new_attempt(f"{owner}/{run_id}", plan.told)
    run = Run(runs_folder() / run_id)
    files.write(run.folder / "competition.toml", plan.competition_file.read_bytes())
    write_kernel(plan, run.folder / "kernel", run_id, owner)
    state = {"created": now(), "status": "queued", "attempts": [attempt], "metrics": None, "submissions": []}
    run.create(describe(plan) | state | more)  # last: a folder without run.json is no run
    return run


def new_attempt(ref: str, timeout: int | None, log_start: int = 0) -> dict[str, Any]:
    """A session that is about to be pushed.

    `timeout`: seconds after which its place is to end it, None for the place's own; `log_start`: bytes of log.txt that
    earlier sessions wrote.
    """
    begun = {"ref": ref, "version": None, "url": "", "status": "pushing", "started": now()}
    return begun | {"timeout": timeout, "log_start": log_start}


def push(run: Run, wait_slot: bool = False) -> None:
    """Push a run's prepared session; of one that is refused nothing stays, and of a run that had no other neither.

    `wait_slot`: where Kaggle has no slot for it, wait and push again.
    """
    session, timeout = session_of(run), run.read()["attempts"][-1].get("timeout")
    try:
        ref = _when_there_is_a_slot(run, session, timeout) if wait_slot else session.push(run.kernel, timeout)
    except Refused:
        take_back(run)
        raise
    except SwathError as error:  # on Kaggle it may have arrived: `status` asks
        is_local = run.read()["place"] == "local"
        run.update(status="failed" if is_local else "queued", message=error.reason)
        raise
    change_last(run, ref=f"{ref.owner}/{ref.slug}", version=ref.version, url=ref.url, status="queued")


def take_back(run: Run) -> None:
    """Forget the latest session, which never started; a run that had no other goes as a whole."""
    if len(run.read()["attempts"]) == 1:
        shutil.rmtree(run.folder)
        return
    for folder in (run.kernel, run.session):
        shutil.rmtree(folder, ignore_errors=True)
    run.change("attempts", lambda attempts: attempts[:-1])
    run.update(status=run.read()["attempts"][-1]["status"])


def _when_there_is_a_slot(run: Run, session: Session, timeout: int | None) -> KernelRef:
    """Push until Kaggle has a slot: a push without one starts nothing. Ctrl-C between pushes leaves no folder."""
    said = ""
    while True:
        try:
            return session.push(run.kernel, timeout)
        except NoSlot as full:
            try:
                if full.reason != said:
                    talk(f"waiting: {full.reason} (Ctrl-C ends it; nothing was started)")
                    said = full.reason
                time.sleep(POLL_SECONDS)
            except KeyboardInterrupt:
                take_back(run)
                raise
