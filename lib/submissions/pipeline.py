"""From a trained run to a checked and scored file: the steps of `submit.py`, one after another.

job, folder = predict_run(run, competition)                    # label maps, through probabilities
made = make_file(job, masks_in(folder, competition), run.folder)   # encoded, decoded again, scored
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

from lib.competitions import Competition
from lib.inference.folder import predict_folder
from lib.inference.tta import turns_named
from lib.models import checkpoint
from lib.rasters import BroughtMasks
from lib.submissions import container
from lib.submissions.check import check
from lib.submissions.job import Job, Trained, job_for
from lib.submissions.layout import Masks
from lib.submissions.pictures import nowhere
from lib.submissions.truth import score_document, score_file


class TrainedRun(Trained, Protocol):
    """What predicting needs of a run: its name, its folder, its best weights."""

    @property
    def id(self) -> str: ...

    @property
    def folder(self) -> Path: ...

    @property
    def checkpoint(self) -> Path: ...


def predict_run(
    run: TrainedRun,
    competition: Competition,
    data: Path | None = None,
    tta: str | None = None,
    out: Path | None = None,
    track: Callable[[list, str], Iterable] = lambda images, words: images,
) -> tuple[Job, Path]:
    """Predict the images of a run's competition: the job, and the folder of label maps (`out`, or the run's own).

    Raises `UsageError` before any work for a checkpoint of another competition or a `tta` that is none.
    """
    turns_named(tta)
    trained = checkpoint.load(run.checkpoint)
    trained.must_be_of(competition)
    job = job_for(competition, data, run)
    folder = out or run.folder / "predictions"
    words = f"predicting {len(job.images)} {job.which} images"
    about = {"run": run.id, "which": job.which}
    predict_folder(trained, competition, job.images, folder, tta, about, track=lambda images: track(images, words))
    return job, folder


def make_file(job: Job, masks: Masks, folder: Path) -> dict[str, Any]:
    """Write `folder/submission.csv` (or what the competition takes), decode it again and compare, score it where there
    is a truth.

    Returns what happened: `file`, `sha256`, `bytes`, `rows`, `images`, `which`, `problems`, `score` (None without a
    truth or with problems).
    """
    layout, path = job.layout(), folder / f"submission{container.suffix(job.competition)}"
    places = masks.place if isinstance(masks, BroughtMasks) else nowhere
    container.write(masks, job.competition, layout, path, places)
    problems = check(path, job.competition, layout, masks)
    scored = (
        score_document(job.competition, *score_file(path, job.competition, layout, job.truth))
        if job.truth and not problems
        else None
    )
    return {
        "file": str(path),
        "sha256": container.digest(path),
        "bytes": container.weight(path),
        "rows": len(layout.rows),
        "images": len(layout.images),
        "which": job.which,
        "sample": str(job.sample) if job.sample else None,
        "problems": problems,
        "score": scored,
    }
