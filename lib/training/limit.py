"""When a session must end: its time limit, a request to stop, and a watchdog for when nothing else helped.

The bundle says when the session began and after how many seconds its place ends it (`SWATH_BEGIN`, `SWATH_LIMIT`).
Training stops itself a little before, and at once when it is asked to (SIGTERM):

    limit = Limit.here()
    limit.listen()
    with limit.saving():               # from here on a first SIGTERM only asks
        while not limit.calls(needed=slowest_step):
            ...
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lib import files
from lib.training.ranks import is_rank

RESERVE = 0.1
"""Share of a session that is kept for saving the state, the summary and the manifest…"""

LONGEST_RESERVE = 120.0
"""…and the most seconds of it."""


class SessionEnds(Exception):
    """Training has to stop here; its state is whole and can be saved."""


class Interrupted(Exception):
    """A request to stop came while there was nothing to do but wait."""


class Limit:
    """The session's end; without `seconds` it has none. `clock` tells the time as `time.time` does."""

    def __init__(
        self, seconds: float | None = None, begin: float | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self.seconds = seconds
        self.clock = clock
        self.begin = clock() if begin is None else begin
        self.asked = False
        """Whether somebody asked the session to end (SIGTERM)."""
        self.ends: Callable[[], None] = lambda: None
        """Ends what this process has started; the watchdog calls it first."""
        self._saves = self._waits = False

    @classmethod
    def here(cls) -> Limit:
        """The limit of the session that this process runs in."""
        seconds, begin = os.environ.get("SWATH_LIMIT"), os.environ.get("SWATH_BEGIN")
        return cls(float(seconds) if seconds else None, float(begin) if begin else None)

    @property
    def left(self) -> float | None:
        """Seconds until the session is ended; None without a limit."""
        return None if self.seconds is None else self.begin + self.seconds - self.clock()

    @property
    def reserve(self) -> float:
        """Seconds before the limit at which training stops, whatever it is doing."""
        return min(LONGEST_RESERVE, RESERVE * (self.seconds or 0))

    def calls(self, needed: float = 0) -> bool:
        """Whether training must stop now: it was asked to, or what comes next takes `needed` seconds too many."""
        return self.asked or (self.left is not None and self.left < self.reserve + needed)

    def listen(self) -> None:
        """Take SIGTERM: it ends the process by way of every `finally`, or asks training to save and stop."""
        signal.signal(signal.SIGTERM, self._hear)

    def _hear(self, number: int, frame: Any) -> None:
        if self._saves and self.asked and is_rank():
            return  # the process that started the ranks ends them when it is asked twice
        if not self._saves or self.asked:
            sys.exit("asked to end")
        self.asked = True
        if self._waits:
            raise Interrupted

    @contextmanager
    def saving(self) -> Iterator[None]:
        """While the block runs, a first SIGTERM sets `asked`; a second one ends the process at once."""
        self._saves = True
        try:
            yield
        finally:
            self._saves = False

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """A wait that a request to stop breaks off with `Interrupted`."""
        self._waits = True
        try:
            yield
        finally:
            self._waits = False

    def guard(self, folder: Path) -> None:
        """Start the watchdog: a quarter of the reserve before the limit it ends this process, wedged or not.

        `folder` gets a manifest of what lies in it by then.
        """
        if self.left is None:
            return
        timer = threading.Timer(max(0.0, self.left - self.reserve / 4), self._bite, [folder])
        timer.daemon = True
        timer.start()

    def _bite(self, folder: Path) -> None:
        self.ends()
        for part in folder.rglob(".*.part"):  # what was being written
            part.unlink(missing_ok=True)
        print(
            f"error: the kernel still ran {self.left:.0f} s before the session's limit of {self.seconds:.0f} s, and "
            "ended itself; what it had written by then is kept",
            file=sys.stderr,
            flush=True,
        )
        files.write_manifest(folder)
        os._exit(1)
