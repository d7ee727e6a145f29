"""The one seam between the kit and the places where kernels run.

A place is a class with the five methods of `Session`: `local.py` runs the bundle on this machine, `kaggle.py` on
Kaggle. Everything above it (follow, fetch, the commands) knows this seam only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from lib.errors import Failed, Refused, SwathError
from lib.launching.fetching.parts import Part

State = Literal["queued", "running", "complete", "failed", "stopped", "unknown"]


@dataclass(frozen=True)
class KernelRef:
    """A pushed kernel: whose, its slug, and which version."""

    owner: str
    slug: str
    version: int
    url: str = ""

    def __str__(self) -> str:
        return f"{self.owner}/{self.slug} v{self.version}"


@dataclass(frozen=True)
class Status:
    """How a session stands, and why when it failed."""

    state: State
    message: str = ""
    is_gone: bool = False
    """Whether its place keeps nothing of it any more."""

    @property
    def over(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in ("complete", "failed", "stopped")


@dataclass(frozen=True)
class LogRecord:
    """A piece of a session's output; records do not end where lines do."""

    stream: str
    time: float
    data: str


@dataclass(frozen=True)
class Output:
    """A file that the session left; `source` is what the session's `download` needs to get it."""

    name: str
    source: str


class LostConnection(SwathError):
    """A request, a stream or a download broke off; whether the other side acted is not known."""


class StreamRefused(LostConnection):
    """The place gives no log now, though the session may well be there: asked again at once, it would say the same."""


class Unreachable(LostConnection):
    """No connection came about at all, so the other side was asked nothing."""


class NotThere(Failed):
    """The other side has no such thing, or does not show it to this user: Kaggle does not tell the two apart."""


class NoSlot(Refused):
    """As many sessions run as the place allows at a time; nothing was started."""


class Offline(Refused):
    """The place was not reached, so nothing was started; later it may be."""


class Unanswered(LostConnection):
    """No answer came in time; the other side may still be at work."""


class Busy(LostConnection):
    """Too many requests; `seconds` is how long the other side asks us to wait, 0 when it does not say."""

    seconds = 0.0


class Session(Protocol):
    """A place where bundles run."""

    def push(self, folder: Path, timeout: int | None) -> KernelRef:
        """Start what `folder` holds (kernel.py, kernel-metadata.json); `Refused` when the place does not take it."""

    def find(self, slug: str) -> KernelRef | None:
        """The kernel of a push whose answer was not heard; None when the place has no such kernel."""

    def status(self, ref: KernelRef) -> Status:
        """How the pushed version stands."""

    def logs(self, ref: KernelRef, live: bool = True) -> Iterator[LogRecord]:
        """The log from its beginning; `live`: and on until the session ends. `LostConnection` when it breaks off."""

    def outputs(self, ref: KernelRef) -> list[Output]:
        """Every file that the session left."""

    def download(self, output: Output, part: Part) -> None:
        """Write one output's bytes to `part`: all of them, or behind `part.begin` the rest; `LostConnection` when it
        broke off."""

    def stop(self, ref: KernelRef) -> None:
        """End the session."""
