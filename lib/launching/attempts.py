"""The sessions of a run, one after another: the latest, the place that can be asked about it, and how it stands.

session, ref = latest(run)
note(run, session.status(ref))
"""

from __future__ import annotations

from pathlib import Path

from lib.launching.following import failures
from lib.launching.gone import GoneSession
from lib.launching.preparing.accelerators import accelerator
from lib.launching.preparing.members import mounts
from lib.launching.runs import Run, now, seconds_since
from lib.launching.session import KernelRef, Session, Status

PUSH_SECONDS = 600
"""A push that its place has not heard of for so long was never made."""


def latest(run: Run) -> tuple[Session, KernelRef]:
    """The session that the run's latest kernel was pushed to, and the kernel, in this or another process.

    A launcher that was killed while it pushed did not hear the kernel's version: then the place is asked for it.
    """
    was_pushed(run)
    return session_of(run), run.ref()


def was_pushed(run: Run) -> bool:
    """Whether the latest session has reached its place; one whose launcher did not hear of that is asked for."""
    last = run.read()["attempts"][-1]
    if last["version"] is not None:
        return True
    ref = session_of(run).find(last["ref"].split("/")[1])
    if ref is not None:
        change_last(run, version=ref.version, url=ref.url)
    elif seconds_since(last["started"]) > PUSH_SECONDS:
        change_last(run, status="failed")
        run.update(status="failed", message="it was never pushed")
    return ref is not None


def session_of(run: Run) -> Session:
    """The place that a run's latest kernel was pushed to; the others are not even imported."""
    content = run.read()
    if content["place"] == "kaggle":
        from lib.launching.kaggle.session import KaggleSession

        return GoneSession(run) if content.get("deleted") else KaggleSession()
    if content["place"] == "colab":
        from lib.launching.colab.session import ColabSession

        gpu = accelerator(content["accelerator"], "colab").machine_shape
        session = ColabSession(run.session, run.data, run.competition.mount, _resumes(run), gpu, mounts(content))
    else:
        from lib.launching.here.local import LocalSession

        session = LocalSession(run.session, run.data, run.competition.mount, _resumes(run), mounts(content))
    return GoneSession(run) if session.is_tidied else session


def note(run: Run, status: Status) -> Status:
    """Write down how the latest session stands, and with it the run; returns it as it is written.

    A known failure is named. Kaggle's empty answer means queued only until the session was seen to run.
    """
    content, failure = run.read(), failures.of(run, status)
    if status.state == "queued" and content["attempts"][-1]["status"] == "running":
        status = Status("running")
    change_last(run, status=status.state)
    state = status.state if status.state != "unknown" else "running"
    more = {"ended": now()} if status.over and not content.get("ended") else {}
    if failure or content.get("failure"):
        more["failure"] = failure
    if status.is_gone:
        more |= {"deleted": True, "log_whole": True}
    run.update(status=state, message=status.message, **more)
    return status


def change_last(run: Run, **changes: object) -> None:
    """Change keys of the latest attempt in run.json."""
    run.change("attempts", lambda attempts: [*attempts[:-1], attempts[-1] | changes])


def _resumes(run: Run) -> tuple[str, Path] | None:
    """Where a session sees the outputs that it goes on from, and where they lie here."""
    earlier = run.read()["attempts"][:-1]
    return (f"notebooks/{earlier[-1]['ref']}", run.outputs) if earlier else None
