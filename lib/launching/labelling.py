"""`launch.py labels`: which tiles of a run's images the model finds labelled wrong, shown, and listed for the next run.

labels(Wish(run="4f1c", side=256))      # runs/<id>/labels/: labels.csv, labels.html, exclude.txt
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from lib import files
from lib.competitions import Competition, find_pairs
from lib.errors import Failed, UsageError
from lib.launching.runs import Run, competition_named, finished
from lib.launching.terminal import next_step, say

if TYPE_CHECKING:
    from lib.inference.label_quality import Judged, Judgement

VALIDATION, TRAINING, EXCLUDED = "validation", "training", "excluded"
ON = {"train": (TRAINING, EXCLUDED), "validation": (VALIDATION,), "all": (VALIDATION, TRAINING, EXCLUDED)}

PICTURES = 40
"""Tiles that the page shows."""

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

    if wish.on not in ON:
        raise UsageError(f"--on {wish.on}: there is no such part", f"one of {', '.join(ON)}")
    turns_named(wish.tta)
    run = finished(wish.run)
    competition, word, _ = competition_named(wish.competition, run)
    if competition.multilabel:
        raise UsageError(
            f"the classes of {competition.name} overlap; labels are compared where a pixel has one class",
            f"look at the run's errors: python submit.py --run {run.id}",
        )
    found, document = review(wish, run, competition)
    say(document, as_json, _lines(document))
    if found.failed:
        reasons = "".join(f"\n       {image}: {reason}" for image, reason in list(found.failed.items())[:10])
        raise Failed(
            f"{len(found.failed)} images could not be compared, the others are:{reasons}",
            "mend or remove these images, and type the command again",
        )
    next_step(_train_again(wish, run, competition, word, Path(document["files"]["exclude"])))


def review(wish: Wish, run: Run, competition: Competition) -> tuple[Judgement, dict[str, Any]]:
    """Predict, compare, rank, and write the three files; what was found, and the document that `--json` prints."""
    from lib.data.roots import home_root
    from lib.folders import cache_folder
    from lib.inference import ensemble
    from lib.inference.disagreement import SURE
    from lib.inference.ensemble import Weighted
    from lib.inference.label_lists import write_csv, write_exclude
    from lib.inference.label_quality import Division, crop, judge
    from lib.launching.following.show import track
    from lib.reporting.labels_page import page
    from lib.reporting.tile_gallery import TileGallery

    loaded = ensemble.load([Weighted(run.checkpoint)], competition)
    before = loaded.checkpoints[0].recipe.data.exclude
    root = home_root(competition, wish.data or run.data, cache_folder())
    pairs = find_pairs(competition.data.train, root)
    division = Division.of(run.held_out, before)
    division.must_be_of({pair.id for pair in pairs}, root)
    parts = ON[wish.on]
    gallery = TileGallery(competition, PICTURES // min(2, len(parts)))

    def see(judged: list[Judged], *at_hand: Any) -> None:
        for each in judged:
            if each.ranked and gallery.wants(each.part, each.tile.loss):
                gallery.see(each.part, each.tile.loss, each.name, *crop(each.tile, *at_hand))

    predictor = loaded.predictor(wish.tta, (1.0,))
    found = judge(
        predictor, competition, pairs, division, wish.side, parts, see, lambda todo: track(todo, "comparing labels")
    )
    if not found.tiles:
        raise Failed(_nothing(found, wish), "name another part with --on")
    worst, folder = found.worst(wish.share, wish.most), run.folder / "labels"
    paths = {name: folder / file for name, file in FILES.items()}
    listed = {each.name for own in worst.values() for each in own}
    document = {
        "run": run.id,
        "files": {name: str(path) for name, path in paths.items()},
        "side": wish.side,
        "tta": wish.tta,
        "sure": SURE,
        "images": len({each.image for each in found.tiles}),
        "parts": {part: _part(found, part, listed, competition) for part in parts if part in found.tables},
        "exclude": [each.name for own in worst.values() for each in own],
        "excluded_before": list(before),
        "failed": found.failed,
    }
    head = f"Tiles that the model of run {run.id} contradicts most: {len(listed)} of {len(found.tiles)}."
    write_csv(paths["table"], found, worst, competition.names)
    write_exclude(paths["exclude"], worst, competition.names, head, before)
    losses = {part: [each.tile.loss for each in found.ranked(part)] for part in document["parts"]}
    shown = document | {"exclude": files.shown(paths["exclude"])}
    files.write(paths["page"], page(shown, losses, gallery.panels, competition))
    return found, document


FILES = {"table": "labels.csv", "page": "labels.html", "exclude": "exclude.txt"}
"""What a run's folder labels/ holds."""


