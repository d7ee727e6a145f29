"""Pseudo-labels: confident predictions as a training set that `launch.py` takes as it is.

    made = write_set(predictor, competition, pairs, Path("pseudo"), confidence=0.9)
    # pseudo/field.toml, pseudo/images/, pseudo/masks/: python launch.py -c pseudo/field.toml --data pseudo

A pixel has its likeliest class where that class's restored probability reaches the confidence, and is ignored
elsewhere. The competition keeps its name and its classes, so that what is trained on the set predicts for the original.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lib import files
from lib.competitions import IGNORE, Competition, Label, Pair
from lib.competitions.schema import Data, Kaggle, Masks, Source
from lib.competitions.writing import write as write_competition
from lib.errors import DataError, UsageError
from lib.inference.bands import probability_bands
from lib.inference.folder import Outcome, predict_folder
from lib.inference.output import Output
from lib.inference.predictor import Predictor
from lib.inference.restore import Restorer
from lib.inference.source import Prepared
from lib.rasters import read_prediction
from lib.rasters.coding import none_value
from lib.rasters.masks import write_labels

PREDICTED = "predicted"
"""The masks of all images, from which the set is chosen."""


@dataclass(frozen=True)
class PseudoSet:
    """A training set that was made."""

    file: Path
    images: tuple[str, ...]
    left_out: tuple[str, ...]
    """Images with too few confident pixels."""
    shares: dict[str, float]
    """Each class's share of the confident pixels."""
    confident: float
    """The share of the set's pixels that are confident."""


class ConfidentOutput(Output):
    """Masks of the pixels that are sure enough; the others are `IGNORE`."""

    endings = (".png",)

    def __init__(self, predictor: Predictor, competition: Competition, folder: Path, confidence: float) -> None:
        super().__init__(predictor, competition, folder)
        self.confidence = confidence

    @property
    def identity(self) -> dict[str, Any]:
        return super().identity | {"confidence": self.confidence}

    def predict(self, image: str, prepared: Prepared, identity: Any) -> Callable[[], None]:
        """Predict an image's mask at its own size.

        The confidence is one more class, the same everywhere: it wins where no class reaches it.
        """
        restorer, parts = Restorer(prepared.reader.shape, prepared.shape), []
        for _, rows in probability_bands(self.predictor, prepared.reader):
            unsure = torch.full_like(rows[:1], self.confidence)
            parts.append(restorer.feed(torch.cat([rows, unsure]).cpu().numpy()))
        labels = np.concatenate(parts)
        labels[labels == len(self.competition.classes)] = IGNORE
        return lambda: write_labels(files.inside(self.folder, f"{image}.png"), labels, self.competition)


def write_set(
    predictor: Predictor,
    competition: Competition,
    pairs: list[Pair],
    out: Path,
    confidence: float = 0.9,
    share: float = 0.25,
    identity: Mapping[str, Any] | None = None,
    track: Callable[[list[Pair]], Iterable[Pair]] = iter,
) -> tuple[PseudoSet, Outcome]:
    """Predict images and write a training set of those whose share of confident pixels reaches `share`.

    Images are linked where the disk allows it, else copied. Raises `UsageError` where classes overlap, and when `out`
    holds images that are no pseudo-labels; `DataError` when no image is confident enough.
    """
    if competition.multilabel:
        raise UsageError(
            f"the classes of {competition.name} overlap, and a mask of overlapping classes cannot leave pixels out"
        )
    predicted = out / PREDICTED
    if (out / "images").exists() and not predicted.exists():
        raise UsageError(f"{out} holds images that are no pseudo-labels", "choose a new folder with --out DIR")
    output = ConfidentOutput(predictor, competition, predicted, confidence)
    outcome = predict_folder(output, pairs, identity, {"pseudo": confidence}, track)
    chosen, left_out, total, pixels = [], [], np.zeros(len(competition.classes), np.int64), 0
    for pair in pairs:
        if pair.id in outcome.failed:
            continue
        labels = read_prediction(predicted / f"{pair.id}.png", competition)
        found = np.bincount(labels.reshape(-1), minlength=256)[: len(competition.classes)]
        if found.sum() < max(1, share * labels.size):
            left_out.append(pair.id)
            continue
        chosen.append(pair)
        total, pixels = total + found, pixels + labels.size
    if not chosen:
        raise DataError(
            f"no image has {share:.0%} of its pixels at a confidence of {confidence:g}",
            "lower --confidence or --share, or train longer",
        )
    ending = chosen[0].image.suffix.lower()  # readers go by content, not by name
    _fill(out / "images", {f"{pair.id}{ending}": pair.image for pair in chosen})
    _fill(out / "masks", {f"{pair.id}.png": predicted / f"{pair.id}.png" for pair in chosen})
    file = out / f"{competition.name}.toml"
    about = f"Predictions of {competition.name} at a confidence of {confidence:g}, as a training set."
    write_competition(file, described(competition, ending), about)
    shares = dict(zip(competition.names, (total / total.sum()).tolist(), strict=True))
    names = tuple(pair.id for pair in chosen)
    return PseudoSet(file, names, tuple(left_out), shares, float(total.sum() / pixels)), outcome


def described(competition: Competition, ending: str) -> Competition:
    """The competition with the set as its data: index masks, in which unsure pixels are ignored."""
    return competition.model_copy(
        update={
            "title": f"{competition.title or competition.name}, pseudo-labels",
            "kaggle": Kaggle(),
            "data": Data(train=Source(images=f"images/{{id}}{ending}", masks="masks/{id}.png")),
            "masks": Masks(),
            "ignore": (Label(name="unsure", value=none_value(competition)),),
        }
    )


def _fill(folder: Path, wanted: dict[str, Path]) -> None:
    """Make a folder hold exactly these files, linked or copied."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if path.name not in wanted:
            path.unlink()
    for name, source in wanted.items():
        target = files.inside(folder, name)
        target.unlink(missing_ok=True)
        with suppress(OSError):
            os.link(source.resolve(), target)
            continue
        shutil.copyfile(source, target)
