"""A run from plan to outputs, and a run picked up again later by another process.

run = prepare(plan)              # a folder that says what is about to be pushed
push(run, plan)                  # the session has it
outcome = finish(run)            # followed to its end, fetched, verified
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from lib import files
from lib.errors import Failed, Refused, SwathError
from lib.folders import runs_folder
from lib.launching.fetch import Fetched, fetch
from lib.launching.follow import POLL_SECONDS, ask, follow
from lib.launching.gone import GoneSession
from lib.launching.kaggle import KaggleSession
from lib.launching.local import LocalSession
from lib.launching.plan import Plan, describe, new_id, write_kernel
from lib.launching.rehearsal import rehearse_model
from lib.launching.runs import Run, now
from lib.launching.session import KernelRef, LostConnection, Session, Status
from lib.launching.show import TrainingView, talk


@dataclass(frozen=True)
class Outcome:
    """How a run ended, and what came home."""

    run: Run
    status: Status
    metric: dict[str, Any] | None
    """The kernel's own: label, value, per_class, baselines."""
    fetched: Fetched


def prepare(plan: Plan) -> Run:
    """Check what can be checked here, and make the run's folder, with exactly what will be pushed."""
    owner = "local"
    if plan.place == "kaggle":
        owner = KaggleSession().owner
        rehearse_model(plan)
    run_id = new_id(plan.competition.name)
    attempt = {"ref": f"{owner}/{run_id}", "version": None, "url": "", "status": "pushing", "started": now()}
    run = Run(runs_folder() / run_id)
    files.write(run.folder / "competition.toml", plan.competition_file.read_bytes())
    write_kernel(plan, run.kernel, run_id, owner)
    state = {"created": now(), "status": "queued", "attempts": [attempt], "metrics": None, "submissions": []}
    run.create(describe(plan) | state)  # last: a folder without run.json is no run
    return run


def push(run: Run, plan: Plan) -> None:
    """Push a prepared run; one that is refused leaves no folder."""
    session = session_of(run)
    try:
        ref = session.push(run.kernel, plan.timeout)
    except Refused:
        shutil.rmtree(run.folder)  # nothing was started
        raise
    except SwathError as error:  # on Kaggle it may have arrived: `status` asks
        run.update(status="failed" if plan.place == "local" else "queued", message=error.reason)
        raise
    pushed = {"ref": f"{ref.owner}/{ref.slug}", "version": ref.version, "url": ref.url, "status": "queued"}
    run.update(attempts=[run.read()["attempts"][-1] | pushed])


def finish(run: Run) -> Outcome:
    """Follow a run to its end, fetch what it left, and write down how it went."""
    session = session_of(run)
    ref = _ref(run, session)
    with TrainingView(run.competition.metric.label) as view:
        followed = follow(session, ref, run.log, view.line, begun=lambda: _note(run, Status("running")))
    run.update(log_whole=followed.log_whole)
    return _bring_home(run, session, ref, followed.status)


def bring_home(run: Run) -> Outcome:
    """Fetch what a run has left so far, finished or not."""
    session = session_of(run)
    ref = _ref(run, session)
    status = ask(session, ref, POLL_SECONDS)
    if status.over and not run.read().get("log_whole"):
        run.update(log_whole=follow(session, ref, run.log, lambda line: None).log_whole)
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
        try:
            out.write(run.log.read_text(encoding="utf-8", errors="replace"))
        except OSError as error:
            raise Failed(f"{run.log} cannot be read: {error.strerror}", f"python launch.py fetch {run.id}") from None
        return
    session = session_of(run)
    ref = _ref(run, session)
    if live:
        with tempfile.TemporaryDirectory() as folder:
            log = Path(folder) / "log.txt"
            followed = follow(session, ref, log, lambda line: print(line, file=out, flush=True))
        _note(run, followed.status)
        if not followed.log_whole:
            raise LostConnection(f"the log of {ref} could not be read to its end", f"python launch.py logs {run.id}")
        return
    for record in session.logs(ref, live=False):
        out.write(record.data)


def stop(run: Run) -> Status:
    """End a run's session; a run that is over stays as it is.

    On Kaggle that deletes the kernel, so its log and what it has left so far are fetched first.
    """
    session = session_of(run)
    ref = _ref(run, session)
    status = session.status(ref)
    if not status.over:
        on_kaggle = isinstance(session, KaggleSession)
        if on_kaggle:
            _rescue(run, session, ref)
        session.stop(ref)
        status = Status("stopped", "stopped by request")
        if on_kaggle:
            run.update(deleted=True, log_whole=True)
    _note(run, status)
    return status


def session_of(run: Run) -> Session:
    """The session that a run was pushed to, in this or another process."""
    content = run.read()
    if content["place"] == "kaggle":
        return GoneSession(run) if content.get("deleted") else KaggleSession()
    local = LocalSession(run.session, run.data, run.competition.mount)
    return GoneSession(run) if local.is_tidied else local


def _ref(run: Run, session: Session) -> KernelRef:
    """The run's kernel. A launcher that was killed while it pushed did not hear the version: the server has it."""
    last = run.read()["attempts"][-1]
    if last["version"] is None:
        ref = session.find(last["ref"].split("/")[1])
        if ref is not None:
            run.update(attempts=[last | {"version": ref.version, "url": ref.url}])
    return run.ref()


def _bring_home(run: Run, session: Session, ref: KernelRef, status: Status) -> Outcome:
    _note(run, status)
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
    metric = _metric(run)
    run.update(fetched=now(), **({"metrics": metric} if metric else {}))
    if status.over and isinstance(session, LocalSession):
        session.tidy()
    return Outcome(run, status, metric or run.read()["metrics"], fetched)


def _metric(run: Run) -> dict[str, Any] | None:
    """What the kernel's summary says it scored; None when there is no summary, or one of somebody else's making."""
    summary = run.outputs / "summary.json"
    content = files.read_json(summary) if summary.is_file() else None
    metric = content.get("metric") if isinstance(content, dict) else None
    shape = {"label": str, "value": (int, float), "epoch": int, "per_class": dict, "baselines": dict}
    fits = isinstance(metric, dict) and all(isinstance(metric.get(key), kind) for key, kind in shape.items())
    return metric if fits and "majority" in metric["baselines"] else None


def _note(run: Run, status: Status) -> None:
    attempts = run.read()["attempts"]
    attempts[-1]["status"] = status.state
    state = status.state if status.state != "unknown" else "running"
    ended = {"ended": now()} if status.over and not run.read().get("ended") else {}
    run.update(status=state, message=status.message, attempts=attempts, **ended)


def _rescue(run: Run, session: Session, ref: KernelRef) -> None:
    """Bring home what a running session shows; what cannot be had is said, and stops nothing."""
    for what, bring in (
        ("log", lambda: files.write(run.log, "".join(record.data for record in session.logs(ref, live=False)))),
        ("outputs", lambda: fetch(session, ref, run.outputs)),
    ):
        try:
            bring()
        except SwathError as error:
            talk.print(f"its {what} could not be fetched: {error.reason}", markup=False)
