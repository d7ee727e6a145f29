"""Trains a segmentation model inside a session: data, model, fit, outputs.

It is started by the bundle that `launch.py` makes, in Kaggle's folders or in their likeness on your machine:

    python launch.py                                     one process on the CPU
    python launch.py --gpu t4x2 -c deepglobe             one process a GPU, through torch.distributed.run
    python launch.py --set train.ranks=2                 two processes on the CPU

What it leaves in the working folder: checkpoints/best.safetensors, metrics.csv, summary.json, overlays/ and
manifest.json with the size and SHA-256 of each of them.
"""

import logging
import os
import signal
import sys
import time
import warnings
from pathlib import Path

warnings.filterwarnings("ignore", module="pytorch_lightning|timm|segmentation_models_pytorch|torch")

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from lib import files
from lib.brought import brought_weights
from lib.competitions import Pair, find_pairs
from lib.data.checks import check
from lib.data.datasets import EpochShare, ImageShare, TrainingCrops, WholeImages, as_it_is
from lib.data.roots import find_root
from lib.data.splits import split
from lib.errors import Failed, UsageError, guarded
from lib.folders import Folders
from lib.inference import restore
from lib.inference.predict import predict
from lib.models import build, checkpoint, has_unused_parameters
from lib.rasters import encode_png, read_image, read_labels
from lib.reporting.overlays import overlay
from lib.training import devices, ranks
from lib.training.callbacks import Keeper, Progress
from lib.training.loop import Segmentation

OVERLAYS = 6
for name in ("pytorch_lightning", "lightning_fabric"):
    logging.getLogger(name).setLevel(logging.ERROR)  # their import resets the level


@guarded
def main() -> None:
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit("asked to end"))  # by way of `finally` below
    folders = Folders.here()
    competition, recipe = folders.competition(), folders.recipe()
    if not ranks.is_rank():
        print(*devices.describe(), sep="\n", flush=True)
    device = devices.choose(recipe.train, gpu_asked=folders.plan()["gpu"] != "none")
    count = devices.ranks(recipe.train, device)
    recipe.must_share(count)
    brought_weights(folders.inputs)  # what is missing is told before the images are read

    # Data: found, every file opened once, divided.
    root = find_root(competition, folders).resolve()  # at home, errors name the user's folder, not a link to it
    pairs = find_pairs(competition.data.train, root)
    training, held_out = split(pairs, recipe.data.validation, recipe.train.seed)
    if len(held_out) < count:
        raise UsageError(f"{len(held_out)} validation image(s) cannot be shared by {count} ranks")
    if ranks.is_rank():
        train(folders, device, count, training, held_out)
        return
    print(f"data: {root}: {len(training)} training and {len(held_out)} validation images", flush=True)
    check(pairs, competition)
    try:
        if count > 1:
            print(f"starting {count} ranks", flush=True)
            sys.exit(ranks.start(Path(__file__), count))
        train(folders, device, count, training, held_out)
    finally:
        files.write_manifest(folders.working)


def train(folders: Folders, device: str, count: int, training: list[Pair], held_out: list[Pair]) -> None:
    """One rank's part of the run."""
    begin = time.time()
    competition, recipe = folders.competition(), folders.recipe()

    # Model: the recipe's, on the recipe's weights.
    pl.seed_everything(recipe.train.seed, workers=True, verbose=False)
    torch.set_float32_matmul_precision("high")
    start = brought_weights(folders.inputs) or recipe.starts_from
    model = build(recipe.model, len(competition.classes), encoder=None if recipe.starts_from else start)
    if recipe.starts_from:
        checkpoint.fill(model, checkpoint.read(start)[1], start)

    # Loaders: each rank draws its own share of every step, and validates its own share of the images.
    workers = recipe.data.workers
    if workers is None:
        workers = max(1, (os.cpu_count() or 1) // count) if device == "cuda" else 0
    loading = {"num_workers": workers, "persistent_workers": workers > 0, "pin_memory": device == "cuda"}
    crops = TrainingCrops(training, competition, recipe, copies=max(1, workers) * count)
    steps = crops.steps()
    train_loader = DataLoader(
        crops,
        batch_size=recipe.train.batch // count,
        sampler=EpochShare(steps, recipe.train.batch, ranks.rank(), count),
        **loading,
    )
    validation_loader = DataLoader(
        WholeImages(held_out, competition),
        batch_size=None,
        sampler=ImageShare(len(held_out), ranks.rank(), count),
        collate_fn=as_it_is,
        **loading,
    )

    # Fit: the best weights by the competition's own metric are kept.
    module = Segmentation(model, competition, recipe, steps=recipe.train.epochs * steps)
    watch = Progress()
    keeper = Keeper(folders.working, watch)
    strategy = "auto"
    if count > 1:
        strategy = "ddp_find_unused_parameters_true" if has_unused_parameters(model) else "ddp"
    trainer = pl.Trainer(
        accelerator="gpu" if device == "cuda" else "cpu",
        devices=count,
        strategy=strategy,
        precision=devices.precision(recipe.train, device),
        max_epochs=recipe.train.epochs,
        gradient_clip_val=recipe.train.clip or None,
        callbacks=[watch, keeper],
        default_root_dir=folders.scratch,
        use_distributed_sampler=False,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        benchmark=True,
    )
    if recipe.train.epochs:
        trainer.fit(module, train_loader, validation_loader)
    else:
        trainer.validate(module, validation_loader, verbose=False)
    if ranks.rank() != 0:
        return

    # Outputs: what the best epoch scored, and pictures of the images that it did worst on.
    best = keeper.best
    files.write_json(
        folders.working / "summary.json",
        {
            "competition": competition.name,
            "metric": {
                "label": competition.metric.label,
                "value": best.score.value,
                "epoch": best.epoch,
                "per_class": best.score.per_class,
                "baselines": best.score.baselines,
            },
            "table": {"rows": "truth", "classes": [*competition.names, "none"], "pixels": best.table.tolist()},
            "images": {held_out[index].id: value for index, value in best.image_scores},
            "training": {"images": len(training), "epochs": recipe.train.epochs, "steps": trainer.global_step},
            "validation": [pair.id for pair in held_out],
            "devices": devices.describe(),
            "device": device,
            "ranks": count,
            "precision": devices.precision(recipe.train, device),
            "seconds": round(time.time() - begin, 1),
            "bundle": os.environ["SWATH_BUNDLE"],
            "recipe": recipe.model_dump(),
        },
    )
    model = checkpoint.load(keeper.path).model.to(device)
    scored = [(index, value) for index, value in best.image_scores if value is not None]
    for index, value in sorted(scored, key=lambda item: item[1])[:OVERLAYS]:
        pair = held_out[index]
        image, truth = read_image(pair.image), read_labels(pair.mask, competition)
        labels = restore(predict(model, image, recipe, tta="none"), truth.shape)
        picture = overlay(image, truth, labels, competition, f"{pair.id}: {competition.metric.measure} {value:.3f}")
        files.write(folders.working / "overlays" / f"{pair.id}.png", encode_png(picture))
    if watch.diverged:
        raise Failed(
            f"the weights were not numbers any more after epoch {watch.diverged}, and training stopped there; "
            f"the best are those of epoch {best.epoch}",
            f"a smaller learning rate: --set train.lr={recipe.train.lr / 3:.2g}",
        )


if __name__ == "__main__":
    main()
