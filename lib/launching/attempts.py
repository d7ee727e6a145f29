"""The sessions of a run, one after another: the latest, the place that can be asked about it, and how it stands.

session, ref = latest(run)
note(run, session.status(ref))
"""

from __future__ import annotations

from pathlib import Path

from lib.launching.accelerators import accelerator
from lib.launching.colab import ColabSession
from lib.launching.gone import GoneSession
from lib.launching.kaggle import KaggleSession
from lib.launching.local import LocalSession
from lib.launching.runs import Run, now
from lib.launching.session import KernelRef, Session, Status


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
    return ref is not None


def session_of(run: Run) -> Session:
    """The place that a run's latest kernel was pushed to."""
    content = run.read()
    if content["place"] == "kaggle":
        return GoneSession(run) if content.get("deleted") else KaggleSession()
    if content["place"] == "colab":
        gpu = accelerator(content["accelerator"], "colab").machine_shape
        session = ColabSession(run.session, run.data, run.competition.mount, _resumes(run), gpu)
    else:
        session = LocalSession(run.session, run.data, run.competition.mount, _resumes(run))
    return GoneSession(run) if session.is_tidied else session


def note(run: Run, status: Status) -> None:
    """Write down how the latest session stands, and with it the run."""
    change_last(run, status=status.state)
    state = status.state if status.state != "unknown" else "running"
    ended = {"ended": now()} if status.over and not run.read().get("ended") else {}
    run.update(status=state, message=status.message, **ended)


def change_last(run: Run, **changes: object) -> None:
    """Change keys of the latest attempt in run.json."""
    run.change("attempts", lambda attempts: [*attempts[:-1], attempts[-1] | changes])


def _resumes(run: Run) -> tuple[str, Path] | None:
    """Where a session sees the outputs that it goes on from, and where they lie here."""
    earlier = run.read()["attempts"][:-1]
    return (f"notebooks/{earlier[-1]['ref']}", run.outputs) if earlier else None
