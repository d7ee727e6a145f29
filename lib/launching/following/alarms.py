"""Alarms while a run is followed: what costs hours and goes unseen, each said once.

alarms = Alarms("20261120-092133-sample-4f1c", talk.print)
with ticking(alarms.tick):                       # silence makes no sound: somebody must look at the clock
    alarms.heard()                               # the session said something
    alarms.progress(progress, at=63.1)           # seconds into the session, by its log's clock
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from lib.launching import durations
from lib.launching.following.training_progress import Progress

IDLE_SHARE = 0.05
"""A GPU that computes for a smaller share of the time is idle."""

WAIT_SHARE = 0.5
"""Loaders that take a larger share of the time are the bottleneck."""

TICK_SECONDS = 0.5


@dataclass(frozen=True)
class Patience:
    """Seconds that a state may last before it is an alarm; validations and first epochs are uneven."""

    idle: float = durations.from_environment("SWATH_IDLE_SECONDS", 180)
    wait: float = durations.from_environment("SWATH_WAIT_SECONDS", 120)
    late: float = durations.from_environment("SWATH_LATE_SECONDS", 120)
    silence: float = durations.from_environment("SWATH_SILENCE_SECONDS", 600)


class Alarms:
    """Watches what a session says, and that it says something; `say` gets each alarm, once."""

    def __init__(
        self,
        run: str,
        say: Callable[[str], None],
        patience: Patience | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.run, self.say, self.patience, self.clock = run, say, patience or Patience(), clock
        self.last: float | None = None
        self.since: dict[str, float] = {}
        self.said: set[str] = set()

    def heard(self) -> None:
        """The session runs, and has just said something."""
        self.last = self.clock()

    def tick(self) -> None:
        """Look at the clock."""
        if self.last is not None and self.clock() - self.last >= self.patience.silence:
            self._once(
                "silence",
                f"no output for {durations.spell(self.patience.silence)}: the kernel may hang. See what it said last: "
                f"python launch.py logs {self.run}; to end it: python launch.py stop {self.run}",
            )

    def progress(self, progress: Progress, at: float) -> None:
        """The session says how training stands, `at` seconds by its own clock."""
        if progress.has_diverged:
            self._once(
                "loss",
                "the loss is not a number any more: try a smaller learning rate (--set train.lr) or "
                f"--set train.precision=32; to end this run: python launch.py stop {self.run}",
            )
        for number, gpu in enumerate(progress.gpus):
            if self._lasts(f"gpu{number}", gpu.use is not None and gpu.use < IDLE_SHARE, at, self.patience.idle):
                self._once(
                    "idle",
                    f"GPU {number} has been idle for {durations.spell(self.patience.idle)}: when all are, training "
                    "waits for its data or hangs; when one is, it has no rank (--set train.ranks=auto uses every GPU)",
                )
        waits = progress.data_wait is not None and progress.data_wait > WAIT_SHARE
        if self._lasts("wait", waits, at, self.patience.wait):
            self._once(
                "wait",
                f"the GPUs wait for data {progress.data_wait:.0%} of the time: more loaders (--set data.workers=4), "
                "smaller images (--set data.scale=0.5), plainer augmentation (--set data.augment=flips), or a larger "
                "cache (--set data.cache_gigabytes=40)",
            )
        if self._lasts("late", progress.is_late, at, self.patience.late):
            self._once(
                "late",
                f"training needs {durations.spell(progress.eta)} more and the session ends in "
                f"{durations.spell(progress.limit_s)}: it will stop by itself with a checkpoint; go on from it with "
                f"python launch.py --resume {self.run}, or launch with --chain N",
            )

    def _lasts(self, what: str, is_so: bool, at: float, seconds: float) -> bool:
        """Whether something has been so for `seconds` without a break."""
        if not is_so:
            self.since.pop(what, None)
            return False
        return at - self.since.setdefault(what, at) >= seconds

    def _once(self, what: str, words: str) -> None:
        if what not in self.said:
            self.said.add(what)
            self.say(f"alarm: {words}")


@contextmanager
def ticking(tick: Callable[[], None], every: float = TICK_SECONDS) -> Iterator[None]:
    """Call `tick` now and then, in a thread of its own, until the block ends."""
    over = threading.Event()

    def run() -> None:
        while not over.wait(every):
            tick()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
