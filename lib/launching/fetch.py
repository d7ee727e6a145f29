"""Brings a session's outputs home: to `.part` files, checked against the kernel's manifest, then renamed.

fetch(session, ref, run.outputs)      # a second call moves nothing that is already here and right
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential, wait_random

from lib import files
from lib.errors import Failed
from lib.files import MANIFEST
from lib.launching import manifest
from lib.launching.manifest import Entry
from lib.launching.session import KernelRef, LostConnection, Output, Session

AT_ONCE = 8
ATTEMPTS = 5
FIRST_PAUSE = 0.5
"""Seconds before the second attempt; each later pause is about twice as long."""


class WrongBytes(LostConnection):
    """A file arrived, and it is not the one in the manifest."""


@dataclass(frozen=True)
class Fetched:
    """How many outputs there are, and how many of them had to be moved."""

    files: int
    moved: int


def fetch(
    session: Session, ref: KernelRef, folder: Path, tick: Callable[[str, int], None] = lambda *_: None
) -> Fetched:
    """Download every output into `folder`.

    `tick(name, bytes)` hears of every file that is in place. Raises `Failed` when a file cannot be had, is not what
    the manifest says, or is named in the manifest and not listed; the files that are right stay.
    """
    for attempt in _attempts():
        with attempt:
            listing = {output.name: output for output in session.outputs(ref)}
    entries = _entries(session, ref, listing)
    wanted = sorted(
        (name for name in listing if name != MANIFEST), key=lambda name: entries[name].bytes if name in entries else 0
    )
    folder.mkdir(parents=True, exist_ok=True)

    def bring(name: str) -> int:
        target = files.inside(folder, name)
        entry = entries.get(name)  # without one nobody knows whether what is here is right
        moved = 0 if entry and entry.is_met_by(target) else _download(session, ref, listing[name], target, entry)
        tick(name, target.stat().st_size)
        return moved

    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        moved = sum(pool.map(bring, wanted))
    missing = [name for name in entries if name not in listing]
    if missing:
        raise Failed(
            f"{ref} says that it wrote {', '.join(missing[:5])}, and the place does not list it; what it lists is here",
            "fetch again",
        )
    if entries:  # last: its presence says that everything else is here
        files.write_json(folder / MANIFEST, {"files": [entry.model_dump() for entry in entries.values()]})
    return Fetched(len(wanted), moved)


def _entries(session: Session, ref: KernelRef, listing: dict[str, Output]) -> dict[str, Entry]:
    """The kernel's manifest by file name; empty when the kernel left none."""
    if MANIFEST not in listing:
        return {}
    for attempt in _attempts():
        with attempt:
            content = BytesIO()
            session.download(_fresh(session, ref, listing[MANIFEST], attempt.retry_state.attempt_number), content)
    return manifest.parse(content.getvalue(), ref)


def _download(session: Session, ref: KernelRef, output: Output, target: Path, entry: Entry | None) -> int:
    for attempt in _attempts():
        with attempt, files.replacing(target) as file:
            session.download(_fresh(session, ref, output, attempt.retry_state.attempt_number), file)
            file.flush()
            if entry and not entry.is_met_by(Path(file.name)):
                raise WrongBytes(f"{output.name} arrived damaged: it is not what the kernel's manifest says")
    return 1


def _fresh(session: Session, ref: KernelRef, output: Output, attempt: int) -> Output:
    """The output with an address that has not expired: listed again before every further attempt."""
    if attempt == 1:
        return output
    return next((again for again in session.outputs(ref) if again.name == output.name), output)


def _attempts() -> Retrying:
    return Retrying(
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_exponential(multiplier=FIRST_PAUSE, max=20) + wait_random(0, FIRST_PAUSE),
        retry=retry_if_exception_type(LostConnection),
        reraise=True,
    )
