"""Who predicts: the runs and checkpoints that a command of `submit.py` names, with their weights."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lib.competitions import Competition, load
from lib.errors import UsageError
from lib.launching.runs import Run, competition_named, finished

if TYPE_CHECKING:
    from lib.submissions.pipeline import Choice


@dataclass(frozen=True)
class Chosen:
    """The first run that was named (None: checkpoints alone), and what predicting takes."""

    run: Run | None
    competition: Competition
    word: str
    """What `-c` takes."""
    choice: Choice


def chosen(
    runs: list[str] | None,
    checkpoints: list[str] | None,
    competition: str | None,
    tta: str | None = None,
    scales: str | None = None,
    thresholds: Path | None = None,
    plain: bool = False,
) -> Chosen:
    """Find the runs and checkpoints; without any, the newest finished run. The folds of a run share its weight.

    Raises `UsageError` for a weight that is none, a run that has no weights and a file that does not exist.
    """
    from lib.inference.ensemble import Weighted, weighted
    from lib.models import checkpoint
    from lib.submissions.pipeline import Choice

    found = runs_of(runs) if runs or not checkpoints else []
    paths = [(Path(name).expanduser(), weight) for name, weight in map(weighted, checkpoints or ())]
    for path, _ in paths:
        if not path.is_file():
            raise UsageError(f"the checkpoint {path} does not exist", "a file such as runs/<id>/outputs/checkpoints/…")
    members = [
        Weighted(path, weight / len(run.checkpoints)) for run, weight in found for path in run.checkpoints.values()
    ]
    members += [Weighted(path, weight) for path, weight in paths]
    first = found[0][0] if found else None
    if competition is None and first is None:
        described = checkpoint.load(paths[0][0]).competition
        word = described.name
    elif competition is not None:
        described, word = load(competition), shlex.quote(competition)
    else:
        described, word, _ = competition_named(None, first)
    return Chosen(first, described, word, Choice(tuple(members), tta, scales, thresholds, plain))


def runs_of(runs: list[str] | None) -> list[tuple[Run, float]]:
    """The runs that a command names, with their weights; without any, the newest finished one."""
    from lib.inference.ensemble import weighted

    return [(finished(name), weight) for name, weight in map(weighted, runs or ())] or [(finished(), 1.0)]
