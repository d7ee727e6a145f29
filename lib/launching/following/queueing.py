"""Waits for a session to begin: Kaggle tells neither its place in the queue nor how long it will take.

status = wait(run.id, session, ref, show=view.waiting, say=talk.print)
"""

from __future__ import annotations

import time
from collections.abc import Callable

from lib.errors import Failed
from lib.launching import durations
from lib.launching.following.follow import ask
from lib.launching.polling import POLL_SECONDS
from lib.launching.session import KernelRef, Session, Status

NOTE_SECONDS = durations.from_environment("SWATH_QUEUE_NOTE_SECONDS", 600)
"""A session that is queued for longer is remarked on."""

GIVE_UP_SECONDS = durations.from_environment("SWATH_QUEUE_SECONDS", 7200)
"""A session that is queued for longer is followed no more; it stays queued."""


def wait(
    run: str,
    session: Session,
    ref: KernelRef,
    show: Callable[[str], None],
    say: Callable[[str], None],
    poll: float = POLL_SECONDS,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Status:
    """Ask until the session is not queued any more; returns how it stands. `Failed` when that takes too long."""
    begin, noted = clock(), False
    while (status := ask(session, ref, poll, sleep)).state == "queued":
        waited = clock() - begin
        if waited >= GIVE_UP_SECONDS:
            raise Failed(
                f"the session has been queued for {durations.spell(waited)}; it stays in the queue, and is followed no "
                "more",
                f"ask later: python launch.py status {run}",
            )
        if waited >= NOTE_SECONDS and not noted:
            noted = True
            say(
                f"note: queued for {durations.spell(waited)}. Kaggle does not tell its place in the queue; waiting "
                f"uses no quota, and this takes it out: python launch.py stop {run}"
            )
        show(f"queued for {durations.spell(waited)}")
        sleep(poll)
    return status
