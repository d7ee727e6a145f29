"""Ends a run's session; on Kaggle that deletes the kernel, so what it has shown is fetched first.

asked = question(run)            # what goes, in words; None when the session is over anyway
status = stop(run)
"""

from __future__ import annotations

from collections import deque

from lib.errors import Failed, SwathError, first
from lib.launching.attempts import latest, note
from lib.launching.fetching.fetch import fetch
from lib.launching.following.follow import look
from lib.launching.following.log_file import so_far
from lib.launching.following.show import talk
from lib.launching.kaggle.session import KaggleSession
from lib.launching.runs import Run
from lib.launching.session import KernelRef, Session, Status

NAMED = 3
"""Outputs that the question names."""


def question(run: Run) -> str | None:
    """What stopping a run costs, by what the place says of it; None when its session is over."""
    session, ref = latest(run)
    if look(session, ref).over:
        return None
    if not isinstance(session, KaggleSession):
        return f"Stop {run.id}?"
    return (
        f"Stop {run.id}? Kaggle has no cancel: kernel {ref.owner}/{ref.slug} is deleted with {_versions(session, ref)} "
        f"and {_outputs(session, ref)}. What can be had of its log and outputs is fetched first."
    )


def stop(run: Run) -> Status:
    """End a run's session; a run that is over stays as it is, on Kaggle too.

    On Kaggle that deletes the kernel, so its log and what it has left so far are fetched first: `Failed`, and nothing
    is deleted, when outputs are listed and cannot be had. Kernels of the run's earlier sessions stay.
    """
    session, ref = latest(run)
    status = look(session, ref)
    on_kaggle = isinstance(session, KaggleSession)
    if on_kaggle and not status.over:
        _rescue(run, session, ref)
        status = look(session, ref)  # one that has ended meanwhile keeps its outputs
    if not status.over:
        session.stop(ref)
        status = Status("stopped", "stopped by request")
        if on_kaggle:
            run.update(deleted=True, log_whole=True)
            _tell_earlier(run)
    note(run, status)
    return status


def _versions(session: KaggleSession, ref: KernelRef) -> str:
    try:
        newest = session.find(ref.slug)
    except SwathError as error:
        return f"its versions (how many is not known: {error.reason})"
    number = newest.version if newest else ref.version
    return "its version 1" if number == 1 else f"its versions 1 to {number}"


def _outputs(session: KaggleSession, ref: KernelRef) -> str:
    try:
        names = [output.name for output in session.outputs(ref)]
    except SwathError as error:
        return f"its outputs (which is not known: {error.reason})"
    if not names:
        return "what it has written so far, of which Kaggle lists nothing while a session runs"
    return f"its {len(names)} outputs ({first(names, NAMED)})"


def _rescue(run: Run, session: Session, ref: KernelRef) -> None:
    """Bring home what a running session shows; what it does not show is said, and stops nothing."""
    try:
        deque(so_far(run, session, ref), maxlen=0)
    except SwathError as error:
        talk.print(f"its log could not be fetched: {error.reason}", markup=False)
    try:
        listed = session.outputs(ref)
    except SwathError as error:
        talk.print(f"its outputs could not be fetched: {error.reason}", markup=False)
        return
    try:
        if listed:
            fetch(session, ref, run.outputs)
    except SwathError as error:
        raise Failed(
            f"its {len(listed)} outputs could not be fetched, so nothing was deleted and the session goes on: "
            f"{error.reason}",
            f"try again: python launch.py stop {run.id}; or delete it with them: {ref.url or ref}",
        ) from None


def _tell_earlier(run: Run) -> None:
    """Say which kernels of a run of several sessions are still on Kaggle."""
    earlier = [attempt["ref"] for attempt in run.read()["attempts"][:-1]]
    if earlier:
        talk.print(f"the run's earlier kernels stay on Kaggle, with their outputs: {', '.join(earlier)}", markup=False)
