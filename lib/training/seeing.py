"""What a run leaves to look at while it trains: TensorBoard's files and `gradients.csv`, over all of its sessions.

board = begin(run, working, outputs, picture, say=print)     # outputs: of the session before, or None
run.go(…)
board.close()
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from lib.training.growing import Growing
from lib.training.loop import Training
from lib.training.tensorboard import Board, Picture, take_over

GRADIENTS = "gradients.csv"


def begin(
    run: Training, working: Path, outputs: Path | None, picture: Picture | None, say: Callable[[str], None]
) -> Board:
    """Have everything told that a run says from here on; rank 0's work."""
    table = Growing(working / GRADIENTS, ("step", "block", "grad_norm", "update_ratio"))
    if outputs is not None:
        take_over(working, outputs)
        table.take_over(outputs / GRADIENTS, lambda row: int(row["step"]) <= run.step)
    is_validated = run.validations >= run.step // run.steps  # else that is done again, and told again
    board = Board.begin(working, run.step + 1 if outputs is not None and is_validated else run.step, picture, say)
    if outputs is None:
        board.describe(run.competition, run.recipe)

    def note(step: int, measured: Mapping[str, Mapping[str, float | None]]) -> None:
        table.add({"step": step, "block": block} | numbers for block, numbers in measured.items())

    run.watch.hears.append(board.step)
    run.keeper.hears.append(board.validation)
    run.gradients.hears += [board.gradients, note]
    return board
