"""Prints a run's log, finished or not, from home or from its session.

On a terminal `logs -f` is the live table; into a pipe it is the log's lines as they come.
"""

from __future__ import annotations

from typing import TextIO

from lib.errors import Failed
from lib.launching.attempts import latest, note
from lib.launching.following.follow import look
from lib.launching.following.log_file import earlier, so_far
from lib.launching.following.show import talk
from lib.launching.following.watching import watch
from lib.launching.report import left_running
from lib.launching.runs import Run
from lib.launching.session import LostConnection


def print_log(run: Run, live: bool, out: TextIO) -> None:
    """Print a run's log: the one at home when it is whole, else the session's, with `live` to its end.

    Raises `LostConnection` when the session's log cannot be read; what was read of it before is printed.
    """
    if run.read().get("log_whole"):
        return _print_home(run, out)
    if not live:
        return _print_so_far(run, out)
    with left_running(run):
        if out.isatty() and talk.is_terminal:
            followed = watch(run)
            if followed.status.state == "stopped":
                raise Failed(f"run {run.id} was stopped: {followed.status.message}", f"python launch.py fetch {run.id}")
        else:
            out.write(earlier(run))
            followed = watch(run, raw=lambda line: print(line, file=out, flush=True))
    if followed.status.is_gone:
        raise Failed(followed.status.message, f"what was read of its log is here: python launch.py logs {run.id}")
    if not followed.log_whole:
        _, ref = latest(run)
        raise LostConnection(f"the log of {ref} could not be read to its end", f"python launch.py logs {run.id}")


def _print_so_far(run: Run, out: TextIO) -> None:
    session, ref = latest(run)
    begun, lost = False, None
    try:
        for record in so_far(run, session, ref):
            out.write("" if begun else earlier(run))
            out.write(record.data)
            begun = True
    except LostConnection as error:
        lost = error
    if begun and not lost:
        return
    status = note(run, look(session, ref))
    if not begun:
        _print_home(run, out)
    if status.is_gone or status.state == "queued":
        talk.print(status.message or "it is queued, and has said nothing yet", markup=False)
    elif lost:
        raise LostConnection(lost.reason, f"try again: python launch.py logs {run.id}")


def _print_home(run: Run, out: TextIO) -> None:
    """What is here of the log; of a session that is gone that may be nothing."""
    content = run.read()
    if not run.log.is_file() and (content.get("deleted") or not content.get("log_whole")):
        return talk.print("nothing was ever read of its log", markup=False)
    try:
        out.write(run.log.read_text(encoding="utf-8", errors="replace"))
    except OSError as error:
        raise Failed(f"{run.log} cannot be read: {error.strerror}", f"python launch.py fetch {run.id}") from None
