"""Training side by side: the kit against the training script of segmentation-models-pytorch's examples.

    python -m benchmarks.dubai DIR                              the data of https://www.kaggle.com/datasets/humansintheloop/…
    python -m benchmarks.dubai DIR --images 4000 --encoder resnet34 --crop 320 --batch 16

Both train the same network from random weights on as many crops of the same images, and are scored on the same held-out
images at their own size: crops a second, IoU of each class, their mean. `launch.py` trains as a user starts it, by its
own defaults; what the other side does is in smp_example.py. DIR is the set of the competition `dubai`.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from lib.folders import PROJECT
from lib.launching.terminal import main, program, say, talk

app = program(None)


@app.command(help=__doc__)
def dubai(
    data: Annotated[Path, typer.Argument(metavar="DIR", exists=True, file_okay=False)],
    images: Annotated[int, typer.Option(help="Crops that each side trains on.")] = 1000,
    architecture: Annotated[str, typer.Option()] = "unet",
    encoder: Annotated[str, typer.Option(help="A timm encoder.")] = "resnet18",
    crop: Annotated[int, typer.Option()] = 320,
    batch: Annotated[int, typer.Option()] = 16,
    epochs: Annotated[int, typer.Option(help="The kit's; the other side's are of one crop an image.")] = 5,
    precision: Annotated[str, typer.Option(help="32, 16 or bf16.")] = "32",
    sets: Annotated[list[str] | None, typer.Option("--set", help="More recipe keys for the kit.")] = None,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    keys = {
        "model.architecture": architecture,
        "model.encoder": encoder,
        "model.weights": "none",
        "model.decoder_channels": "auto",
        "data.scale": 1,
        "data.crop": crop,
        "data.split": "group",
        "train.batch": batch,
        "train.epochs": epochs,
        "train.steps": max(1, round(images / batch / epochs)),
        "train.lr": 1e-3,
        "train.precision": precision,
    }
    with tempfile.TemporaryDirectory(prefix="swath-") as folder:
        ours = train_with_kit(data, Path(folder), [f"{key}={value}" for key, value in keys.items()] + (sets or []))
        job = {"architecture": architecture, "encoder": f"tu-{encoder}", "crop": crop, "batch": batch}
        job |= {"images": ours["images"], "precision": {"32": "32-true"}.get(precision, f"{precision}-mixed")}
        theirs = train_with_example(job | ours["pairs"], Path(folder))
    document = {
        "kit": measured(ours),
        "smp example": measured(theirs),
        "classes": ours["classes"],
        "device": ours["device"],
    }
    say(document, as_json, table(document))


def train_with_kit(data: Path, folder: Path, keys: list[str]) -> dict[str, Any]:
    """A run of `launch.py`: crops a second of training, the best epoch's table, and which images were held out."""
    runs = folder / "runs"
    words = [word for key in keys for word in ("--set", key)]
    command = [
        sys.executable,
        "launch.py",
        "--on",
        "local",
        "-c",
        "dubai",
        "--data",
        str(data.resolve()),
        *words,
        "--json",
    ]
    environment = {**os.environ, "SWATH_RUNS": str(runs), "SWATH_CACHE": str(folder / "cache")}
    done = subprocess.run(command, cwd=PROJECT, env=environment, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(done.returncode)
    outputs = runs / json.loads(done.stdout)["id"] / "outputs"
    summary = json.loads((outputs / "summary.json").read_text())
    with open(outputs / "metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    recipe = summary["recipe"]["train"]
    seconds = sum(
        recipe["batch"] * summary["training"]["steps"] / len(rows) / float(row["images_per_s"]) for row in rows
    )
    classes = summary["table"]["classes"][:-1]
    seen = summary["training"]["steps"] * recipe["batch"]
    return {
        "images": seen,
        "images_per_s": seen / seconds,
        "table": [row[: len(classes)] for row in summary["table"]["pixels"]],
        "classes": classes,
        "device": [summary["device"], *summary["devices"], summary["precision"]],
        "pairs": written(data, set(summary["validation"]), folder, len(classes)),
    }


def written(data: Path, held_out: set[str], folder: Path, classes: int) -> dict[str, Any]:
    """The pairs of both parts, with the masks as class indices, as the example reads them."""
    from lib import files
    from lib.competitions import find_pairs, load
    from lib.rasters import encode_png, read_labels

    competition = load("dubai")
    parts: dict[str, Any] = {"training": [], "held_out": [], "classes": classes, "workers": os.cpu_count() or 1}
    for pair in find_pairs(competition.data.train, data):
        mask = folder / "masks" / f"{pair.id}.png"
        files.write(mask, encode_png(read_labels(pair.mask, competition)))
        parts["held_out" if pair.id in held_out else "training"].append([str(pair.image), str(mask)])
    return parts


def train_with_example(job: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The other side, in a process of its own."""
    asked, answer = folder / "job.json", folder / "result.json"
    asked.write_text(json.dumps(job))
    talk(f"the example: {job['images']} crops of {len(job['training'])} images")
    subprocess.run([sys.executable, "-m", "benchmarks.smp_example", str(asked), str(answer)], cwd=PROJECT, check=True)
    return json.loads(answer.read_text())


def measured(side: dict[str, Any]) -> dict[str, Any]:
    """Crops, crops a second, IoU of each class over all held-out images and their mean."""
    rows = side["table"]
    iou = []
    for index, row in enumerate(rows):
        union = sum(row) + sum(other[index] for other in rows) - row[index]
        iou.append(row[index] / union if union else None)
    known = [value for value in iou if value is not None]
    return {"images": side["images"], "images_per_s": side["images_per_s"], "iou": iou, "miou": sum(known) / len(known)}


def table(document: dict[str, Any]) -> list[str]:
    """The two sides, a line each."""
    lines = ["; ".join(document["device"]), ""]
    names = ["crops", "crops/s", "mean IoU", *document["classes"]]
    lines.append(" ".join(["side".ljust(12), *(name.rjust(10) for name in names)]))
    for name in ("kit", "smp example"):
        side = document[name]
        cells = [f"{side['images']:,}", f"{side['images_per_s']:.1f}", f"{side['miou']:.3f}"]
        cells += ["-" if value is None else f"{value:.3f}" for value in side["iou"]]
        lines.append(" ".join([name.ljust(12), *(cell.rjust(10) for cell in cells)]))
    ratio = document["kit"]["images_per_s"] / document["smp example"]["images_per_s"]
    return [*lines, "", f"{ratio:.2f} times as many crops a second"]


if __name__ == "__main__":
    main(app)
