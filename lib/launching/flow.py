"""A run from its session to its outputs, in the process that pushed it or in a later one.

outcome = finish(run)            # followed to its end, fetched, verified
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from lib import files
from lib.errors import Failed
from lib.launching.attempts import latest, note
from lib.launching.fetch import Fetched, fetch
from lib.launching.fetch_view import FetchView
from lib.launching.follow import POLL_SECONDS, ask, follow
from lib.launching.local import LocalSession
from lib.launching.runs import Run, now
from lib.launching.session import KernelRef, Session, Status
from lib.launching.show import TrainingView


@dataclass(frozen=True)
class Outcome:
    """How a run ended, and what came home."""

    run: Run
    status: Status
    metric: dict[str, Any] | None
    """The kernel's own: label, value, per_class, baselines."""
    fetched: Fetched


def finish(run: Run) -> Outcome:
    """Follow a run to its end, fetch what it left, and write down how it went."""
    session, ref = latest(run)
    with TrainingView(run.competition.metric.label) as view:
        followed = follow(session, ref, run.log, view.line, begun=lambda: note(run, Status("running")))
    run.update(log_whole=followed.log_whole)
    return _bring_home(run, session, ref, followed.status)


def bring_home(run: Run, only: Collection[str] = ()) -> Outcome:
    """Fetch what a run has left so far, finished or not; with `only`, the files whose names fit one of its patterns."""
    session, ref = latest(run)
    status = ask(session, ref, POLL_SECONDS)
    if status.over and not run.read().get("log_whole"):
        run.update(log_whole=follow(session, ref, run.log, lambda line: None).log_whole)
    return _bring_home(run, session, ref, status, only)


def refresh(run: Run) -> Status:
    """Ask the session how it stands, and write it down."""
    session, ref = latest(run)
    status = session.status(ref)
    note(run, status)
    return status


def _bring_home(run: Run, session: Session, ref: KernelRef, status: Status, only: Collection[str] = ()) -> Outcome:
    note(run, status)
    settled = run.read().get("home") == str(ref)
    with FetchView() as view:
        fetched = fetch(session, ref, run.outputs, only, settled, view)
    metric = _metric(run)
    run.update(**({"metrics": metric} if metric else {}))
    if fetched.whole:
        run.update(fetched=now(), home=str(ref) if status.over else None)
        if status.over and isinstance(session, LocalSession):
            session.tidy()
    return Outcome(run, status, metric or run.read()["metrics"], fetched)


def _metric(run: Run) -> dict[str, Any] | None:
    """What the kernel's summary says it scored; None when there is no summary, or one of somebody else's making."""
    summary = run.outputs / "summary.json"
    content = None
    with suppress(Failed):
        content = files.read_json(summary)
    metric = content.get("metric") if isinstance(content, dict) else None
    shape = {"label": str, "value": (int, float), "epoch": int, "per_class": dict, "baselines": dict}
    fits = isinstance(metric, dict) and all(isinstance(metric.get(key), kind) for key, kind in shape.items())
    return metric if fits and "majority" in metric["baselines"] else None
