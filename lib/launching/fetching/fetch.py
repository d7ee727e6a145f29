"""Brings a session's outputs home: several at a time, small ones first, checked against the kernel's manifest.

fetch(session, ref, run.outputs)                      # a second call moves nothing that is already here and right
fetch(session, ref, run.outputs, only=["*.csv"])      # these alone

What has not come whole lies in `parts.py`'s hidden folder, and the next fetch goes on from it.
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from lib import files
from lib.errors import Failed
from lib.files import MANIFEST
from lib.launching.alone import alone
from lib.launching.fetching import manifest, transfer
from lib.launching.fetching.manifest import Entry
from lib.launching.fetching.outputs import Listing, chosen, places
from lib.launching.fetching.parts import Parts, need_room
from lib.launching.polling import POLL_SECONDS
from lib.launching.session import KernelRef, LostConnection, Session


@dataclass(frozen=True)
class Fetched:
    """How many outputs there are of those that were wanted, how many had to be moved, and whether all is home now."""

    files: int
    moved: int
    whole: bool


class Watch:
    """Hears how a fetch goes on; this one does nothing with it."""

    def waits(self) -> None:
        """Another process fetches the same outputs; this one begins when that one is through."""

    def begins(self, count: int, size: int | None) -> None:
        """So many files are wanted; their bytes when the manifest says them."""

    def moved(self, size: int) -> None:
        """Bytes came, were here already, or (negative) were dropped again."""

    def placed(self, name: str) -> None:
        """A file is in its place."""


def fetch(
    session: Session,
    ref: KernelRef,
    folder: Path,
    only: Collection[str] = (),
    settled: bool = False,
    watch: Watch | None = None,
) -> Fetched:
    """Download every output, or those whose whole name fits a pattern of `only`, into `folder`.

    `settled`: the session was over when all of this came home, so when it is still right here, nobody is asked. Raises
    `UsageError` when no output fits, `Failed` when one cannot be had, is not what the manifest says, has a name that
    cannot be here, or is named in the manifest and not listed; the files that are right stay, and what came of others.
    """
    watch = watch or Watch()
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder.with_name(f"{folder.name}.lock"), watch.waits):
        if settled and (here := _all_here(folder, only)) is not None:
            return Fetched(here, 0, whole=True)
        for attempt in Retrying(
            stop=stop_after_attempt(transfer.FRUITLESS),
            wait=wait_exponential(multiplier=transfer.FIRST_PAUSE, max=POLL_SECONDS),
            retry=retry_if_exception_type(LostConnection),
            reraise=True,
        ):
            with attempt:
                listing = Listing(session, ref)
        targets = places(folder, listing.names)
        wanted = chosen([name for name in listing.names if name != MANIFEST], only)
        parts = Parts(folder)
        try:
            fetched = _Fetch(session, ref, folder, listing, targets, parts, watch).run(wanted, whole=not only)
        except BaseException:
            parts.halted.set()
            parts.close(complete=False)
            raise
        parts.close(complete=fetched.whole)
        return fetched


@dataclass(frozen=True)
class _Fetch:
    """One fetch, after it was settled what is where."""

    session: Session
    ref: KernelRef
    folder: Path
    listing: Listing
    targets: dict[str, Path]
    parts: Parts
    watch: Watch

    def run(self, wanted: list[str], whole: bool) -> Fetched:
        """Bring the wanted files home; with `whole`, write down that all is here."""
        entries = self._entries()
        sizes = {name: entry.bytes for name, entry in entries.items()}
        wanted = sorted(wanted, key=lambda name: sizes.get(name, 0))
        self._check_room(wanted, sizes)
        self.watch.begins(len(wanted), sum(map(sizes.get, wanted)) if sizes.keys() >= set(wanted) else None)
        self.parts.moved = self.watch.moved
        moved = transfer.for_each(lambda name: self._bring(name, entries.get(name)), wanted, self.parts.halted)
        if whole:
            self._conclude(entries)
        return Fetched(len(wanted), moved, whole)

    def _entries(self) -> dict[str, Entry]:
        """The kernel's manifest by file name; empty when the kernel left none."""
        if MANIFEST not in self.targets:
            return {}
        part = self.parts.of(MANIFEST, self.targets[MANIFEST])
        transfer.complete(self.session, self.listing, part, None, self.parts.halted)
        content = part.path.read_bytes()
        part.drop()
        return manifest.parse(content, self.ref)

    def _check_room(self, wanted: list[str], sizes: dict[str, int]) -> None:
        """`Failed` when what is still to come does not fit."""
        missing = 0
        for name in wanted:
            target = self.targets[name]
            if name in sizes and not (target.is_file() and target.stat().st_size == sizes[name]):
                missing += max(0, sizes[name] - self.parts.size_of(name))
        need_room(self.folder, missing)

    def _bring(self, name: str, entry: Entry | None) -> bool:
        """Whether a file had to be moved; without an entry nobody knows whether what is here is right."""
        target = self.targets[name]
        if entry and entry.is_met_by(target):
            self.watch.moved(entry.bytes)
        else:
            part = self.parts.of(name, target)
            self.watch.moved(part.size)
            transfer.complete(self.session, self.listing, part, entry, self.parts.halted)
            (self.folder / MANIFEST).unlink(missing_ok=True)  # what it says is true again when all is here
            part.finish()
            self.watch.placed(name)
            return True
        self.watch.placed(name)
        return False

    def _conclude(self, entries: dict[str, Entry]) -> None:
        """Write manifest.json: its presence says that everything else is here."""
        missing = [name for name in entries if name not in self.targets]
        if missing:
            raise Failed(
                f"{self.ref} says that it wrote {', '.join(missing[:5])}, and the place does not list it; "
                "what it lists is here",
                "fetch again",
            )
        if entries:
            besides = [name for name in self.targets if name not in entries and name != MANIFEST]
            whole = [*entries.values(), *(Entry.of(name, self.targets[name]) for name in besides)]
            files.write_json(self.folder / MANIFEST, {"files": [entry.model_dump() for entry in whole]})


def _all_here(folder: Path, only: Collection[str]) -> int | None:
    """How many wanted files there are by the manifest that came home; None when one of them is not here and right."""
    if not (folder / MANIFEST).is_file():
        return None
    try:
        entries = manifest.parse((folder / MANIFEST).read_bytes(), folder / MANIFEST)
    except Failed:
        return None
    wanted = chosen(entries, only)
    met = transfer.for_each(lambda name: entries[name].is_met_by(files.inside(folder, name)), wanted, threading.Event())
    return met if met == len(wanted) else None
