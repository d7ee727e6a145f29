"""Ends a run's session; on Kaggle that deletes the kernel, so what it has shown is fetched first."""

from __future__ import annotations

from collections import deque

from lib.errors import SwathError
from lib.launching.attempts import latest, note
from lib.launching.fetch import fetch
from lib.launching.follow import look
from lib.launching.kaggle import KaggleSession
from lib.launching.log_file import so_far
from lib.launching.runs import Run
from lib.launching.session import KernelRef, Session, Status
from lib.launching.show import talk


def stop(run: Run) -> Status:
    """End a run's session; a run that is over stays as it is.

    On Kaggle that deletes the kernel, so its log and what it has left so far are fetched first.
    """
    session, ref = latest(run)
    status = look(session, ref)
    if not status.over:
        on_kaggle = isinstance(session, KaggleSession)
        if on_kaggle:
            _rescue(run, session, ref)
        session.stop(ref)
        status = Status("stopped", "stopped by request")
        if on_kaggle:
            run.update(deleted=True, log_whole=True)
    note(run, status)
    return status


def _rescue(run: Run, session: Session, ref: KernelRef) -> None:
    """Bring home what a running session shows; what cannot be had is said, and stops nothing."""
    for what, bring in (
        ("log", lambda: deque(so_far(run, session, ref), maxlen=0)),
        ("outputs", lambda: fetch(session, ref, run.outputs)),
    ):
        try:
            bring()
        except SwathError as error:
            talk.print(f"its {what} could not be fetched: {error.reason}", markup=False)
