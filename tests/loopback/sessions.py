"""One version of a kernel, and the process that runs it as a session does: `python script.py` in working/.

    version = server.kernels["deepglobe-train"].latest
    version.wait()                 # "COMPLETE", "ERROR" or "CANCEL_ACKNOWLEDGED"
    version.text                   # the script as pushed
    version.records[0]             # {"stream_name": "stdout", "time": 0.031, "data": "epoch 1\\n"}
    version.folder / "working"     # what it wrote

The session is over when the script ends; what it left running is killed.
"""

import codecs
import contextlib
import os
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from .mounts import Sources

ACTIVE = frozenset({"QUEUED", "RUNNING"})
MARK = "LOOPBACK_SESSION"
PROC = Path("/proc")


@dataclass(frozen=True)
class Machine:
    """What a session runs on. `record_bytes` is the most that one log record takes from a pipe."""

    python: str
    env: Mapping[str, str]
    queue_seconds: float
    record_bytes: int


class Version:
    """`metadata` is the SaveKernel request as received, but for its text; `folder` stands for /kaggle."""

    def __init__(self, number: int, metadata: dict[str, Any], text: str, folder: Path, sources: Sources):
        self.number, self.metadata, self.text, self.folder = number, metadata, text, folder
        self.sources = sources
        self.asked = datetime.now(UTC)
        self.status = "NEW_SCRIPT"
        self.failure_message = ""
        self.span = (float("inf"), float("inf"))
        """When the session took its slot and when it gave it back, in seconds of one clock."""
        self.records: list[dict[str, Any]] = []
        self._mark = uuid.uuid4().hex
        self._process: subprocess.Popen[bytes] | None = None
        self._changed = threading.Condition()
        self._cancelled = False
        self._thread: threading.Thread | None = None

    @property
    def machine_shape(self) -> str:
        """The machine that Kaggle gives: T4 x2 for the retired P100 and for `enableGpu`, "" for a CPU."""
        asked = self.metadata.get("machineShape", "")
        given_t4 = asked == "NvidiaTeslaP100" or (not asked and self.metadata.get("enableGpu"))
        return "NvidiaTeslaT4" if given_t4 else asked

    @property
    def accelerator(self) -> str:
        """Whose slots and hours the session takes: "GPU", "TPU" or "CPU"."""
        if self.machine_shape.startswith("Nvidia"):
            return "GPU"
        return "TPU" if self.machine_shape.startswith("Tpu") or self.metadata.get("enableTpu") else "CPU"

    @property
    def active(self) -> bool:
        return self.status in ACTIVE

    def start(self, machine: Machine) -> None:
        """Begin the session; with no time in the queue it is RUNNING when this returns."""
        self.status = "QUEUED" if machine.queue_seconds else "RUNNING"
        self.span = (time.monotonic(), float("inf"))
        self._thread = threading.Thread(target=self._run, args=(machine,), daemon=True)
        self._thread.start()

    def cancel(self) -> None:
        """End the session as the web site's Cancel button does, and wait for its processes to be gone."""
        with self._changed:
            self._cancelled = True
            self._changed.notify_all()
        if self._thread:
            self._kill()
            self._thread.join()

    def wait(self, timeout: float = 60.0) -> str:
        """The final status; TimeoutError when the session is still going after `timeout` seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: not self.active, timeout):
                raise TimeoutError(f"version {self.number} is still {self.status} after {timeout} s")
        return self.status

    def follow(self) -> Iterator[dict[str, Any]]:
        """Every record from the first on, each as soon as it is written, until the session is over."""
        seen = 0
        while True:
            with self._changed:
                self._changed.wait_for(lambda seen=seen: len(self.records) > seen or not self.active)
                news, over = self.records[seen:], not self.active
            yield from news
            seen += len(news)
            if over:
                return

    def outputs(self, running: bool = False) -> list[tuple[str, Path]]:
        """Names below working/, with "/" in them, and files: before the session is over only for `running`."""
        working = self.folder / "working"
        if self.active and not running:
            return []
        files = (path for path in working.rglob("*") if path.is_file())
        return sorted((path.relative_to(working).as_posix(), path) for path in files)

    def _run(self, machine: Machine) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._cancelled, machine.queue_seconds)
            if self._cancelled:
                return self._finish("CANCEL_ACKNOWLEDGED")
            self.status = "RUNNING"
            try:
                process = self._process = self._popen(machine)
            except OSError as error:
                return self._finish("ERROR", f"Your notebook could not be started: {error}.")
        started = time.monotonic()
        readers = [
            threading.Thread(target=self._read, args=(name, pipe, started, machine.record_bytes), daemon=True)
            for name, pipe in (("stdout", process.stdout), ("stderr", process.stderr))
        ]
        for reader in readers:
            reader.start()
        limit = self.metadata.get("sessionTimeoutSeconds")
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(limit)
        timed_out = process.returncode is None
        self._kill()
        code = process.wait()
        for reader in readers:
            reader.join()
        with self._changed:
            if self._cancelled:
                self._finish("CANCEL_ACKNOWLEDGED")
            elif timed_out:
                self._finish("ERROR", f"Your notebook was stopped: it exceeded its run time of {limit} seconds.")
            elif code:
                self._finish("ERROR", f"Your notebook failed: script.py exited with code {code}.")
            else:
                self._finish("COMPLETE")

    def _popen(self, machine: Machine) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [machine.python, str(self.folder / "src" / "script.py")],
            cwd=self.folder / "working",
            env={**machine.env, MARK: self._mark},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def _finish(self, status: str, message: str = "") -> None:
        with self._changed:
            self.status, self.failure_message = status, message
            self.span = (self.span[0], time.monotonic())
            self._changed.notify_all()

    def _read(self, name: str, pipe: IO[bytes], started: float, size: int) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        with pipe:
            while chunk := os.read(pipe.fileno(), size):
                self._record(name, started, decoder.decode(chunk))
        self._record(name, started, decoder.decode(b"", final=True))

    def _record(self, name: str, started: float, data: str) -> None:
        if data:
            with self._changed:
                self.records.append({"stream_name": name, "time": time.monotonic() - started, "data": data})
                self._changed.notify_all()

    def _kill(self) -> None:
        """End every process of the session, also those that left its process group, as torchrun's workers do.

        They are known by a variable in their environment. A process shows none for a moment while it starts a
        program: hence the process group first, and two looks without a find before this returns.
        """
        if self._process and (self._process.poll() is None or not PROC.exists()):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        mark = f"{MARK}={self._mark}".encode()
        quiet = 0
        while quiet < 2:
            pids = _processes_with(mark)
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            quiet = 0 if pids else quiet + 1
            time.sleep(0.005)


def _processes_with(mark: bytes) -> list[int]:
    """Ids of the processes with `mark` in their environment; one that has ended shows none."""
    found = []
    for environ in PROC.glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if mark in environ.read_bytes().split(b"\0"):
                found.append(int(environ.parent.name))
    return found
