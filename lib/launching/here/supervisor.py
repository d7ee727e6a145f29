"""Watches over one local session, in a process of its own: it outlives the launcher.

    python -m lib.launching.here.supervisor runs/<id>/session --timeout 3600

It runs src/script.py in working/, writes its output as records to log.jsonl, and its state to state.json. A lock
file is held as long as it lives, so anyone can tell a running session from one whose supervisor was killed.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from filelock import FileLock

from lib import files
from lib.launching import durations

GRACE = durations.from_environment("SWATH_GRACE_SECONDS", 30)
"""Seconds between asking a kernel to end and killing it."""

PR_SET_PDEATHSIG = 1
"""prctl(2)."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--timeout", type=int)
    arguments = parser.parse_args()
    with FileLock(arguments.folder / "lock"):
        Supervisor(arguments.folder, arguments.timeout).run()


class Supervisor:
    """One kernel process, its log and its end."""

    def __init__(self, folder: Path, timeout: int | None) -> None:
        self.folder = folder
        self.timeout = timeout
        self.begin = time.monotonic()
        self.ending: tuple[str, str] | None = None
        self.ended = 0.0
        self.writing = threading.Lock()

    def run(self) -> None:
        """Run the kernel to its end and write down how it ended."""
        process = subprocess.Popen(
            [sys.executable, str(self.folder / "src" / "script.py")],
            cwd=self.folder / "working",
            env={name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda caught, frame: self.end(process, "stopped", "stopped by request"))
        self.state("running", "")
        with open(self.folder / "log.jsonl", "a", encoding="utf-8") as log:
            readers = [
                threading.Thread(target=self.copy, args=(name, pipe, log), daemon=True)
                for name, pipe in (("stdout", process.stdout), ("stderr", process.stderr))
            ]
            for reader in readers:
                reader.start()
            self.wait(process)
            for reader in readers:
                reader.join(timeout=5)
        code = process.returncode
        state, message = self.ending or (("complete", "") if code == 0 else ("failed", _cause(code)))
        self.state(state, message)

    def wait(self, process: subprocess.Popen) -> None:
        """Wait for the kernel; at the time limit, end it."""
        while process.poll() is None:
            time.sleep(0.1)
            if self.timeout and self.ending is None and time.monotonic() - self.begin > self.timeout:
                self.end(process, "failed", f"the session's time limit of {self.timeout} s was reached")
            if self.ending and time.monotonic() - self.ended > GRACE:
                _signal(process, signal.SIGKILL)

    def end(self, process: subprocess.Popen, state: str, message: str) -> None:
        """Ask the kernel and all its children to end; `wait` kills them when they do not."""
        if self.ending is None:
            self.ending, self.ended = (state, message), time.monotonic()
            _signal(process, signal.SIGTERM)

    def copy(self, stream: str, pipe, log) -> None:
        """Turn what arrives on a pipe into records."""
        while chunk := pipe.read1(65536):
            text = chunk.decode("utf-8", "replace")
            record = {"stream_name": stream, "time": round(time.monotonic() - self.begin, 3), "data": text}
            with self.writing:
                log.write(json.dumps(record) + "\n")
                log.flush()

    def state(self, state: str, message: str) -> None:
        """Write down how the session stands."""
        files.write_json(self.folder / "state.json", {"state": state, "message": message, "supervisor": os.getpid()})


def _end_with_parent() -> None:
    """In the kernel's process: be asked to end when the supervisor is killed, where the system can (Linux)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _signal(process: subprocess.Popen, number: int) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return


def _cause(code: int) -> str:
    if code >= 0:
        return f"the kernel ended with exit code {code}"
    name = signal.Signals(-code).name
    return f"the kernel was killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")


if __name__ == "__main__":
    main()
