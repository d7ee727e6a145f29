"""From a trained run to a checked and scored file: the steps of `submit.py`, one after another.

job, folder, outcome = predict_run(run, Choice((Weighted(run.checkpoint),)), competition)   # through probabilities
made = make_file(job, masks_in(folder, competition), run.folder)   # encoded, decoded again, scored
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from lib import files
from lib.competitions import Competition, Pair
from lib.errors import DataError, UsageError
from lib.inference import decision as decisions
from lib.inference import ensemble
from lib.inference.decision import Decision
from lib.inference.ensemble import Ensemble, Weighted
from lib.inference.folder import Outcome, predict_folder
from lib.inference.output import MaskOutput, ProbabilityOutput
from lib.inference.tta import scales_named, turns_named
from lib.rasters import BroughtMasks
from lib.submissions.checking.check import check
from lib.submissions.containers import container
from lib.submissions.containers.pictures import nowhere
from lib.submissions.job import Job, Trained, job_for
from lib.submissions.layout import Masks
from lib.submissions.scored import score_job

Track = Callable[[list, str], Iterable]


class TrainedRun(Trained, Protocol):
    """What predicting needs of a run, or of a fold of one: its name, its folders, its best weights."""

    @property
    def id(self) -> str: ...

    @property
    def folder(self) -> Path: ...

    @property
    def outputs(self) -> Path: ...

    @property
    def checkpoint(self) -> Path: ...

    @property
    def fold(self) -> int | None: ...

    @property
    def folds(self) -> list[int]: ...

    @property
    def parts(self) -> list[TrainedRun]: ...


@dataclass(frozen=True)
class Choice:
    """Who predicts, and how: the words of a command. None: as the first member's recipe says."""

    members: tuple[Weighted, ...]
    tta: str | None = None
    scales: str | None = None
    thresholds: Path | None = None
    """A decision's file. Default: the run's own, when it was made for the same members."""
    plain: bool = False
    """Leave the run's own decision aside."""

    def must_be_said_right(self) -> None:
        """Raise `UsageError` for orientations and scales that are none, before any work."""
        turns_named(self.tta)
        scales_named(self.scales)

    def decision(self, loaded: Ensemble, competition: Competition, folder: Path | None) -> Decision:
        """The decision of the file that was named, or else of the run's folder."""
        if self.thresholds:
            if not self.thresholds.is_file():
                raise UsageError(f"the thresholds {self.thresholds} do not exist", "make them: python submit.py tune")
            return Decision.of(competition, files.read_json(self.thresholds))
        own = folder / decisions.FILE if folder and not self.plain else None
        if own and own.is_file():
            content = files.read_json(own)
            if content.get("members") == list(loaded.identity):
                return Decision.of(competition, content)
        return Decision.plain(len(competition.classes), competition.multilabel)


def predict_run(
    run: TrainedRun | None,
    choice: Choice,
    competition: Competition,
    data: Path | None = None,
    out: Path | None = None,
    track: Track = lambda images, words: images,
    probabilities: bool = False,
) -> tuple[Job, Path, Outcome]:
    """Predict the images of a competition: the job, the folder of masks (`out`, or the run's own), what came of it.

    Where the images are those that a run of folds has seen, each is predicted by the fold that held it out. Raises
    `UsageError` before any work for checkpoints of other competitions or a `tta` that is none.
    """
    choice.must_be_said_right()
    loaded = ensemble.load(choice.members, competition)
    job = job_for(competition, data, run)
    name = "probabilities" if probabilities else "predictions"
    if out is None and run is None:
        raise UsageError("where do the masks go?", "name a folder with --out DIR")
    folder = out or run.folder / name
    if run and len(run.folds) > 1 and job.which == "validation":
        return job, folder, _out_of_fold(run, choice, competition, data, folder, track, probabilities)
    words = f"predicting {len(job.images)} {job.which} images"
    about = {"run": run and run.id, "which": job.which} | ({"folds": run.folds} if run and run.folds else {})
    outcome = predict(
        loaded, choice, competition, job.images, folder, run and run.folder, about, track, words, probabilities
    )
    return job, folder, outcome


