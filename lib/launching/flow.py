"""A run from plan to outputs, and a run picked up again later by another process.

run = start(plan)                # pushed: the session has it
outcome = finish(run)            # followed to its end, fetched, verified
"""

from __future__ import annotations

import datetime
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from lib import files
from lib.errors import Refused, SwathError, UsageError
from lib.folders import PROJECT
from lib.launching import runs
from lib.launching.fetch import Fetched, fetch
from lib.launching.follow import POLL_SECONDS, ask, follow
from lib.launching.kaggle import KaggleSession
from lib.launching.local import LocalSession
from lib.launching.plan import Plan, describe, new_id, write_kernel
from lib.launching.runs import Run
from lib.launching.session import KernelRef, Session, Status
from lib.launching.show import TrainingView, talk


@dataclass(frozen=True)
class Outcome:
    """How a run ended, and what came home."""

    run: Run
    status: Status
    metric: dict[str, Any] | None
    """The kernel's own: label, value, per_class, baselines."""
    fetched: Fetched


def start(plan: Plan) -> Run:
    """Push the plan's bundle; the run's folder exists before, and says so when the push is refused."""
    kaggle = KaggleSession() if plan.place == "kaggle" else None
    owner = kaggle.owner if kaggle else "local"
    if kaggle:
        rehearse_model(plan)
    run_id = new_id(plan.competition.name)
    run = runs.create(
        run_id,
        describe(plan) | {"created": _now(), "status": "queued", "attempts": [], "metrics": None, "submissions": []},
    )
    files.write(run.folder / "competition.toml", plan.competition_file.read_bytes())
    write_kernel(plan, run.kernel, run_id, owner)
    session = kaggle or session_of(run)
    attempt = {"ref": f"{owner}/{run_id}", "version": None, "url": "", "status": "pushing", "started": _now()}
    run.update(attempts=[attempt])
    try:
        ref = session.push(run.kernel, plan.timeout)
    except Refused:
        shutil.rmtree(run.folder)  # nothing was started
        raise
    except SwathError as error:
        run.update(status="failed", message=error.reason)
        raise
    pushed = {"ref": f"{ref.owner}/{ref.slug}", "version": ref.version, "url": ref.url, "status": "queued"}
    run.update(attempts=[attempt | pushed])
    return run


def finish(run: Run) -> Outcome:
    """Follow a run to its end, fetch what it left, and write down how it went."""
    session = session_of(run)
    ref = _ref(run, session)
    with TrainingView(run.competition.metric.label) as view:
        status = follow(session, ref, run.log, view.line)
    run.update(log_whole=True)
    return _bring_home(run, session, ref, status)


def bring_home(run: Run) -> Outcome:
    """Fetch what a run has left so far, finished or not."""
    session = session_of(run)
    ref = _ref(run, session)
    status = ask(session, ref, POLL_SECONDS)
    if status.over and not run.read().get("log_whole"):
        follow(session, ref, run.log, lambda line: None)
        run.update(log_whole=True)
    return _bring_home(run, session, ref, status)


def refresh(run: Run) -> Status:
    """Ask the session how it stands, and write it down."""
    session = session_of(run)
    status = session.status(_ref(run, session))
    _note(run, status)
    return status


def print_log(run: Run, live: bool, out: TextIO) -> None:
    """Print a run's log: the one at home when it is whole, else the session's, with `live` to its end."""
    if run.read().get("log_whole"):
        out.write(run.log.read_text(encoding="utf-8"))
        return
    session = session_of(run)
    ref = _ref(run, session)
    if live:
        with tempfile.TemporaryDirectory() as folder:
            _note(run, follow(session, ref, Path(folder) / "log.txt", lambda line: print(line, file=out, flush=True)))
        return
    for record in session.logs(ref, live=False):
        out.write(record.data)


def stop(run: Run) -> Status:
    """End a run's session, after fetching what it has left so far; a run that is over stays as it is."""
    session = session_of(run)
    ref = _ref(run, session)
    status = session.status(ref)
    if not status.over:
        if run.read()["place"] == "kaggle":
            bring_home(run)
        session.stop(ref)
        status = Status("stopped", "stopped by request")
    _note(run, status)
    return status


def session_of(run: Run) -> Session:
    """The session that a run was pushed to, in this or another process."""
    if run.read()["place"] == "kaggle":
        return KaggleSession()
    return LocalSession(run.session, run.data, run.competition.mount)


def rehearse_model(plan: Plan) -> None:
    """Build the recipe's model here, without its weights, before a session is spent on a misspelt encoder."""
    command = [sys.executable, "-m", "lib.models", str(len(plan.competition.classes))]
    done = subprocess.run(command, input=plan.recipe.model_dump_json(), cwd=PROJECT, capture_output=True, text=True)
    if done.returncode == UsageError.exit_code:
        reason, _, hint = done.stderr.strip().removeprefix("error: ").partition("\n  next: ")
        raise UsageError(reason, hint or None)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no word"])[-1]
        raise Refused(
            f"the model could not be built here, so it was not sent: {last}", "pip install -r requirements.txt"
        )


def _ref(run: Run, session: Session) -> KernelRef:
    """The run's kernel. A launcher that was killed while it pushed did not hear the version: the server has it."""
    last = run.read()["attempts"][-1]
    if last["version"] is None and isinstance(session, KaggleSession):
        ref = session.find(last["ref"].split("/")[1])
        if ref is not None:
            run.update(attempts=[last | {"version": ref.version, "url": ref.url}])
    return run.ref()


def _bring_home(run: Run, session: Session, ref: KernelRef, status: Status) -> Outcome:
    with Progress(
        TextColumn("fetching {task.description}"),
        BarColumn(),
        DownloadColumn(),
        console=talk,
        transient=True,
        disable=not talk.is_terminal,
    ) as bars:
        task = bars.add_task("outputs", total=None)
        fetched = fetch(session, ref, run.outputs, lambda name, size: bars.update(task, advance=size, description=name))
    summary = run.outputs / "summary.json"
    metric = files.read_json(summary)["metric"] if summary.is_file() else None
    _note(run, status, metrics=metric, fetched=_now())
    if status.over and isinstance(session, LocalSession):
        session.tidy()
    return Outcome(run, status, metric, fetched)


def _note(run: Run, status: Status, **more: Any) -> None:
    attempts = run.read()["attempts"]
    attempts[-1]["status"] = status.state
    state = status.state if status.state != "unknown" else "running"
    ended = {"ended": _now()} if status.over and not run.read().get("ended") else {}
    run.update(status=state, message=status.message, attempts=attempts, **ended, **more)


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
