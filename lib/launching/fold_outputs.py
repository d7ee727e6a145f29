"""What a run of folds brought home: a folder for each fold that was begun, and each image's prediction out of its fold.

numbers(run.outputs)                     # [0, 1, 2]: folds whose best weights are home
best(run.outputs, 2)                     # outputs/folds/2/checkpoints/best.safetensors
run_and_fold("3c65/2")                   # ("3c65", 2)
"""

from __future__ import annotations

from pathlib import Path

from lib.folders import BEST, FOLDS, OOF, STATE, SUMMARY


def best(outputs: Path, fold: int | None = None) -> Path:
    """Where the best weights of a fold lie, or those of a run without folds."""
    return (outputs if fold is None else outputs / FOLDS / str(fold)) / BEST


def numbers(outputs: Path) -> list[int]:
    """The folds whose best weights are there, from the first to the last."""
    found = (path.parents[1].name for path in (outputs / FOLDS).glob(f"*/{BEST}"))
    return sorted(int(name) for name in found if name.isdecimal())


def left(outputs: Path) -> list[Path]:
    """Everything that the next session of a run of folds goes on from; empty where no fold has left anything."""
    begun = (outputs / FOLDS).glob("*/checkpoints/*")
    if not any(begun):
        return []
    return [outputs / SUMMARY, *sorted((outputs / FOLDS).rglob("*")), *sorted((outputs / OOF).rglob("*"))]


def forget_states(outputs: Path) -> None:
    """Remove what an earlier session left for the next one."""
    for path in (outputs / FOLDS).glob(f"*/{STATE}"):
        path.unlink()


def run_and_fold(name: str) -> tuple[str, int | None]:
    """The run, and the fold of it, that a word such as `3c65/2` names; None: all of the run."""
    run, slash, fold = name.rpartition("/")
    return (run, int(fold)) if slash and fold.isdecimal() and fold.isascii() else (name, None)