def _part(found: Judgement, part: str, listed: set[str], competition: Competition) -> dict[str, Any]:
    """What is known of a part: its tiles, its classes, its worst tiles."""
    from lib.inference.label_lists import disagreement

    ranked = found.ranked(part)
    chosen = [each.tile.loss for each in ranked if each.name in listed]
    return {
        "tiles": len(ranked),
        "unranked": sum(each.part == part for each in found.tiles) - len(ranked),
        "median": median(each.tile.loss for each in ranked) if ranked else None,
        "from": min(chosen, default=None),
        "classes": _classes(found.tables[part], competition.names),
        "worst": [
            {
                "name": each.name,
                "loss": each.tile.loss,
                "iou": each.tile.iou,
                "contradicted": each.tile.contradicted,
                "words": ", ".join(disagreement(each.tile, competition.names)),
                "listed": each.name in listed,
            }
            for each in ranked[:PICTURES]
        ],
    }


def _classes(table: Any, names: tuple[str, ...]) -> list[dict[str, Any]]:
    """The classes that labels have, the most contradicted first."""
    pixels, losses = table[:, :-1], table[:, -1]
    rows = []
    for index, name in enumerate(names):
        own = pixels[index].sum()
        if not own:
            continue
        wrong = [count if other != index else 0.0 for other, count in enumerate(pixels[index])]
        rows.append(
            {
                "name": name,
                "share": float(own / pixels.sum()),
                "contradicted": float(sum(wrong) / own),
                "loss": float(losses[index] / own),
                "mostly": names[wrong.index(max(wrong))] if any(wrong) else None,
            }
        )
    return sorted(rows, key=lambda row: -row["contradicted"])


def _lines(document: dict[str, Any]) -> list[str]:
    """A few of the worst tiles of each part, and where the rest is."""
    sizes = {part: known["tiles"] for part, known in document["parts"].items()}
    lines = [f"{sum(sizes.values())} tiles of {document['images']} images compared with their labels"]
    for part, known in document["parts"].items():
        lines.append(f"{part}: {known['tiles']} tiles; {NOTES[part]}")
        for tile in known["worst"][:SAID]:
            numbers = f"loss {tile['loss']:5.2f}  IoU {tile['iou']:.2f}  surely another {tile['contradicted']:4.0%}"
            lines.append(f"  {tile['name']}  {numbers}  {tile['words']}".rstrip())
    shown = {name: files.shown(Path(path)) for name, path in document["files"].items()}
    more = f" and {len(document['excluded_before'])} of the run's own list" if document["excluded_before"] else ""
    lines.append(f"{shown['exclude']}: {len(document['exclude'])} tiles{more}; delete those that are labelled right")
    return [*lines, f"look: {shown['page']}; every tile: {shown['table']}"]


def _nothing(found: Judgement, wish: Wish) -> str:
    """Why there is no tile."""
    if found.failed:
        image, reason = next(iter(found.failed.items()))
        return f"no image could be compared with its labels; {image}: {reason}"
    return f"no image of --on {wish.on} has a labelled pixel"


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
