"""The processes that train folds: the kernel again, each with a fold of its own, one after another or side by side.

    processes = FoldProcesses(Path(__file__), hear=print)
    processes.start(2, environment)
    for number, code in processes.ended():
        ...

Each is in a session of its own, so that a request to end reaches it once, from here. Its lines are heard in this
process; when this process is killed, they are, too (lib/training/ranks.py).
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

PAUSE = 0.1
"""Seconds between looks at the processes."""


class FoldProcesses:
    """The folds that train now, by their numbers."""

    def __init__(self, script: Path, hear: Callable[[int, str], None]) -> None:
        """`script`: the kernel. `hear` gets a fold's number and a line that it said."""
        self.script, self.hear = script, hear
        self.running: dict[int, tuple[subprocess.Popen[str], threading.Thread]] = {}
        self.asked = False
        """Whether somebody asked this process to end."""

    def listen(self) -> None:
        """Take SIGTERM and SIGINT: the first asks every fold to save its state and end, a second one kills them."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._asked)

    def start(self, number: int, environment: Mapping[str, str]) -> None:
        """Start a fold; `environment` is added to this process's own."""
        process = subprocess.Popen(
            [sys.executable, str(self.script)],
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        reader = threading.Thread(target=self._read, args=(number, process.stdout), daemon=True)
        reader.start()
        self.running[number] = process, reader

    def ended(self) -> Iterator[tuple[int, int]]:
        """Wait until a fold has ended, and yield all that have, each with its exit code."""
        while self.running:
            over = [number for number, (process, _) in self.running.items() if process.poll() is not None]
            for number in over:
                process, reader = self.running.pop(number)
                reader.join(timeout=5)
                process.stdout.close()
                yield number, process.returncode
            if over:
                return
            time.sleep(PAUSE)

    def ask(self) -> None:
        """Ask every fold to save its state and end."""
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """End every fold at once."""
        self._send(signal.SIGKILL)

    def _asked(self, number: int, frame: object) -> None:
        if self.asked:
            self.kill()
        else:
            self.asked = True
            self.ask()

    def _send(self, number: int) -> None:
        for process, _ in list(self.running.values()):
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)

    def _read(self, number: int, lines: Iterator[str]) -> None:
        for line in lines:
            self.hear(number, line.rstrip("\n"))


def cards(environment: Mapping[str, str], count: int) -> Sequence[str]:
    """The GPUs of this process, as CUDA_VISIBLE_DEVICES names them."""
    named = [word.strip() for word in environment.get("CUDA_VISIBLE_DEVICES", "").split(",") if word.strip()]
    return named[:count] or [str(number) for number in range(count)]
