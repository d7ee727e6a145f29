"""Runs a kernel as a process of its own session that ends with whoever started it.

A signal to the group of the parent does not reach it, so it hears each request once; when the parent is gone, however
that came, it is asked to end:

    process = leashed(Path("kernels/train.py"), environment)
    python -m lib.tuning.leash PARENT kernels/train.py            # what that runs
"""

from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from lib.training.ranks import end_with_parent


def leashed(script: Path, environment: Mapping[str, str], **more: Any) -> subprocess.Popen:
    """Start `script` as a program; `more` goes to `subprocess.Popen`."""
    command = [sys.executable, "-m", "lib.tuning.leash", str(os.getpid()), str(script)]
    return subprocess.Popen(command, env=dict(environment), start_new_session=True, **more)


def ask(process: subprocess.Popen) -> None:
    """Ask it to end."""
    with suppress(ProcessLookupError):
        process.terminate()


def end(process: subprocess.Popen, seconds: float) -> None:
    """Wait until it has ended, but no longer than `seconds`; then end it, and what it started in its session."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def alone(script: Path, mark: str) -> int:
    """Run `script` on a leash, with `mark` set in its environment; a first SIGTERM or SIGINT is passed on, once.

    Returns its exit code. Ray's processes then hear nothing of a signal to the session's group, which would end them
    before the trials have saved their state.
    """
    process = leashed(script, {**os.environ, mark: "1"})
    asked = []

    def pass_on(number: int, frame: Any) -> None:
        if not asked:
            asked.append(number)
            ask(process)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, pass_on)
    code = process.wait()
    return code if code >= 0 else 128 - code


def main() -> None:
    parent, script = int(sys.argv[1]), sys.argv[2]
    end_with_parent(signal.SIGTERM)
    if os.getppid() != parent:  # it was gone before
        sys.exit("asked to end")
    sys.argv = [script]
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main()
