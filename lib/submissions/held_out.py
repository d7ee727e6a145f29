"""What a run predicts of the images that it held out: probabilities on disk, of each image by a model that has not seen
it.

    found = held_out_files(run, choice, competition)
    found["1020"]                     # (Pair, runs/<id>/outputs/oof/1020.tif)

A run of folds has brought its own home, as its session validated them: without orientations. They are predicted here
where they are missing, or where a command says how: each fold its own images.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from lib.competitions import Competition, Pair
from lib.folders import OOF
from lib.inference import ensemble
from lib.inference.blend import blend_files
from lib.inference.ensemble import Weighted
from lib.inference.folder import Outcome
from lib.submissions.job import held_out_pairs
from lib.submissions.pipeline import Choice, Track, TrainedRun, predict

HELD_OUT = "held-out"
"""The folder of a run's probabilities that were predicted here."""


def held_out_files(
    run: TrainedRun,
    choice: Choice,
    competition: Competition,
    data: Path | None = None,
    track: Track = lambda items, words: items,
) -> dict[str, tuple[Pair, Path]]:
    """Each held-out image, or part of one, and the file of its probabilities, by id; predicted now where need be.

    Raises `UsageError` when the data root lacks an image, `Failed` when one cannot be predicted.
    """
    found = {}
    for part in run.parts:
        pairs = held_out_pairs(competition, data, part)
        folder = _home(part, choice, pairs) or _predicted(part, choice, competition, pairs, track)
        found |= {pair.id: (pair, folder / f"{pair.id}.tif") for pair in pairs}
    return found


def held_out_masks(
    run: TrainedRun,
    choice: Choice,
    competition: Competition,
    data: Path | None,
    out: Path,
    track: Track = lambda items, words: items,
) -> Outcome:
    """Write the mask of every labelled image of a run of folds, each by the fold that held it out."""
    loaded = ensemble.load(choice.members, competition)
    paths = {
        image: [(path, 1.0)]
        for image, (_, path) in sorted(held_out_files(run, choice, competition, data, track).items())
    }
    about = {"run": run.id, "which": "validation", "folds": list(run.folds), "members": list(loaded.identity)}
    return blend_files(paths, competition, out, choice.decision(loaded, competition, run.folder), track, about)


def _home(part: TrainedRun, choice: Choice, pairs: list[Pair]) -> Path | None:
    """The folder that came home with a fold, when it holds these images and no other way to predict is asked for."""
    folder = part.outputs / OOF
    asked = choice.tta or choice.scales
    whole = part.fold is not None and not asked and all((folder / f"{pair.id}.tif").is_file() for pair in pairs)
    return folder if whole else None


def _predicted(part: TrainedRun, choice: Choice, competition: Competition, pairs: list[Pair], track: Track) -> Path:
    """The folder that the run, or the fold, fills now."""
    folder, name = part.folder / HELD_OUT, part.id
    if part.fold is not None:
        folder, name = folder / str(part.fold), f"fold {part.fold} of {part.id}"
    alone = replace(choice, members=(Weighted(part.checkpoint),))
    words = f"predicting {len(pairs)} images that {name} held out"
    about = {"run": part.id, "which": "validation"}
    loaded = ensemble.load(alone.members, competition)
    predict(loaded, alone, competition, pairs, folder, None, about, track, words, True).must_be_whole()
    return folder
