"""Late ensembles: masks from the probabilities that several predictions have left on disk.

    outcome = blend_folders([Weighted(Path("a")), Weighted(Path("b"), 0.5)], competition, Path("masks"))
    outcome.made, outcome.kept                   # ids of images
    outcome = blend_files({"t7": [(Path("a/t7.tif"), 1.0)]}, competition, Path("masks"))

Files are read and averaged by bands. Where working sizes differ, the smaller are enlarged, bilinearly, to the largest.
A blend that was broken off goes on: masks of the very same files, weights and decision are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lib import files
from lib.competitions import Competition
from lib.errors import DataError, UsageError, first
from lib.inference.areas import without_small
from lib.inference.decision import Decider, Decision
from lib.inference.ensemble import Weighted
from lib.inference.folder import Outcome, ended, goes_on
from lib.inference.output import MaskOutput, at_size
from lib.inference.probabilities import Stored, bands
from lib.inference.restore import Samples
from lib.inference.source import LARGE


def blend_folders(
    members: Sequence[Weighted],
    competition: Competition,
    out: Path,
    decision: Decision | None = None,
    track: Callable[[list, str], Iterable] = lambda images, words: images,
) -> Outcome:
    """Write the mask of every image whose probabilities are in all folders.

    Raises `UsageError` when the folders do not hold the same images, when `out` is one of them, or holds files of the
    same names that are not predictions; `DataError` for other classes than the competition's.
    """
    if out.resolve() in [member.path.resolve() for member in members]:
        raise UsageError(f"{out} holds probabilities, which masks would overwrite", "choose another folder: --out DIR")
    paths = {
        image: [(member.path / f"{image}.tif", member.weight) for member in members]
        for image in _common([member.path for member in members])
    }
    blended = [[str(member.path.resolve()), member.weight] for member in members]
    return blend_files(paths, competition, out, decision, track, {"blended": blended})


def blend_files(
    paths: Mapping[str, Sequence[tuple[Path, float]]],
    competition: Competition,
    out: Path,
    decision: Decision | None = None,
    track: Callable[[list, str], Iterable] = lambda images, words: images,
    about: Mapping[str, Any] | None = None,
) -> Outcome:
    """Write the mask of every image from its own files of probabilities, each with its weight.

    `about`: what else predictions.json should say; masks that another such prediction has made are made again. Raises
    as `blend_folders` does.
    """
    decision = decision or Decision.plain(len(competition.classes), competition.multilabel)
    output = MaskOutput(None, competition, out, decision)
    sources = {image: files.state_of(*(path for path, _ in stored)) for image, stored in paths.items()}
    told = dict(about or {})
    outcome = Outcome(kept=goes_on(output, sources, output.identity | told, told))
    todo = [image for image in paths if image not in outcome.kept]
    for image in track(todo, f"blending {len(todo)} images"):
        _blend(paths[image], image, output, decision)
        outcome.made.append(image)
    ended(out, outcome)
    return outcome


def averaged(stored: Sequence[tuple[Stored, float]]) -> tuple[tuple[int, int], Iterator[torch.Tensor]]:
    """The common working size of some files, and bands (C, r, w) float32 of their weighted mean, from the top."""
    shape = max((each.shape for each, _ in stored), key=lambda shape: shape[0] * shape[1])
    total = sum(weight for _, weight in stored)

    def rows() -> Iterator[torch.Tensor]:
        for top, bottom in bands(shape[0]):
            yield torch.from_numpy(sum(rows_of(each, shape, top, bottom) * (w / total) for each, w in stored))

    return shape, rows()


def rows_of(stored: Stored, shape: tuple[int, int], top: int, bottom: int) -> np.ndarray:
    """Rows [top, bottom) of a file's probabilities as if it were of `shape`: (C, r, w) float32."""
    if stored.shape == tuple(shape):
        return stored.read(top, bottom)
    down, across = Samples(stored.shape[0], shape[0]), Samples(stored.shape[1], shape[1])
    low, high = int(down.first[top]), int(down.second[bottom - 1]) + 1
    part, planes = down.part(top, bottom, low, high), stored.read(low, high)
    share = part.share[:, None]
    planes = planes[:, part.first] * (1 - share) + planes[:, part.second] * share
    return planes[..., across.first] * (1 - across.share) + planes[..., across.second] * across.share


def must_hold(stored: Stored, competition: Competition) -> None:
    """Raise `DataError` when a file's bands are other classes than the competition's."""
    if stored.names != competition.names:
        raise DataError(
            f"{stored.path} holds {', '.join(map(str, stored.names))}, and {competition.name} has "
            f"{', '.join(competition.names)}",
            "name the competition that the probabilities were predicted for with -c",
        )


def _blend(paths: Sequence[tuple[Path, float]], image: str, output: MaskOutput, decision: Decision) -> None:
    with ExitStack() as stack:
        stored = [(stack.enter_context(Stored(path)), weight) for path, weight in paths]
        for each, _ in stored:
            must_hold(each, output.competition)
        own = {each.size for each, _ in stored}
        if len(own) > 1:
            raise DataError(f"the probabilities of {image} are of images of different sizes: {sorted(own)}")
        size = output.competition.submission.size or own.pop()
        shape, rows = averaged(stored)
        decider = Decider(decision, shape, size)
        place = at_size(stored[0][0].georeference, stored[0][0].shape, size)
        if size[0] * size[1] <= LARGE:
            confidence = output.confidence(shape)
            shown = confidence.shown(rows) if confidence else rows
            labels = np.concatenate([decider.feed(band) for band in shown])
            output.write(image, without_small(labels, decision.min_area), place, confidence)
            return
        masks = (decider.feed(band) for band in rows)
        part = output.part(image, size, {"blend of": [str(path) for path, _ in paths]})
        part.rows = 0

        def blocks() -> Iterator[tuple[int, int, np.ndarray]]:
            top = 0
            for labels in masks:
                if len(labels):
                    yield top, 0, labels
                    top += len(labels)

        output.grown(image, part, blocks(), place)()


def _common(folders: Sequence[Path]) -> list[str]:
    """The ids of the images that all folders hold; `UsageError` when a folder lacks one that another has."""
    known = {}
    for folder in folders:
        known[folder] = {path.stem for path in folder.glob("*.tif")} if folder.is_dir() else set()
        if not known[folder]:
            raise UsageError(f"{folder} holds no probabilities", "python submit.py predict --probabilities --out DIR")
    every = sorted(set.union(*known.values()))
    for folder, ids in known.items():
        missing = [image for image in every if image not in ids]
        if missing:
            raise UsageError(
                f"{folder} lacks {len(missing)} images that another folder has: {first(missing, 3)}",
                "predict them: the same command as before makes what is missing",
            )
    return every
