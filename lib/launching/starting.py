"""From a plan to a session: the run's folder with exactly what is pushed, then the push, once.

run = prepare(plan)              # a folder that says what is about to be pushed
push(run, plan.timeout)          # the session has it
"""

from __future__ import annotations

import shutil
from typing import Any

from lib import files
from lib.errors import Refused, SwathError
from lib.folders import runs_folder
from lib.launching.attempts import change_last, session_of
from lib.launching.colab import ColabSession
from lib.launching.colab_command import ColabCommand
from lib.launching.kaggle import KaggleSession
from lib.launching.plan import Plan, describe, new_id, write_kernel
from lib.launching.rehearsal import rehearse_model
from lib.launching.runs import Run, now
from lib.launching.terminal import talk


def prepare(plan: Plan) -> Run:
    """Check what can be checked here, and make the run's folder, with exactly what will be pushed."""
    owner = "local"
    if plan.place == "kaggle":
        owner = KaggleSession().owner
    elif plan.place == "colab":
        owner = ColabSession.owner
        talk(f"colab: {ColabCommand().check()} left")
    if plan.place != "local":
        rehearse_model(plan)
    run_id = new_id(plan.competition.name)
    attempt = new_attempt(f"{owner}/{run_id}")
    run = Run(runs_folder() / run_id)
    files.write(run.folder / "competition.toml", plan.competition_file.read_bytes())
    write_kernel(plan, run.kernel, run_id, owner)
    state = {"created": now(), "status": "queued", "attempts": [attempt], "metrics": None, "submissions": []}
    run.create(describe(plan) | state)  # last: a folder without run.json is no run
    return run


def new_attempt(ref: str, log_start: int = 0) -> dict[str, Any]:
    """A session that is about to be pushed; `log_start`: bytes of log.txt that earlier sessions wrote."""
    return {"ref": ref, "version": None, "url": "", "status": "pushing", "started": now(), "log_start": log_start}


def push(run: Run, timeout: int | None) -> None:
    """Push a prepared run; one that is refused leaves no folder."""
    session = session_of(run)
    try:
        ref = session.push(run.kernel, timeout)
    except Refused:
        shutil.rmtree(run.folder)  # nothing was started
        raise
    except SwathError as error:  # on Kaggle it may have arrived: `status` asks
        is_local = run.read()["place"] == "local"
        run.update(status="failed" if is_local else "queued", message=error.reason)
        raise
    change_last(run, ref=f"{ref.owner}/{ref.slug}", version=ref.version, url=ref.url, status="queued")
