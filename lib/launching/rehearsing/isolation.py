"""Runs a process that reaches no network.

how = best()                                             # "namespace" on a Linux that permits it, else "python"
run([sys.executable, "script.py"], folder, environment, how, timeout=60, show=print)
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

Way = Literal["namespace", "python"]

UNSHARE = ("unshare", "--map-root-user", "--net", "--")

WORDS: dict[Way, str] = {
    "namespace": "without any network interface (unshare --net)",
    "python": "with Python's sockets refused (this system permits no network namespace)",
}

BLOCK = '''"""Refuses every connection but those within this machine's own files."""
import socket

REASON = "the rehearsal has no network"


def refuse(*words, **more):
    raise OSError(REASON)


class Socket(socket.socket):
    def connect(self, address):
        return super().connect(address) if self.family == getattr(socket, "AF_UNIX", None) else refuse()

    def connect_ex(self, address):
        return super().connect_ex(address) if self.family == getattr(socket, "AF_UNIX", None) else refuse()

    def sendto(self, *words):
        return super().sendto(*words) if self.family == getattr(socket, "AF_UNIX", None) else refuse()


socket.socket = Socket
socket.getaddrinfo = socket.create_connection = refuse
'''


def best() -> Way:
    """The best way that this system permits."""
    if sys.platform != "linux" or not shutil.which(UNSHARE[0]):
        return "python"
    tried = subprocess.run([*UNSHARE, "true"], capture_output=True)
    return "namespace" if tried.returncode == 0 else "python"


def run(
    command: list[str],
    folder: Path,
    environment: Mapping[str, str],
    way: Way,
    timeout: float | None,
    show: Callable[[str], None],
) -> int | None:
    """Run a command in `folder`, each line of what it says to `show`; its exit code, None when `timeout` ended it.

    `folder.parent` takes what blocks Python's sockets. Ctrl-C ends the command too.
    """
    environment = dict(environment)
    if way == "namespace":
        command = [*UNSHARE, *command]
    else:
        block = folder.parent / "no-network"
        block.mkdir(exist_ok=True)
        (block / "sitecustomize.py").write_text(BLOCK, encoding="utf-8")
        environment["PYTHONPATH"] = str(block)
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    late = threading.Event()
    timer = threading.Timer(timeout or 0, lambda: (late.set(), _kill(process)))
    if timeout:
        timer.start()
    try:
        with process.stdout:
            for line in process.stdout:
                show(line.rstrip("\n"))
        code = process.wait()
    finally:
        timer.cancel()
        _kill(process)
        process.wait()
    return None if late.is_set() else code


def _kill(process: subprocess.Popen) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
