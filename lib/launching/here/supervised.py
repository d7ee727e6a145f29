"""A session in a folder of this machine, watched over by a process of its own that outlives the launcher.

The folder says everything, to any process: state.json how it stands, log.jsonl its output as records, working/ what
it left, and a lock that is held as long as the supervisor lives. `local.py` and `colab.py` are such places.
"""

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
from lib.folders import PROJECT, cache_folder
from lib.launching.fetching.parts import Part
from lib.launching.session import KernelRef, LogRecord, Output, Status

STATE = "state.json"

PAUSE = 0.1
"""Seconds between looks at the log."""

START_SECONDS = 30
"""A session that is queued for longer, with no supervisor, lost its launcher before it had one."""


class SupervisedSession:
    """What the places share whose sessions are watched from this machine."""

    owner = "local"

    def __init__(
        self,
        folder: Path,
        data: Path | None = None,
        mount: str = "",
        resumes: tuple[str, Path] | None = None,
        others: tuple[tuple[str, Path], ...] = (),
    ) -> None:
        """`data` appears in the session as `input/<mount>`, where Kaggle would mount it.

        `resumes`: in the same way, a name below `input/` and the outputs that the session goes on from; `others`: what
        else it reads.
        """
        self.folder = Path(folder)
        self.data = data
        self.mount = mount
        self.resumes = resumes
        self.others = others

    def find(self, slug: str) -> KernelRef | None:
        return self._ref(slug) if (self.folder / STATE).is_file() else None

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

    @property
    def is_tidied(self) -> bool:
        """Whether what the session left came home and was removed here."""
        return (self.folder / STATE).is_file() and not (self.folder / "working").is_dir()

    def tidy(self) -> None:
        """Remove what came home already: the scratch folder and the copies of the outputs."""
        for name in ("temp", "working"):
            shutil.rmtree(self.folder / name, ignore_errors=True)

    def _supervise(self, module: str, *words: str) -> subprocess.Popen:
        """Start the supervisor, in a process that outlives this one."""
        with open(self.folder / "supervisor.log", "ab") as trouble:
            return subprocess.Popen(
                [sys.executable, "-m", module, str(self.folder.resolve()), *words],
                cwd=PROJECT,
                env={**os.environ, "SWATH_CACHE": str(cache_folder().resolve())},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=trouble,
                start_new_session=True,
            )

    @staticmethod
    def _slug(folder: Path) -> str:
        """The name of the kernel that a folder holds."""
        return files.read_json(folder / "kernel-metadata.json")["id"].split("/")[-1]

    def _ask_to_end(self, ref: KernelRef) -> None:
        """Ask a supervisor to end its session, and wait until it has."""
        if not self.status(ref).over:
            os.kill(self._state()["supervisor"], signal.SIGTERM)
            while not self.status(ref).over:
                time.sleep(PAUSE)

    def _state(self) -> dict:
        return files.read_json(self.folder / STATE)

    def _ref(self, slug: str) -> KernelRef:
        return KernelRef(self.owner, slug, 1, self.folder.resolve().as_uri())

    def _supervised(self) -> bool:
        """Whether the supervisor lives: it holds the lock."""
        lock = FileLock(self.folder / "lock", timeout=0)
        try:
            with lock:
                return False
        except Timeout:
            return True
