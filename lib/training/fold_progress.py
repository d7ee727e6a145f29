"""The progress of a run of folds, made of what its folds say: steps and seconds are the run's, the rest the fold's.

progress = FoldProgress(steps=[300, 300, 280], done=[0], earlier=81.0)
progress.told(2, {"epoch": 3, "step": 64, "steps": 280, …})
# {"fold": 2, "folds": 3, "epoch": 3, "step": 364, "steps": 880, "seconds": 140.2, …}
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any


class FoldProgress:
    """How far all folds are together."""

    def __init__(
        self,
        steps: Sequence[int],
        done: Iterable[int] = (),
        earlier: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`steps`: of each fold. `done`: folds that are finished. `earlier`: seconds of the run's earlier sessions."""
        self.steps, self.earlier, self.clock = list(steps), earlier, clock
        self.begin = clock()
        self.at = [0] * len(self.steps)
        for number in done:
            self.finished(number)

    @property
    def seconds(self) -> float:
        """Seconds of the run so far, over all of its sessions."""
        return self.earlier + self.clock() - self.begin

    def finished(self, number: int) -> None:
        """A fold is done, at its last step or before it."""
        self.at[number] = self.steps[number]

    def told(self, number: int, record: dict[str, Any]) -> dict[str, Any]:
        """A fold's own progress record as one of the run."""
        step = record.get("step")
        if isinstance(step, int):
            self.at[number] = min(step, self.steps[number])
        whole = {"step": sum(self.at), "steps": sum(self.steps), "seconds": self.seconds}
        return {"fold": number, "folds": len(self.steps)} | record | whole
