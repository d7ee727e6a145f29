"""The labels of a trained run's images, reviewed by its model: labels.csv, labels.html and exclude.txt in its folder.

document = review(run, competition, data=None, side=512, share=0.05)
document["parts"]["validation"]["worst"][0]           # {"name": "1020@r94-194c0-100", "loss": 3.7, …}
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from lib import files
from lib.competitions import Competition, Pair, find_pairs
from lib.data import lists
from lib.data.lists import pair_named
from lib.data.roots import home_root
from lib.data.splits import is_official
from lib.errors import Failed
from lib.folders import cache_folder
from lib.inference import ensemble
from lib.inference.disagreement import SURE
from lib.inference.ensemble import Weighted
from lib.inference.label_lists import disagreement, write_csv, write_exclude
from lib.inference.label_quality import PARTS, Division, Judged, Judgement, crop, judge
from lib.recipe import Recipe
from lib.reporting.labels_page import page
from lib.reporting.tile_gallery import TileGallery
from lib.submissions.job import held_out_among, shapes
from lib.submissions.pipeline import Track, TrainedRun

PICTURES = 40
"""Tiles that the page shows."""

FILES = {"table": "labels.csv", "page": "labels.html", "exclude": "exclude.txt"}
"""What a run's folder labels/ holds."""


def review(
    run: TrainedRun,
    competition: Competition,
    data: Path | None,
    side: int,
    share: float,
    most: int | None = None,
    parts: Sequence[str] = PARTS,
    tta: str = "none",
    track: Track = lambda images, words: images,
) -> dict[str, Any]:
    """Predict, compare, rank, and write the three files; returns the document that `--json` prints.

    `data`: the data root, where it is not the run's own. `side`, `parts`: as `judge` takes them; `share`, `most`: as
    `Judgement.worst` does. Images that could not be read are in `failed`. Raises `UsageError` when the data root lacks
    the run's images, `Failed` when there is no tile at all.
    """
    loaded = ensemble.load([Weighted(run.checkpoint)], competition)
    before = loaded.checkpoints[0].recipe.data.exclude
    root = home_root(competition, data or run.data, cache_folder())
    pairs = find_pairs(competition.data.train, root)
    division = _division(run, competition, loaded.checkpoints[0].recipe, root, pairs)
    gallery = TileGallery(competition, PICTURES // min(2, len(parts)))

    def see(judged: list[Judged], *at_hand: Any) -> None:
        for each in judged:
            if each.ranked and gallery.wants(each.part, each.tile.loss):
                gallery.see(each.part, each.tile.loss, each.name, *crop(each.tile, *at_hand))

    predictor = loaded.predictor(tta, (1.0,))
    found = judge(
        predictor, competition, pairs, division, side, parts, see, lambda todo: track(todo, "comparing labels")
    )
    if not found.tiles:
        raise Failed(_why_nothing(found))
    worst, folder = found.worst(share, most), run.folder / "labels"
    paths = {name: folder / file for name, file in FILES.items()}
    listed = {each.name for own in worst.values() for each in own}
    document = {
        "run": run.id,
        "files": {name: str(path) for name, path in paths.items()},
        "side": side,
        "tta": tta,
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
    return document


def _division(run: TrainedRun, competition: Competition, recipe: Recipe, root: Path, pairs: list[Pair]) -> Division:
    """What the run used which image, or part of one, for."""
    known, shape_of = {pair.id: pair for pair in pairs}, shapes(competition)
    named = [pair_named(name, known, competition, shape_of) for name in recipe.data.exclude]
    trained = lists.read(pairs, competition, root, shape_of).train if is_official(competition, recipe) else None
    return Division.of(held_out_among(pairs, root, competition, run), [pair for pair in named if pair], trained)


def _part(found: Judgement, part: str, listed: set[str], competition: Competition) -> dict[str, Any]:
    """What is known of a part: its tiles, its classes, its worst tiles."""
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


def _classes(table: np.ndarray, names: tuple[str, ...]) -> list[dict[str, Any]]:
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


def _why_nothing(found: Judgement) -> str:
    if found.failed:
        image, reason = next(iter(found.failed.items()))
        return f"no image could be compared with its labels; {image}: {reason}"
    return "no pixel of these images has a label"
