"""A session of which the place keeps nothing any more: what came home is all there is.

So it is with a kernel that was deleted on Kaggle, and on this machine once the outputs are home.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lib.errors import Failed
from lib.files import MANIFEST
from lib.launching.fetching import manifest
from lib.launching.fetching.parts import Part
from lib.launching.runs import Run
from lib.launching.session import KernelRef, LogRecord, Output, Status


class GoneSession:
    """Answers from the run's own folder, and asks nobody."""

    def __init__(self, run: Run) -> None:
        self.run = run

    def push(self, folder: Path, timeout: int | None) -> KernelRef:
        raise Failed(f"the session of run {self.run.id} is gone", "start another: python launch.py")

    def find(self, slug: str) -> KernelRef | None:
        return None

    def status(self, ref: KernelRef) -> Status:
        """How the run stood when it was last looked at."""
        content = self.run.read()
        return Status(content["status"], content.get("message", ""))

    def logs(self, ref: KernelRef, live: bool = True) -> Iterator[LogRecord]:
        return iter(())

    def outputs(self, ref: KernelRef) -> list[Output]:
        """Nothing is left to fetch; `Failed` when some of what came home is lost."""
        path = self.run.outputs / MANIFEST
        listed = manifest.parse(path.read_bytes(), ref) if path.is_file() else {}
        lost = [name for name, entry in listed.items() if not entry.is_met_by(self.run.outputs / name)]
        if lost:
            raise Failed(
                f"{len(lost)} of the run's outputs are damaged or gone from {self.run.outputs}: "
                f"{', '.join(lost[:3])}; there is no other copy of them",
                "train again: python launch.py",
            )
        return []

    def download(self, output: Output, part: Part) -> None:
        raise Failed(f"there is no other copy of {output.name}", "train again: python launch.py")

    def stop(self, ref: KernelRef) -> None:
        return None
