"""Watches over one Colab session, in a process of its own: it outlives the launcher.

    python -m lib.launching.colab.supervisor runs/<id>/session

It allocates the machine, sends the bundle, writes its output as records to log.jsonl and how it stands to state.json,
brings the outputs to working/, and releases the machine, whatever happens. Started again after a kill, it goes on where
the other one stopped. A lock file is held as long as it lives.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from lib import files
from lib.competitions import parse
from lib.errors import Refused, SwathError
from lib.launching import durations
from lib.launching.colab import data as colab_data
from lib.launching.colab.command import ColabCommand
from lib.launching.colab.follow import Follower
from lib.launching.colab.outputs import bring_home
from lib.launching.colab.packages import needs
from lib.launching.colab.session import HELD, JOB, STOP
from lib.launching.here.supervised import STATE
from lib.launching.here.supervisor import GRACE
from lib.launching.session import LostConnection, Status

BEAT = durations.from_environment("SWATH_BEAT_SECONDS", 15)
"""Seconds between signs of life of a machine that has nothing else to say."""

KEEP = durations.from_environment("SWATH_KEEP_SECONDS", 900)
"""Seconds after which what the kernel has written so far comes home: Colab may take a machine at any time."""

CONTENT = "content"
"""The machine's working folder, as the command's file transfers name it: they start at the machine's root."""

BEST = "checkpoints/best.safetensors"

SENDS = 4
"""Tries to send a file up."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    try:
        with FileLock(folder / "lock", timeout=5):
            ColabSupervisor(folder).run()
    except Timeout:
        return  # another one goes on already


class ColabSupervisor:
    """One machine, from its allocation to its release."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.job = files.read_json(folder / JOB)
        self.state = files.read_json(folder / STATE)
        self.colab = ColabCommand()
        self.signalled = False

    @property
    def asked_to_end(self) -> bool:
        """Whether somebody wants the session to end."""
        return self.signalled or (self.folder / STOP).exists()

    def run(self) -> None:
        """Do what is left to do; the machine is released at the end."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._hear)
        if Status(self.state["state"]).over and self.state["machine"] not in HELD:
            return
        end: dict[str, Any]
        try:
            state, message = self.session()
            end = {"state": state, "message": message}
        except Refused as error:
            end = {"state": "failed", "message": error.reason, "hint": error.hint, "refused": True}
        except SwathError as error:
            end = {"state": "failed", "message": error.reason, "hint": error.hint}
        except Exception as error:
            traceback.print_exc()
            end = {"state": "failed", "message": f"the supervisor failed: {error}"}
        if self.state["machine"] in HELD:
            try:
                self.colab.release(self.job["machine"])
                end["machine"] = "released"
            except SwathError as error:
                end |= {"said": end["message"], "message": f"{end['message']}; {error.reason}".removeprefix("; ")}
        self.note(**end)

    def session(self) -> tuple[str, str]:
        """From here to the kernel's end, and its outputs home: how it ended, and why."""
        if Status(self.state["state"]).over:  # only the release is left
            return self.state["state"], self.state["said"]
        if self.state["machine"] == "asked":
            with self._allocating():
                return "failed", "the supervisor was killed while Colab was asked for a machine"
        if self.state["machine"] == "held" and not self.state["started"]:
            return "failed", "the supervisor was killed before the kernel was started"
        follower = Follower(self.colab, self.job["machine"], self.folder, self.job["limit"], lambda: self.asked_to_end)
        if not self.state["started"]:
            if not (self.allocate() and self.send()):
                return "stopped", "stopped by request"
            cell = self._cell()
            self.note(state="running", started=True)
            follower.listen(cell)
        else:
            self.note(state="running")
        state, message = follower.end()
        if follower.is_lost:
            return state, message
        lost = bring_home(self.colab, self.job["machine"], self.folder / "working")
        return (state, message) if not lost else ("failed", f"{message}; {lost}".removeprefix("; "))

    def allocate(self) -> bool:
        """Get the one machine; False when the session is to end."""
        if self.asked_to_end:
            return False
        with self._allocating() as lock:  # the command holds it too, should this process be killed
            self.note(machine="asked")
            try:
                self.colab.allocate(self.job["machine"], self.job["gpu"], keep=[lock])
            except SwathError:
                self.note(machine="none")
                raise
        self.note(machine="held")
        return not self.asked_to_end

    def send(self) -> bool:
        """Send the bundle and the data up; False when the session is to end."""
        self._send(self.folder / "kernel.py", "swath-kernel.py")
        sums = []
        if self.job["data"] or self.job["resumes"] or self.job.get("weights"):
            for part in colab_data.parts(self._inputs(), self.folder / "upload"):
                if self.asked_to_end:
                    return False
                self._send(part.path, f"swath-data-{len(sums):03d}")
                sums.append(part.sha256)
        self.note(sums=sums)
        return not self.asked_to_end

    def _inputs(self) -> list[colab_data.Named]:
        """What the session is to see below input/: its images, the weights that predict, and the outputs that it goes
        on from."""
        found, weights = [], self.job.get("weights", ())
        if self.job["data"]:
            root, described = Path(self.job["data"]), parse(self.folder.parent / "competition.toml")
            if weights:
                found += colab_data.test_files(described, root, self.job["mount"])
            else:
                found += colab_data.training_files(described, root, self.job["mount"])
        for name, home in weights:
            best = [path for pattern in (BEST, f"folds/*/{BEST}") for path in sorted(Path(home).glob(pattern))]
            found += [(path, f"{name}/{path.relative_to(home).as_posix()}") for path in best]
        if self.job["resumes"]:
            name, home = self.job["resumes"][0], Path(self.job["resumes"][1])
            left = sorted(path for path in home.rglob("*") if path.is_file())
            found += [(path, f"{name}/{path.relative_to(home).as_posix()}") for path in left]
        return found

    def note(self, **changes: Any) -> None:
        """Write down how the session stands."""
        self.state = {**self.state, **changes, "supervisor": os.getpid()}
        files.write_json(self.folder / STATE, self.state)

    def _cell(self) -> Path:
        """The code that is to run on the machine, in a file."""
        settings = {
            "limit": self.job["limit"],
            "grace": GRACE,
            "beat": BEAT,
            "keep": KEEP,
            "part": colab_data.PART,
            "data": self.state["sums"],
            "needs": needs(),
        }
        code = (Path(__file__).parent / "machine.py").read_text(encoding="utf-8")
        files.write(self.folder / "cell.py", f"{code}\n\nmain({settings!r})\n")
        return self.folder / "cell.py"

    def _send(self, source: Path, name: str) -> None:
        for last in (*(False,) * (SENDS - 1), True):
            try:
                return self.colab.upload(self.job["machine"], source, f"{CONTENT}/{name}")
            except LostConnection:
                if last:
                    raise
                time.sleep(1)

    @contextmanager
    def _allocating(self) -> Iterator[int]:
        """A lock, as a descriptor, that a running allocation holds; waits for one that another process left behind."""
        with open(self.folder / "allocating.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield lock.fileno()

    def _hear(self, number: int, frame: object) -> None:
        self.signalled = True


if __name__ == "__main__":
    sys.exit(main())
