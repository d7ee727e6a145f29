"""A run from its session to its outputs, in the process that pushed it or in a later one.

outcome = finish(run)            # followed to its end, fetched, verified
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from lib import files
from lib.errors import Failed, SwathError
from lib.launching import ledger
from lib.launching.attempts import latest, note
from lib.launching.fetching.fetch import Fetched, fetch
from lib.launching.fetching.fetch_view import FetchView
from lib.launching.following.follow import ask, look
from lib.launching.following.watching import bring_log, watch
from lib.launching.here.supervised import SupervisedSession
from lib.launching.polling import POLL_SECONDS
from lib.launching.runs import Run, now
from lib.launching.session import KernelRef, Session, Status

DONE = ("epochs_done", "images_done", "images", "trials_done", "trials")
"""What summaries say of how far a kernel came."""


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
    followed = watch(run)
    session, ref = latest(run)  # a kernel that was deleted meanwhile answers from home
    return _bring_home(run, session, ref, followed.status)


def bring_home(run: Run, only: Collection[str] = ()) -> Outcome:
    """Fetch what a run has left so far, finished or not; with `only`, the files whose names fit one of its patterns."""
    session, ref = latest(run)
    status = ask(session, ref, POLL_SECONDS)
    if status.is_gone:
        note(run, status)
        session, ref = latest(run)
    elif status.over and not run.read().get("log_whole"):
        bring_log(run, session, ref)
    return _bring_home(run, session, ref, status, only)


def refresh(run: Run) -> Status:
    """Ask the session how it stands, and write it down; of one that failed, the log is read, which says why."""
    session, ref = latest(run)
    status = look(session, ref)
    if status.state == "failed" and not run.read().get("log_whole"):
        with suppress(SwathError):
            bring_log(run, session, ref)
    return note(run, status)


def _bring_home(run: Run, session: Session, ref: KernelRef, status: Status, only: Collection[str] = ()) -> Outcome:
    note(run, status)
    settled = run.read().get("home") == str(ref)
    with FetchView() as view:
        fetched = fetch(session, ref, run.outputs, only, settled, view)
    summary = _summary(run)
    metric, finished = _metric(summary), summary.get("finished") is not False
    done = {key: summary.get(key) for key in DONE if key in summary}
    run.update(finished=finished, **done, **({"metrics": metric} if metric else {}))
    if fetched.whole and isinstance(summary.get("submission"), dict):
        ledger.remember_predicted(run, summary["submission"])
    if fetched.whole:
        run.update(fetched=now(), home=str(ref) if status.over else None)
        if finished and status.state == "complete":
            run.forget_state()  # an earlier session's
        if status.over and isinstance(session, SupervisedSession):
            session.tidy()
    return Outcome(run, status, metric or run.read()["metrics"], fetched)


def _summary(run: Run) -> dict[str, Any]:
    """The kernel's summary.json; empty when there is none, or one of somebody else's making."""
    content = None
    with suppress(Failed):
        content = files.read_json(run.outputs / "summary.json")
    return content if isinstance(content, dict) else {}


def _metric(summary: dict[str, Any]) -> dict[str, Any] | None:
    """What the kernel's summary says it scored."""
    metric = summary.get("metric")
    shape = {"label": str, "value": (int, float), "epoch": (int, type(None)), "per_class": dict, "baselines": dict}
    fits = isinstance(metric, dict) and all(isinstance(metric.get(key), kind) for key, kind in shape.items())
    return metric if fits and "empty" in metric["baselines"] else None
