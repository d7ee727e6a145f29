"""Carries outputs home, several at a time, each until it is whole: what broke off goes on from the bytes that came.

A file may break off as often as it likes while it grows; only tries that bring nothing are counted.
"""

from __future__ import annotations

import queue
import random
import threading
from collections.abc import Callable, Sequence

from lib.errors import SwathError
from lib.launching.fetching.manifest import Entry
from lib.launching.fetching.outputs import Listing
from lib.launching.fetching.parts import Halted, NoRoom, Part
from lib.launching.polling import POLL_SECONDS
from lib.launching.session import LostConnection, Output, Session

AT_ONCE = 32
"""Files on their way at a time: 500 small ones that are 50 ms away take 9.5 s with 4, 5.9 s with 8, 4.3 s with 16 and
3.5 s with 32, on two busy cores."""

FRUITLESS = 6
"""Tries in a row that bring no byte further, before a file is given up."""

DAMAGED = 3
"""Times that a whole file may arrive and be another than the manifest's."""

LOST = 3
"""Files that were given up, before all are: then it is the line."""

FIRST_PAUSE = 0.5
"""Seconds before the second try; each later pause is about twice as long, up to `POLL_SECONDS`."""


class WrongBytes(LostConnection):
    """A file arrived, and it is not the one in the manifest."""


def complete(session: Session, listing: Listing, part: Part, entry: Entry | None, halted: threading.Event) -> None:
    """Receive until the part is whole, and the one in the manifest when it is there.

    Raises `LostConnection` when nothing more comes, `WrongBytes` when what comes stays another file.
    """
    if entry and part.size > entry.bytes:
        part.drop()
    fruitless, damaged, furthest, stale = 0, 0, part.size, None
    while True:
        try:
            if stale:
                listing.renew(stale)
            stale = listing.output(part.name)
            _receive(session, part, entry, stale)
            return
        except WrongBytes:
            damaged, furthest = damaged + 1, 0
            if damaged == DAMAGED:
                raise
        except LostConnection:
            fruitless = 0 if part.size > furthest else fruitless + 1
            furthest = max(furthest, part.size)
            if fruitless == FRUITLESS:
                raise
        if halted.wait(min(POLL_SECONDS, FIRST_PAUSE * 2**fruitless * random.uniform(1, 1.5))):
            raise Halted


def _receive(session: Session, part: Part, entry: Entry | None, output: Output) -> None:
    """One try."""
    if not (entry or part.etag):
        part.drop()  # nobody could tell whether the rest fits
    if not (entry and part.size and part.size == entry.bytes):
        with part.receiving():
            session.download(output, part)
    if entry and not entry.is_met_by(part.path):
        part.drop()
        raise WrongBytes(f"{output.name} arrived damaged: it is not what the kernel's manifest says")


def for_each(work: Callable[[str], bool], names: Sequence[str], halted: threading.Event) -> int:
    """Do the work for every name, `AT_ONCE` at a time; returns how often it said True.

    A file that cannot be had does not keep the others from coming; its error comes when they have. A full disk, a dead
    line and Ctrl-C end it at once and set `halted`: no thread is waited for that hangs in the network.
    """
    todo: queue.SimpleQueue[str] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[bool, BaseException | None]] = queue.SimpleQueue()
    lost: list[SwathError] = []

    def loop() -> None:
        while not (halted.is_set() or todo.empty()):
            try:
                done.put((work(todo.get_nowait()), None))
            except queue.Empty:
                return
            except SwathError as error:
                lost.append(error)
                done.put((False, None))
                if isinstance(error, NoRoom) or _line_is_dead(lost):
                    done.put((False, error))
                    halted.set()
            except BaseException as error:
                done.put((False, error))

    for name in names:
        todo.put(name)
    for _ in range(min(AT_ONCE, len(names))):
        threading.Thread(target=loop, daemon=True).start()
    count = 0
    try:
        for _ in names:
            did, error = done.get()
            count += did
            if error:
                raise error
    except SwathError:
        pass  # the others would fare no better
    finally:
        halted.set()
    if lost:
        more = f"; and so did {len(lost) - 1} more" if len(lost) > 1 else ""
        raise type(lost[0])(lost[0].reason + more, lost[0].hint or "fetch again: it goes on from what came")
    return count


def _line_is_dead(lost: list[SwathError]) -> bool:
    """Whether so many files were given up that it cannot be the files."""
    broken = [error for error in lost if isinstance(error, LostConnection) and not isinstance(error, WrongBytes)]
    return len(broken) >= LOST
