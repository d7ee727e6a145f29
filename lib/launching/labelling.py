"""`launch.py labels`: which tiles of a run's images the model finds labelled wrong, shown, and listed for the next run.

labels(Wish(run="4f1c", side=256))      # runs/<id>/labels/: labels.csv, labels.html, exclude.txt
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib import files
from lib.competitions import Competition
from lib.errors import Failed, UsageError
from lib.launching.runs import Run, competition_named, finished, one_model
from lib.launching.terminal import next_step, say

VALIDATION, TRAINING, EXCLUDED = "validation", "training", "excluded"
ON = {"train": (TRAINING, EXCLUDED), "validation": (VALIDATION,), "all": (VALIDATION, TRAINING, EXCLUDED)}

SAID = 5
"""Tiles of each part that the terminal names."""

NOTES = {
    VALIDATION: "held out, so the model is a fair judge",
    TRAINING: "the model has seen these labels, so their disagreement is understated",
    EXCLUDED: "left out of this run by its own list",
}


@dataclass(frozen=True)
class Wish:
    """The words of the command."""

    run: str | None = None
    competition: str | None = None
    data: Path | None = None
    side: int = 512
    """Of the tiles, in pixels of the image itself."""
    share: float = 0.05
    """Of each part's tiles, how many are listed."""
    most: int | None = None
    """So many of each part instead."""
    on: str = "all"
    tta: str = "none"


def labels(wish: Wish, as_json: bool = False) -> None:
    """Compare the labels of a run's images with its model, write what was found into the run's folder, say it.

    Raises `UsageError` for words that mean nothing, classes that overlap and images that are not there; `Failed`, when
    everything else is written, for images that cannot be read.
    """
    from lib.inference.tta import turns_named
    from lib.launching.following.show import track
    from lib.submissions.label_review import review

    if wish.on not in ON:
        raise UsageError(f"--on {wish.on}: there is no such part", f"one of {', '.join(ON)}")
    turns_named(wish.tta)
    run = one_model(finished(wish.run))
    competition, word, _ = competition_named(wish.competition, run)
    if competition.multilabel:
        raise UsageError(
            f"the classes of {competition.name} overlap; labels are compared where a pixel has one class",
            f"look at the run's errors: python submit.py --run {run.id}",
        )
    document = review(run, competition, wish.data, wish.side, wish.share, wish.most, ON[wish.on], wish.tta, track)
    say(document, as_json, _lines(document))
    if failed := document["failed"]:
        reasons = "".join(f"\n       {image}: {reason}" for image, reason in list(failed.items())[:10])
        raise Failed(
            f"{len(failed)} images could not be compared, the others are:{reasons}",
            "mend or remove these images, and type the command again",
        )
    next_step(_train_again(wish, run, competition, word, Path(document["files"]["exclude"])))


def _lines(document: dict[str, Any]) -> list[str]:
    """A few of the worst tiles of each part, and where the rest is."""
    sizes = {part: known["tiles"] for part, known in document["parts"].items()}
    lines = [f"{sum(sizes.values())} tiles of {document['images']} images compared with their labels"]
    for part, known in document["parts"].items():
        lines.append(f"{part}: {known['tiles']} tiles; {NOTES[part]}")
        wide = max((len(tile["name"]) for tile in known["worst"][:SAID]), default=0)
        for tile in known["worst"][:SAID]:
            numbers = f"loss {tile['loss']:5.2f}  IoU {tile['iou']:.2f}  surely another {tile['contradicted']:4.0%}"
            lines.append(f"  {tile['name']:<{wide}}  {numbers}  {tile['words']}".rstrip())
    shown = {name: files.shown(Path(path)) for name, path in document["files"].items()}
    more = f" and {len(document['excluded_before'])} of the run's own list" if document["excluded_before"] else ""
    lines.append(f"{shown['exclude']}: {len(document['exclude'])} tiles{more}; delete those that are labelled right")
    return [*lines, f"look: {shown['page']}; every tile: {shown['table']}"]


def _train_again(wish: Wish, run: Run, competition: Competition, word: str, exclude: Path) -> str:
    """The command that trains the same without the listed tiles."""
    content = run.read()
    words = ["python launch.py"]
    if content["place"] == "colab":
        words.append("--on colab")
    if content["place"] != "local":
        words.append(f"--gpu {content['accelerator']}")
    words.append(f"-c {word}")
    data = wish.data or run.data
    if data and content["place"] == "local" and not competition.data.built_in:
        words.append(f"--data {files.typed(data)}")
    words += [f"--set {shlex.quote(text)}" for text in _settings(content, competition)]
    return " ".join([*words, f"--set data.exclude={files.typed(exclude)}"])


def _settings(content: dict[str, Any], competition: Competition) -> list[str]:
    """What the run's recipe says otherwise than the competition's, as `--set` takes it; how it predicts left aside."""
    from lib.recipe import leaves, resolve

    layers = [("recipe", competition.recipe)]
    layers += [("laptop", competition.laptop)] if content["place"] == "local" else []
    usual = dict(leaves(resolve(layers)[0].model_dump(mode="json")))
    found = []
    for key, value in leaves(content["recipe"]):
        theirs = json.loads(json.dumps(usual.get(key)))
        if key in usual and value is not None and value != theirs and key != "data.exclude" and key[:6] != "infer.":
            found.append(f"{key}={value if isinstance(value, str) else json.dumps(value)}")
    return found
