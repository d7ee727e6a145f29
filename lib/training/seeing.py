"""What a run leaves to look at while it trains: TensorBoard's files and `gradients.csv`, over all of its sessions.

board = begin(run, working, outputs, picture, say=print)     # outputs: of the session before, or None
run.go(…)
board.close()
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from lib.training.growing import Growing, read
from lib.training.loop import Training
from lib.training.tensorboard import Board, Picture, take_over

GRADIENTS = "gradients.csv"


def begin(
    run: Training, working: Path, outputs: Path | None, picture: Picture | None, say: Callable[[str], None]
) -> Board:
    """Have everything told that a run says from here on; rank 0's work."""
    table = Growing(working / GRADIENTS, ("step", "block", "grad_norm", "update_ratio"))
    first = 0
    if outputs is not None:
        take_over(working, outputs)
        table.take_over(outputs / GRADIENTS, lambda row: int(row["step"]) <= run.step)
        first = run.step if _was_told_too_early(run, outputs) else run.step + 1
    board = Board.begin(working, first, picture, say)
    if outputs is None:
        board.describe(run.competition, run.recipe)

    def note(step: int, measured: Mapping[str, Mapping[str, float | None]]) -> None:
        table.add({"step": step, "block": block} | numbers for block, numbers in measured.items())

    run.watch.hears.append(board.step)
    run.keeper.hears.append(board.validation)
    run.stepper.gradients.hears += [board.gradients, note]
    return board


def _was_told_too_early(run: Training, outputs: Path) -> bool:
    """Whether the next validation was told before, by a session that was killed before it saved its state."""
    steps = {int(row["step"]) for row in read(outputs / "metrics.csv")}
    return run.step in steps and run.step not in {row["step"] for row in run.keeper.rows}
