"""What can be learned from a run's predictions: a decision from the images it held out, a training set from others.

found, path = tune_runs([(run, 1.0)], choice, competition)           # runs/<id>/thresholds.json
made, outcome = pseudo_labels(run, choice, competition, None, None, out)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lib import files
from lib.competitions import Competition, Pair
from lib.errors import UsageError
from lib.inference import decision as decisions
from lib.inference import ensemble
from lib.inference.counting import Item
from lib.inference.folder import Outcome
from lib.inference.pseudo import PseudoSet, write_set
from lib.inference.search import Found, tune
from lib.inference.tta import scales_named
from lib.submissions.held_out import held_out_files
from lib.submissions.job import job_for
from lib.submissions.pipeline import Choice, Track, TrainedRun, any_images


def tune_runs(
    runs: Sequence[tuple[TrainedRun, float]],
    choice: Choice,
    competition: Competition,
    data: Path | None = None,
    track: Track = lambda items, words: items,
) -> tuple[Found, Path]:
    """Search a decision on what each run, or each fold of one, predicts of the images that it held out itself.

    An image that several runs held out is their weighted mean. The decision is written into the first run's folder,
    with the members that it is for. Raises `UsageError` when an image is missing.
    """
    choice.must_be_said_right()
    loaded = ensemble.load(choice.members, competition)
    stored: dict[str, list[tuple[Path, float]]] = {}
    known: dict[str, Pair] = {}
    for run, weight in runs:
        for image, (pair, path) in held_out_files(run, choice, competition, data, track).items():
            stored.setdefault(image, []).append((path, weight))
            known[image] = pair
    items = [Item(known[image], tuple(paths)) for image, paths in sorted(stored.items())]
    found = tune(items, competition, track)
    path = runs[0][0].folder / decisions.FILE
    scores = {"before": found.before, "after": found.after, "fair": found.fair, "images": len(items)}
    content = {"competition": competition.name, "members": list(loaded.identity), "scores": scores}
    files.write_json(path, content | found.decision.document(competition))
    return found, path


def pseudo_labels(
    run: TrainedRun | None,
    choice: Choice,
    competition: Competition,
    data: Path | None,
    images: Path | None,
    out: Path,
    confidence: float = 0.9,
    share: float = 0.25,
    track: Track = lambda items, words: items,
) -> tuple[PseudoSet, Outcome]:
    """Write a training set of confident predictions: of `images` (a file or a folder), or of the test images.

    Raises `UsageError` when there are none: the images that a run held out have a truth of their own.
    """
    choice.must_be_said_right()
    loaded = ensemble.load(choice.members, competition)
    pairs = any_images(images) if images else _test_images(run, competition, data)
    words = f"predicting {len(pairs)} images"
    return write_set(
        loaded.predictor(choice.tta, scales_named(choice.scales)),
        competition,
        pairs,
        out,
        confidence,
        share,
        {"members": list(loaded.identity)},
        lambda todo: track(todo, words),
    )


def _test_images(run: TrainedRun | None, competition: Competition, data: Path | None) -> list[Pair]:
    job = job_for(competition, data, run)
    if job.which != "test":
        raise UsageError(
            f"{competition.name} has no test images there, and the images that a run held out have a truth",
            "name images without one: --images DIR",
        )
    return job.images
