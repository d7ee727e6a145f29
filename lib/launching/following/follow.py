"""Follows a session to its end: the log live, then the status of the very version that was pushed.

A log stream that ends is not the end of the run: the status decides. A stream that is opened again replays from its
beginning, so records already seen are skipped by count. While the stream is refused, the status is asked all the same.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lib.errors import Failed
from lib.launching.following.log_file import Keeper
from lib.launching.polling import PATIENCE, POLL_SECONDS
from lib.launching.session import KernelRef, LostConnection, NotThere, Session, Status, StreamRefused

END_TRIES = 3
"""Tries to read the end of a finished session's log."""

STREAM_REST = 300.0
"""The longest pause, in seconds, before a stream that was refused is tried again; each refusal doubles it."""

LOOKS = 4
"""Times in a row that a kernel must be missing before it counts as deleted: a fresh one is not known everywhere."""

LOOK_SECONDS = 15.0
"""Between these looks."""

DELETED = "the kernel was deleted elsewhere"


@dataclass(frozen=True)
class Followed:
    """How a session ended, and whether its log was read to the end."""

    status: Status
    log_whole: bool


def follow(
    session: Session,
    ref: KernelRef,
    log: Path | Keeper,
    show: Callable[[str], None],
    poll: float = POLL_SECONDS,
    sleep: Callable[[float], None] = time.sleep,
) -> Followed:
    """Show every line of the session's log, keep it in `log`, and return how the session ended."""
    keeper = log if isinstance(log, Keeper) else Keeper(log)
    return Follower(session, ref, keeper, lambda line, seconds: show(line), poll, sleep).to_end()


def ask(session: Session, ref: KernelRef, poll: float, sleep: Callable[[float], None] = time.sleep) -> Status:
    """The session's status, asked again while no answer comes; `Failed` after `PATIENCE` times."""
    for _ in range(PATIENCE):
        try:
            return look(session, ref, poll, sleep)
        except LostConnection as error:
            lost = error
            sleep(poll)
    raise Failed(f"no answer after {PATIENCE} tries: {lost.reason}", "the run goes on without us; ask again later")


def look(
    session: Session, ref: KernelRef, poll: float = POLL_SECONDS, sleep: Callable[[float], None] = time.sleep
) -> Status:
    """The session's status, asked once; a kernel that its place has no more, however often it is asked, is gone.

    Raises `NotThere` when the place has the kernel and does not say how it stands.
    """
    for tries in range(LOOKS):
        try:
            return session.status(ref)
        except NotThere as error:
            if session.find(ref.slug) is not None:
                raise NotThere(error.reason, "ask again, or look at the kernel's page") from None
        if tries < LOOKS - 1:
            sleep(min(poll, LOOK_SECONDS))
    return Status("stopped", DELETED, is_gone=True)


class Follower:
    """Reads a log that replays from its beginning, and passes on what is new; interrupted, it can go on."""

    def __init__(
        self,
        session: Session,
        ref: KernelRef,
        keeper: Keeper,
        show: Callable[[str, float], None],
        poll: float = POLL_SECONDS,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`show` gets each line, and when it was said: seconds into the session."""
        self.session, self.ref, self.keeper, self.show = session, ref, keeper, show
        self.poll, self.sleep, self.clock = poll, sleep, clock
        self.seen = 0
        self.time = 0.0
        self.refusals, self.next_try = 0, 0.0

    def to_end(self) -> Followed:
        """Follow until the session is over, and read what its log says until then."""
        status = Status("queued")
        while not status.over:
            if self.clock() >= self.next_try:
                self.read_on()
            status = ask(self.session, self.ref, self.poll, self.sleep)
            if not status.over:
                self.sleep(self.poll)
        whole = status.is_gone
        for _ in range(0 if whole else END_TRIES):  # what was written between the last record seen and the end
            whole = self.read_on()
            if whole:
                break
            self.sleep(min(self.poll, 2.0))
        if whole and not status.is_gone:
            self.keeper.file.path.touch()  # a session may say nothing at all
        for line in self.keeper.rest():
            self.show(line, self.time)
        return Followed(status, whole and self.keeper.file.is_whole)

    def read_on(self) -> bool:
        """Pass on new records until the stream ends; False when it broke off, or gave less than it did before."""
        count = 0
        try:
            for record in self.session.logs(self.ref):
                count += 1
                if count <= self.seen:
                    continue
                with unbroken():
                    self.seen, self.time = count, record.time
                    for line in self.keeper.take(record):
                        self.show(line, record.time)
        except StreamRefused:
            self.refusals += 1
            self.next_try = self.clock() + min(STREAM_REST, self.poll * 2**self.refusals)
            return False
        except LostConnection:
            return False
        self.refusals = 0
        return count >= self.seen


@contextmanager
def unbroken() -> Iterator[None]:
    """Hold a Ctrl-C back until the block's end, so that no line is lost or said twice."""
    usual = signal.getsignal(signal.SIGINT)
    if usual is not signal.default_int_handler or threading.current_thread() is not threading.main_thread():
        yield
        return
    caught: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: caught.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
    if caught:
        raise KeyboardInterrupt
