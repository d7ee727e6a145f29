"""Prints a run's log, finished or not, from home or from its session."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TextIO

from lib.errors import Failed
from lib.launching.attempts import latest, note
from lib.launching.follow import follow
from lib.launching.runs import Run
from lib.launching.session import LostConnection


def print_log(run: Run, live: bool, out: TextIO) -> None:
    """Print a run's log: the one at home when it is whole, else the session's, with `live` to its end."""
    if run.read().get("log_whole"):
        try:
            out.write(run.log.read_text(encoding="utf-8", errors="replace"))
        except OSError as error:
            raise Failed(f"{run.log} cannot be read: {error.strerror}", f"python launch.py fetch {run.id}") from None
        return
    session, ref = latest(run)
    if live:
        with tempfile.TemporaryDirectory() as folder:
            log = Path(folder) / "log.txt"
            followed = follow(session, ref, log, lambda line: print(line, file=out, flush=True))
        note(run, followed.status)
        if not followed.log_whole:
            raise LostConnection(f"the log of {ref} could not be read to its end", f"python launch.py logs {run.id}")
        return
    for record in session.logs(ref, live=False):
        out.write(record.data)
