"""The log at home: what a session's records say, in `log.txt` and `metrics.csv`, however often they are read.

keeper = Keeper.of(run)
for record in session.logs(ref):
    for line in keeper.take(record):
        print(line)

A log is the same bytes each time that it is replayed, so each record has its place in the file. Whoever reads a record
first writes it there, at once: two followers do not double it, and a follower that is killed leaves what it has read.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock

from lib.launching.following.metrics_file import MetricsFile
from lib.launching.following.training_progress import parse
from lib.launching.runs import Run
from lib.launching.session import KernelRef, LogRecord, Session


class Keeper:
    """Takes a session's records from the first one on: keeps them, and puts them together into lines."""

    def __init__(self, log: Path, start: int = 0, session: int = 1) -> None:
        """`start`: bytes of `log` that earlier sessions wrote; `session`: its number in the run, from 1."""
        self.file = LogFile(log, start)
        self.metrics = MetricsFile(log.with_name("metrics.csv"), session)
        self.lines = Lines()

    @classmethod
    def of(cls, run: Run) -> Keeper:
        """For the latest session of a run."""
        attempts = run.read()["attempts"]
        return cls(run.log, attempts[-1].get("log_start", 0), len(attempts))

    def take(self, record: LogRecord) -> list[str]:
        """Keep the next record; returns the lines that it completes."""
        self.file.write(record.data)
        lines = list(self.lines.feed(record.stream, record.data))
        for line in lines:
            progress = parse(line)
            if progress is not None:
                self.metrics.add(progress, record.time)
        return lines

    def rest(self) -> list[str]:
        """What stands on unfinished lines."""
        return list(self.lines.rest())


class LogFile:
    """A session's part of a log: everything behind its first `start` bytes."""

    def __init__(self, path: Path, start: int = 0) -> None:
        self.path, self.at = Path(path), start
        self.known = start
        self.lock = FileLock(self.path.with_name("log.lock"))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if start:
            with self.lock, open(self.path, "ab") as file:
                file.write(b"\n" * (start - file.tell()))  # for lines of earlier sessions that somebody removed

    def write(self, data: str) -> None:
        """The session's next words; bytes that are there already stay."""
        content = data.encode("utf-8", "replace")
        begin, self.at = self.at, self.at + len(content)
        if self.at <= self.known:
            return
        with self.lock, open(self.path, "ab") as file:
            size = file.tell()
            if begin <= size < self.at:  # past a gap nothing is written: the next replay fills it
                file.write(content[size - begin :])
            self.known = max(size, self.at) if begin <= size else size

    @property
    def is_whole(self) -> bool:
        """Whether all that was written here is in the file."""
        return (self.path.stat().st_size if self.path.is_file() else 0) >= self.at


class Lines:
    """Puts records together into lines, a buffer a stream; of a line rewritten by carriage returns, its last state."""

    def __init__(self) -> None:
        self.open: dict[str, str] = {}

    def feed(self, stream: str, data: str) -> Iterator[str]:
        """The lines that `data` completes."""
        *whole, rest = (self.open.get(stream, "") + data).split("\n")
        self.open[stream] = _last_state(rest) + ("\r" if rest.endswith("\r") else "")
        yield from map(_last_state, whole)

    def rest(self) -> Iterator[str]:
        """What stands on unfinished lines."""
        yield from filter(None, map(_last_state, self.open.values()))


def _last_state(line: str) -> str:
    return line.rstrip("\r").rsplit("\r", 1)[-1]


def so_far(run: Run, session: Session, ref: KernelRef) -> Iterator[LogRecord]:
    """A session's records up to now, each kept in the run's folder before it is passed on."""
    keeper = Keeper.of(run)
    for record in session.logs(ref, live=False):
        keeper.take(record)
        yield record


def earlier(run: Run) -> str:
    """What the run's sessions before the latest one said."""
    start = run.read()["attempts"][-1].get("log_start", 0)
    if not start or not run.log.is_file():
        return ""
    with open(run.log, "rb") as file:
        return file.read(start).decode("utf-8", "replace")


def tail(run: Run, size: int = 1 << 16) -> str:
    """The last `size` bytes of what the run's latest session said, as far as it was read."""
    if not run.log.is_file():
        return ""
    start = run.read()["attempts"][-1].get("log_start", 0)
    with open(run.log, "rb") as file:
        whole = file.seek(0, 2)
        file.seek(max(min(start, whole), whole - size))
        return file.read().decode("utf-8", "replace")
