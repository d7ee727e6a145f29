"""Sessions on Colab, through Google's `colab` command: the very same bundle on a machine that is given back at the end.

Colab keeps nothing of a machine that was released, so a supervisor on this machine follows the run, brings its log and
its outputs home while the machine is still there, and releases it on every way out. Should the supervisor be killed,
the next command that asks about the run starts another, which goes on where the first one stopped.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from pathlib import Path

from lib import files
from lib.errors import Failed, Refused
from lib.launching.here.supervised import PAUSE, STATE, SupervisedSession
from lib.launching.preparing.feasible import SESSION_SECONDS
from lib.launching.session import KernelRef, Output, Status

SUPERVISOR = "lib.launching.colab.supervisor"
JOB = "job.json"
STOP = "stop"
HELD = ("asked", "held")

PART = r"\..*\.part"
"""The names of files that `lib.files` has not finished."""


class ColabSession(SupervisedSession):
    """Runs the bundle on a Colab machine with one `gpu` (in Colab's words; None is a CPU)."""

    owner = "colab"

    def __init__(
        self,
        folder: Path,
        data: Path | None = None,
        mount: str = "",
        resumes: tuple[str, Path] | None = None,
        gpu: str | None = None,
        others: tuple[tuple[str, Path], ...] = (),
    ) -> None:
        super().__init__(folder, data, mount, resumes, others)
        self.gpu = gpu
        self._other: subprocess.Popen | None = None

    @property
    def machine_name(self) -> str:
        """What the `colab` command calls the machine: after the run, and after the session when it is a later one."""
        return f"swath-{self.folder.parent.name}{self.folder.name.removeprefix('session')}"

    def push(self, folder: Path, timeout: int | None) -> KernelRef:
        """Allocate one machine and start the bundle on it; `Refused` when Colab gives none."""
        (self.folder / "working").mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / "kernel.py", self.folder / "kernel.py")
        job = {
            "machine": self.machine_name,
            "gpu": self.gpu,
            "limit": timeout or SESSION_SECONDS,
            "data": str(self.data.resolve()) if self.data else None,
            "mount": self.mount,
            "weights": [[name, str(home.resolve())] for name, home in self.others],
            "resumes": [self.resumes[0], str(self.resumes[1].resolve())] if self.resumes else None,
        }
        files.write_json(self.folder / JOB, job)
        files.write_json(self.folder / STATE, {"state": "queued", "message": "", "machine": "none", "started": False})
        supervisor = self._supervise(SUPERVISOR)
        while (state := self._state())["machine"] in ("none", "asked") and not Status(state["state"]).over:
            if supervisor.poll() is not None and self._state() == state:
                raise Failed(f"the Colab session did not start; see {self.folder / 'supervisor.log'}")
            time.sleep(PAUSE)
        if state.get("refused"):
            supervisor.wait()
            raise Refused(state["message"], state["hint"])
        if state["state"] == "failed" and state["machine"] == "none":
            raise Failed(state["message"], state.get("hint"))
        return self._ref(self._slug(folder))

    def status(self, ref: KernelRef) -> Status:
        """How the session stands; a machine held by no supervisor, or by one at its end, gets another supervisor."""
        state = self._state()
        over = Status(state["state"]).over
        if state["machine"] not in HELD or (not over and self._supervised()) or self._state() != state:
            return super().status(ref)
        if self._other is None or self._other.poll() is not None:
            self._other = self._supervise(SUPERVISOR)
        return Status(state["state"], state["message"] or "its supervisor was gone; another goes on")

    def stop(self, ref: KernelRef) -> None:
        """End the kernel, bring home what it left, release the machine; `Failed` when it is still held."""
        (self.folder / STOP).touch()
        while not Status((state := self._state())["state"]).over:
            if not self._supervised():
                self._supervise(SUPERVISOR).wait()
            time.sleep(PAUSE)
        if state["machine"] in HELD:
            raise Failed(state["message"], f"colab stop -s {self.machine_name}")

    def outputs(self, ref: KernelRef) -> list[Output]:
        """What has come home so far; a file that is still on its way is none of it."""
        return [output for output in super().outputs(ref) if not re.fullmatch(PART, output.name.rpartition("/")[2])]

    @property
    def is_tidied(self) -> bool:
        return super().is_tidied and self._state()["machine"] not in HELD

    def tidy(self) -> None:
        if self._state()["machine"] not in HELD:
            super().tidy()
