"""Sessions on this machine: the very same bundle, in Kaggle's folders laid out under the run's own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from lib import files
from lib.errors import Failed
from lib.folders import PROJECT, cache_folder
from lib.launching.parts import Part
from lib.launching.session import KernelRef, LogRecord, Output, Status

FOLDERS = ("src", "input", "working", "temp")
STATE = "state.json"

PAUSE = 0.1
"""Seconds between looks at the log."""

START_SECONDS = 30
"""A session that is queued for longer, with no supervisor, lost its launcher before it had one."""


class LocalSession:
    """Runs the bundle in a subprocess under `folder`, watched by a supervisor that outlives this process."""

    def __init__(self, folder: Path, data: Path | None = None, mount: str = "") -> None:
        """`data` is linked to `input/<mount>`, where Kaggle would mount it."""
        self.folder = Path(folder)
        self.data = data
        self.mount = mount

    def push(self, folder: Path, timeout: int | None) -> KernelRef:
        for name in FOLDERS:
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / "kernel.py", self.folder / "src" / "script.py")
        if self.data is not None:
            link = self.folder / "input" / self.mount
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(self.data.resolve(), target_is_directory=True)
        command = [sys.executable, "-m", "lib.launching.supervisor", str(self.folder.resolve())]
        files.write_json(self.folder / STATE, {"state": "queued", "message": ""})
        with open(self.folder / "supervisor.log", "wb") as trouble:
            supervisor = subprocess.Popen(
                command + (["--timeout", str(timeout)] if timeout else []),
                cwd=PROJECT,
                env={**os.environ, "SWATH_CACHE": str(cache_folder().resolve())},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=trouble,
                start_new_session=True,
            )
        while self._state()["state"] == "queued":
            if supervisor.poll() is not None:
                raise Failed(f"the local session did not start; see {self.folder / 'supervisor.log'}")
            time.sleep(PAUSE)
        return self._ref()

    def find(self, slug: str) -> KernelRef | None:
        return self._ref() if (self.folder / STATE).is_file() else None

    def status(self, ref: KernelRef) -> Status:
        state = self._state()
        if state["state"] in ("queued", "running") and not self._supervised():
            again = self._state()  # it may have gone on between the two looks
            waited = time.time() - (self.folder / STATE).stat().st_mtime
            if again == state and (state["state"] == "running" or waited > START_SECONDS):
                return Status("failed", "the session's supervisor was killed, or the machine was restarted")
            state = again
        return Status(state["state"], state["message"])

    def logs(self, ref: KernelRef, live: bool = True) -> Iterator[LogRecord]:
        path = self.folder / "log.jsonl"
        path.touch()
        with open(path, encoding="utf-8") as log:
            half = ""
            while True:
                over = self.status(ref).over
                while line := half + log.readline():
                    if not line.endswith("\n"):
                        half = line
                        break
                    half = ""
                    record = json.loads(line)
                    yield LogRecord(record["stream_name"], record["time"], record["data"])
                if over or not live:
                    return
                time.sleep(PAUSE)

    def outputs(self, ref: KernelRef) -> list[Output]:
        working = self.folder / "working"
        found = sorted(path for path in working.rglob("*") if path.is_file())
        return [Output(path.relative_to(working).as_posix(), str(path)) for path in found]

    def download(self, output: Output, part: Part) -> None:
        with open(output.source, "rb") as source:
            shutil.copyfileobj(source, part, 1 << 20)

    def stop(self, ref: KernelRef) -> None:
        while self.status(ref).state == "queued":
            time.sleep(PAUSE)
        if self.status(ref).state == "running":
            os.kill(self._state()["supervisor"], signal.SIGTERM)
            while not self.status(ref).over:
                time.sleep(PAUSE)

    @property
    def is_tidied(self) -> bool:
        """Whether what the session left came home and was removed here."""
        return (self.folder / STATE).is_file() and not (self.folder / "working").is_dir()

    def tidy(self) -> None:
        """Remove what came home already: the scratch folder and the copies of the outputs."""
        for name in ("temp", "working"):
            shutil.rmtree(self.folder / name, ignore_errors=True)

    def _state(self) -> dict:
        return files.read_json(self.folder / STATE)

    def _ref(self) -> KernelRef:
        return KernelRef("local", self.folder.parent.name, 1, self.folder.resolve().as_uri())

    def _supervised(self) -> bool:
        """Whether the supervisor lives: it holds the lock."""
        lock = FileLock(self.folder / "lock", timeout=0)
        try:
            with lock:
                return False
        except Timeout:
            return True
