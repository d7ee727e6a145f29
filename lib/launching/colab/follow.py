"""Follows a kernel on a Colab machine to its end: by the cell's own output, and where that broke off, by its files.

The command's connection can end, or fall silent for ever, while the cell goes on; the machine's log has what was
missed.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from lib import files
from lib.errors import SwathError
from lib.launching import durations
from lib.launching.colab.command import ColabCommand, NotThere
from lib.launching.colab.outputs import bring_home
from lib.launching.polling import POLL_SECONDS
from lib.launching.session import LostConnection

SILENCE = durations.from_environment("SWATH_SILENCE_SECONDS", 120)
"""Seconds without a word, where the machine gives a sign of life every few: the connection is lost."""

DEAD_BEATS = 30
"""Looks in a row that find no new sign of life before the machine's kernel is taken for dead."""

AFTER = 3600
"""Seconds that installing, sending and packing may take beyond the session's own limit."""

UNSTARTED_LOOKS = 5
"""Looks in a row that find no trace of the cell before it is taken for one that was never started."""

ENDING_SECONDS = 300
"""Seconds that a run that was asked to end may take for it."""


class Follower:
    """What a machine has said so far, in log.jsonl, and how its kernel ended."""

    def __init__(
        self, colab: ColabCommand, machine: str, folder: Path, limit: int, asked_to_end: Callable[[], bool]
    ) -> None:
        self.colab, self.machine, self.folder, self.asked_to_end = colab, machine, folder, asked_to_end
        self.timeout = limit + AFTER
        self.deadline = time.monotonic() + self.timeout
        self.log = folder / "log.jsonl"
        self.records = self._mend()
        self.ended: dict | None = None
        self.told: bool | None = None
        self.packs = 0
        self.is_lost = False

    def listen(self, cell: Path) -> None:
        """Run the cell and write down what it says, until it ends or is heard no more."""
        with open(self.folder / "supervisor.log", "ab") as trouble:
            process = self.colab.cell(self.machine, cell, self.timeout, trouble.fileno())
            try:
                self._read(process, trouble)
            except OSError:  # a full disk here: the log on the machine waits for a better time
                return
            finally:
                process.kill()
                process.wait()
                process.stdout.close()

    def end(self) -> tuple[str, str]:
        """Wait for the kernel's end: how it ended, and why."""
        beats, looks = -1, 0
        while not (self.ended and self.records >= self.ended["records"]):
            try:
                state = self._look()
                looks = looks + 1 if state["beats"] == beats else 0
                beats = state["beats"]
                if state["packs"] > self.packs:
                    self.packs = state["packs"]
                    self._keep()
                if state["records"] > self.records:
                    self._catch_up()
                if state["state"] != "running":
                    self.ended = state
                    continue
                if looks > DEAD_BEATS:
                    return "failed", "the machine gives no sign of life any more"
            except (NotThere, LostConnection, ValueError, OSError) as error:
                looks += 1
                if self._is_gone():
                    self.is_lost = True
                    return "failed", "Colab ended the machine before the kernel did, and what had not come home is gone"
                if isinstance(error, NotThere) and looks > UNSTARTED_LOOKS:
                    self.is_lost = True
                    return "failed", f"the machine did not start the kernel; see {self.folder / 'supervisor.log'}"
            if time.monotonic() > self.deadline:
                if self.told is not None:
                    return "stopped", "stopped by request, before the kernel had answered"
                return "failed", "the machine was out of reach until after its time limit"
            self._tell()
            time.sleep(POLL_SECONDS)
        return self.ended["state"], self.ended["message"]

    def _read(self, process: subprocess.Popen, trouble) -> None:
        """Lines of the cell: records, signs of life, the end; the command's own words are trouble."""
        heard, half = time.monotonic(), b""
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while time.monotonic() - heard < SILENCE and time.monotonic() < self.deadline:
                self._tell()
                if not selector.select(timeout=0.2):
                    continue
                chunk = os.read(process.stdout.fileno(), 1 << 16)
                if not chunk:
                    return
                *lines, half = (half + chunk).split(b"\n")
                for line in lines:
                    self._line(line, trouble)
                heard = time.monotonic()

    def _line(self, line: bytes, trouble) -> None:
        word, _, content = line.partition(b" ")
        try:
            match word:
                case b"@log":
                    self._add([content])
                case b"@end":
                    self.ended = json.loads(content)
                case b"@packed":
                    self._keep()
                case b"@beat":
                    return
                case _:
                    trouble.write(line + b"\n")
        except ValueError:  # damaged on its way: the machine's files have it whole
            trouble.write(line + b"\n")

    def _keep(self) -> None:
        """Bring home what the kernel has written so far: Colab may take the machine at any time."""
        with suppress(SwathError):
            bring_home(self.colab, self.machine, self.folder / "working", patience=0)

    def _add(self, lines: list[bytes]) -> None:
        """Write the records that come next; those that were seen are passed over, and so are those after a gap."""
        with open(self.log, "ab") as log:
            for line in lines:
                if json.loads(line)["n"] == self.records:
                    log.write(line + b"\n")
                    self.records += 1

    def _tell(self) -> None:
        """When the run is to end, say so to the machine, once; and do not wait for ever."""
        if self.told or not self.asked_to_end():
            return
        if self.told is None:
            self.told = False
            self.deadline = min(self.deadline, time.monotonic() + ENDING_SECONDS)
        note = self.folder / "stop-note"
        files.write(note, "stop")
        try:
            self.colab.upload(self.machine, note, "content/swath-stop")
        except LostConnection:
            return
        self.told = True

    def _look(self) -> dict:
        return json.loads(self.colab.content(self.machine, "swath-state.json"))

    def _catch_up(self) -> None:
        lines = self.colab.content(self.machine, "swath-log.jsonl").split(b"\n")
        self._add(lines[:-1])

    def _is_gone(self) -> bool:
        """Whether the account has no such machine any more, by the server's word."""
        try:
            return not self.colab.holds(self.machine)
        except LostConnection:
            return False

    def _mend(self) -> int:
        """Drop half a line that a killed supervisor left; how many records there are."""
        content = self.log.read_bytes() if self.log.is_file() else b""
        whole = content[: content.rfind(b"\n") + 1]
        if whole != content:
            files.write(self.log, whole)
        return whole.count(b"\n")
