"""Follows a session to its end: the log live, then the status of the very version that was pushed.

A log stream that ends is not the end of the run: the status decides. A stream that is opened again replays from its
beginning, so records already seen are skipped by count.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from lib.errors import Failed
from lib.launching import durations
from lib.launching.session import KernelRef, LostConnection, Session, Status

POLL_SECONDS = durations.from_environment("SWATH_POLL_SECONDS", 20)
"""Between questions to Kaggle: its limits are unpublished, and it answers 429 to faster callers."""

PATIENCE = 30
"""Questions in a row that may go unanswered before following gives up; the session goes on without us."""

END_TRIES = 3
"""Tries to read the end of a finished session's log."""


@dataclass(frozen=True)
class Followed:
    """How a session ended, and whether its log was read to the end."""

    status: Status
    log_whole: bool


def follow(
    session: Session,
    ref: KernelRef,
    log: Path,
    show: Callable[[str], None],
    poll: float = POLL_SECONDS,
    sleep: Callable[[float], None] = time.sleep,
    begun: Callable[[], None] = lambda: None,
) -> Followed:
    """Show every line of the session's log, write it to `log`, and return how the session ended.

    `begun` is called once, when the session is seen to run. A log that is at home already is replaced by a longer one.
    """
    status, whole = Status("queued"), False
    log.parent.mkdir(parents=True, exist_ok=True)
    part = log.with_name(f"{log.name}.{os.getpid()}.part")
    try:
        with open(part, "w", encoding="utf-8") as file:
            reader = _Reader(session, ref, file, show, begun)
            while not status.over:
                reader.read_on()
                status = ask(session, ref, poll, sleep)
                if not status.over:
                    sleep(poll)
            for _ in range(END_TRIES):  # what was written between the last record seen and the end
                whole = reader.read_on()
                if whole:
                    break
                sleep(min(poll, 2.0))
            reader.finish()
    finally:
        if log.is_file() and log.stat().st_size > part.stat().st_size:
            part.unlink()
        else:
            part.replace(log)
    return Followed(status, whole)


def ask(session: Session, ref: KernelRef, poll: float, sleep: Callable[[float], None] = time.sleep) -> Status:
    """The session's status, asked again while no answer comes; `Failed` after `PATIENCE` times."""
    for _ in range(PATIENCE):
        try:
            return session.status(ref)
        except LostConnection as error:
            lost = error
            sleep(poll)
    raise Failed(f"no answer after {PATIENCE} tries: {lost.reason}", "the run goes on without us; ask again later")


class _Reader:
    """Reads a log that replays from its beginning, and passes on what is new."""

    def __init__(
        self,
        session: Session,
        ref: KernelRef,
        file: TextIO,
        show: Callable[[str], None],
        begun: Callable[[], None],
    ) -> None:
        self.session, self.ref, self.file, self.show, self.begun = session, ref, file, show, begun
        self.seen = 0
        self.lines = Lines()

    def read_on(self) -> bool:
        """Pass on new records until the stream ends; False when it broke off."""
        try:
            for number, record in enumerate(self.session.logs(self.ref)):
                if number < self.seen:
                    continue
                if not self.seen:
                    self.begun()
                self.seen = number + 1
                self.file.write(record.data)
                self.file.flush()
                for line in self.lines.feed(record.stream, record.data):
                    self.show(line)
        except LostConnection:
            return False
        return True

    def finish(self) -> None:
        """Pass on what stands on unfinished lines."""
        for line in self.lines.rest():
            self.show(line)


class Lines:
    """Puts records together into lines, a buffer a stream; of a line rewritten by carriage returns, its last state."""

    def __init__(self) -> None:
        self.open: dict[str, str] = {}

    def feed(self, stream: str, data: str) -> Iterator[str]:
        """The lines that `data` completes."""
        *whole, self.open[stream] = (self.open.get(stream, "") + data).split("\n")
        for line in whole:
            yield line.rstrip("\r").rsplit("\r", 1)[-1]

    def rest(self) -> Iterator[str]:
        """What stands on unfinished lines."""
        yield from (line for line in self.open.values() if line)
