"""Sessions on this machine: the very same bundle, in Kaggle's folders laid out under the run's own."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from lib import files
from lib.errors import Failed
from lib.launching.here.supervised import PAUSE, STATE, SupervisedSession
from lib.launching.session import KernelRef

FOLDERS = ("src", "input", "working", "temp")


class LocalSession(SupervisedSession):
    """Runs the bundle in a subprocess under `folder`, watched by a supervisor that outlives this process."""

    def push(self, folder: Path, timeout: int | None) -> KernelRef:
        for name in FOLDERS:
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / "kernel.py", self.folder / "src" / "script.py")
        own = (self.mount, self.data) if self.data else None
        for name, target in filter(None, [own, self.resumes, *self.others]):
            link = self.folder / "input" / name
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(target.resolve(), target_is_directory=True)
        files.write_json(self.folder / STATE, {"state": "queued", "message": ""})
        words = ("--timeout", str(timeout)) if timeout else ()
        supervisor = self._supervise("lib.launching.here.supervisor", *words)
        while self._state()["state"] == "queued":
            if supervisor.poll() is not None:
                raise Failed(f"the local session did not start; see {self.folder / 'supervisor.log'}")
            time.sleep(PAUSE)
        return self._ref(self._slug(folder))

    def stop(self, ref: KernelRef) -> None:
        while self.status(ref).state == "queued":
            time.sleep(PAUSE)
        self._ask_to_end(ref)