def _out_of_fold(
    run: TrainedRun,
    choice: Choice,
    competition: Competition,
    data: Path | None,
    folder: Path,
    track: Track,
    probabilities: bool,
) -> Outcome:
    """The masks of a run of folds for the images that it was trained on."""
    from lib.submissions.held_out import held_out_masks  # it predicts by this module

    if len(choice.members) != len(run.folds):
        raise UsageError(
            f"{competition.name} has no test images there, and other weights than those of {run.id} may have seen the "
            "images that its folds held out",
            f"name that run alone: --run {run.id}",
        )
    if probabilities:
        raise UsageError(
            f"{competition.name} has no test images there; the probabilities of the images that the folds held out are "
            f"in {files.shown(run.outputs / 'oof')}",
            f"python submit.py blend {files.typed(run.outputs / 'oof')} --out MASKS",
        )
    return held_out_masks(run, choice, competition, data, folder, track)


def predict_images(
    choice: Choice,
    competition: Competition,
    images: Path,
    out: Path,
    own: Path | None = None,
    track: Track = lambda images, words: images,
    probabilities: bool = False,
) -> Outcome:
    """Predict any images: a file, or all images of a folder, each known by its name without its ending.

    `own`: the folder that may hold a decision.
    """
    choice.must_be_said_right()
    pairs = any_images(images)
    loaded = ensemble.load(choice.members, competition)
    words = f"predicting {len(pairs)} images"
    return predict(
        loaded, choice, competition, pairs, out, own, {"images_of": str(images)}, track, words, probabilities
    )


def predict(
    loaded: Ensemble,
    choice: Choice,
    competition: Competition,
    pairs: list[Pair],
    folder: Path,
    own: Path | None,
    about: dict[str, Any],
    track: Track,
    words: str,
    probabilities: bool = False,
) -> Outcome:
    """Predict pairs into a folder, by the words of a command."""
    predictor = loaded.predictor(choice.tta, scales_named(choice.scales))
    if probabilities:
        output = ProbabilityOutput(predictor, competition, folder)
    else:
        output = MaskOutput(predictor, competition, folder, choice.decision(loaded, competition, own))
    members = {"members": list(loaded.identity)}
    return predict_folder(output, pairs, members, about, lambda images: track(images, words))


IMAGES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".gtif")


def any_images(path: Path) -> list[Pair]:
    """A file, or the images directly in a folder, by name; `UsageError` when there are none, `DataError` for twins."""
    if path.is_file():
        return [Pair(path.stem, path, None, path.stem)]
    listed = sorted(path.iterdir()) if path.is_dir() else []
    found = [each for each in listed if each.suffix.lower() in IMAGES and not each.name.startswith(".")]
    if not found:
        what = "holds no images" if path.is_dir() else "does not exist"
        raise UsageError(f"{path} {what}", f"give a file, or a folder of {', '.join(IMAGES)}")
    known: dict[str, Path] = {}
    for each in found:
        if each.stem in known:
            raise DataError(f"{known[each.stem]} and {each} would both have the id {each.stem!r}", "move one away")
        known[each.stem] = each
    return [Pair(name, each, None, name) for name, each in known.items()]


def make_file(job: Job, masks: Masks, folder: Path) -> dict[str, Any]:
    """Write `folder/submission.csv` (or what the competition takes), decode it again and compare, score it where there
    is a truth, and say so in score.json and score.html beside it.

    Returns what happened: `file`, `sha256`, `bytes`, `rows`, `images`, `which`, `problems`, `score` (None without a
    truth or with problems), `score_files` (paths), `no_page` (why those were not written, or None).
    """
    layout, path = job.layout(), folder / f"submission{container.suffix(job.competition)}"
    places = masks.place if isinstance(masks, BroughtMasks) else nowhere
    container.write(masks, job.competition, layout, path, places)
    problems = check(path, job.competition, layout, masks)
    document, written, why_not = None, [], None
    if job.truth and not problems:
        document, written, why_not = score_job(path, job, layout, folder)
    return {
        "file": str(path),
        "sha256": container.digest(path),
        "bytes": container.weight(path),
        "rows": len(layout.rows),
        "images": len(layout.images),
        "which": job.which,
        "sample": str(job.sample) if job.sample else None,
        "problems": problems,
        "score": document,
        "score_files": [str(path) for path in written],
        "no_page": why_not,
    }
