"""A run that is over, made in a moment: a tiny competition, a checkpoint of random weights, a checked file.

run = ready_run(tmp_path / "runs", field(tmp_path / "data"))
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from lib import files
from lib.competitions import parse
from lib.launching import ledger
from lib.launching.runs import Run
from lib.models import build, checkpoint
from lib.rasters import encode_png, masks_in, write_labels
from lib.recipe import Recipe
from lib.submissions.job import find_job
from lib.submissions.pipeline import make_file

SLUG = "field-segmentation"

ON_KAGGLE = """
name = "field"
[kaggle]
datasets = ["me/field"]
[data.train]
images = "images/{id}.png"
masks = "masks/{id}.png"
[[classes]]
name = "soil"
[[classes]]
name = "crop"
[submission.zip]
pixels = "index"
"""
"""A competition whose data are a data set on Kaggle."""

TOML = f"""
name = "field"
[kaggle]
competition = "{SLUG}"
[data.train]
images = "images/{{id}}.png"
masks = "masks/{{id}}.png"
[data.test]
images = "test/{{id}}.png"
masks = "truth/{{id}}.png"
[[classes]]
name = "soil"
[[classes]]
name = "crop"
[submission.csv]
columns = ["id", "rle"]
id = "{{id}}"
classes = ["crop"]
sample = "sample_submission.csv"
[metric]
measure = "dice"
pool = "pairs"
empty = 1
"""

RECIPE = Recipe(
    model={
        "encoder": "mobilenetv3_small_050",
        "weights": "none",
        "decoder_channels": (16, 8, 8, 8, 8),
    },
    data={"crop": 32},
    infer={"tta": "none"},
)


def field(folder: Path, tests: int = 3, seed: int = 0) -> Path:
    """A data root: two training pairs, `tests` test images of odd sizes with truth, a sample submission."""
    rng = np.random.default_rng(seed)
    for part, masks, count in (("images", "masks", 2), ("test", "truth", tests)):
        for number in range(count):
            size = (37 + 4 * number, 45 + 2 * number)
            truth = (rng.random((size[0] // 6 + 1, size[1] // 6 + 1)) > 0.5).repeat(6, 0).repeat(6, 1)
            truth = truth[: size[0], : size[1]].astype(np.uint8)
            image = np.stack([truth * 200 + 20] * 3, -1).astype(np.uint8)
            files.write(folder / part / f"{part[0]}{number}.png", encode_png(image))
            files.write(folder / masks / f"{part[0]}{number}.png", encode_png(truth))
    files.write(folder / "sample_submission.csv", "id,rle\n" + "".join(f"t{n},1 1\n" for n in reversed(range(tests))))
    return folder


def ready_run(
    runs: Path,
    data: Path,
    name: str = "20260101-000000-field-abcd",
    seed: int = 0,
    toml: str = TOML,
    **content: object,
) -> Run:
    """A run on this machine with a checkpoint and a summary; `content` goes into its run.json."""
    run = Run(runs / name)
    files.write(run.folder / "competition.toml", toml)
    competition = parse(run.folder / "competition.toml")
    torch.manual_seed(seed)
    model = build(RECIPE.model, len(competition.classes))
    checkpoint.save(run.checkpoint, model, competition, RECIPE, score=0.5, epoch=1)
    files.write_json(run.outputs / "summary.json", {"validation": ["i0"], "finished": True})
    state = {
        "status": "complete",
        "place": "local",
        "accelerator": "none",
        "created": "2026-01-01T00:00:00+00:00",
        "competition": competition.name,
        "competition_file": str(run.folder / "competition.toml"),
        "kernel": "train",
        "data": str(data),
        "recipe": RECIPE.model_dump(),
        "attempts": [{"ref": f"local/{name}", "version": 1, "url": "", "status": "complete"}],
        "metrics": None,
        "submissions": [],
    }
    run.create(state | content)
    return run


def with_file(run: Run, flip: float = 0.0, seed: int = 1, made_of: dict | None = None) -> dict:
    """Make a checked and scored file of the truth with a share of its pixels turned over; returns its document."""
    job, rng = find_job(run.competition, run.data), np.random.default_rng(seed)
    for image, path in job.truth.items():
        truth = masks_in(path.parent, run.competition)(image)
        wrong = rng.random(truth.shape) < flip
        write_labels(run.folder / "predictions" / f"{image}.png", np.where(wrong, 1 - truth, truth), run.competition)
    about = {"images": sorted(job.truth), "competition": "field"} | (made_of or {"run": run.id, "tta": "d4"})
    files.write_json(run.folder / "predictions" / "predictions.json", about)
    made = make_file(job, masks_in(run.folder / "predictions", run.competition), run.folder)
    assert made["problems"] == []
    ledger.remember(run, made)
    return made
