"""Finds `train.batch = auto` and `train.lr = auto` in a process of its own, before the first step.

    settings = found(folders, recipe, ready, device, ranks)     # {"train.batch": 16, "train.lr": 0.0021}

A process that has run out of memory leaves it in pieces; this one ends, and gives all of it back.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from lib import files, garbage
from lib.data.datasets import TrainingCrops
from lib.data.ready import Ready, make_ready
from lib.data.roots import find_root
from lib.errors import Failed, guarded
from lib.folders import SETTINGS, Folders
from lib.models.starting import start
from lib.recipe import POOLING, Recipe
from lib.training import batch_size, devices, lr_range, resume
from lib.training.lightning import fabric_of, seed_everything
from lib.training.loaders import Share, crop_loader
from lib.training.ranks import end_with_parent
from lib.training.stepper import NEVER, Stepper

KEYS = ("train.batch", "train.lr")

EPOCH = 20
"""Steps that an epoch keeps at least, however large a batch fits."""


def settle(folders: Folders, recipe: Recipe, device: str, ranks: int) -> Recipe:
    """The recipe with a number for all that it leaves to be found; this process and its ranks go by it from now on.

    What an earlier session of the run has found is taken from its state.
    """
    if recipe.train.batch and recipe.train.lr:
        return recipe
    earlier = resume.earlier_recipe(folders)
    if earlier is not None:
        settings = dict(zip(KEYS, (earlier.train.batch, earlier.train.lr), strict=True))
    else:
        with tempfile.TemporaryDirectory() as folder:
            answer = Path(folder) / "found.json"
            words = [sys.executable, "-m", "lib.training.tryout", device, str(ranks), str(answer)]
            code = subprocess.run(words, cwd=folders.payload, check=False).returncode
            if code:
                sys.exit(code)  # it has said why
            settings = files.read_json(answer)
    os.environ[SETTINGS] = json.dumps(folders.settings() | settings)
    return folders.recipe()


@guarded
def main() -> None:
    end_with_parent(signal.SIGKILL)
    device, ranks, answer = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    folders = Folders.here()
    competition, recipe = folders.competition(), folders.recipe()
    ready = make_ready(competition, recipe, find_root(competition, folders).resolve(), folders.scratch)
    garbage.usual()
    settings: dict[str, Any] = {}
    if recipe.train.batch is None:
        settings["train.batch"] = find_batch(folders, recipe, ready, device, ranks)
        recipe = recipe.model_copy(update={"train": recipe.train.model_copy(update={"batch": settings["train.batch"]})})
    if recipe.train.lr is None:
        settings["train.lr"] = find_lr(folders, recipe, ready, device, ranks)
    files.write_json(answer, settings)


def find_batch(folders: Folders, recipe: Recipe, ready: Ready, device: str, ranks: int) -> int:
    """The batch over all ranks."""
    print("train.batch = auto: trying", flush=True)
    classes = len(folders.competition().classes)
    model = start(recipe, classes, ready.radiometry, folders.inputs)
    fabric = fabric_of(device, 1, devices.precision(recipe.train, device), model)
    trial = batch_size.Trial(fabric, model, recipe, classes)
    crops = TrainingCrops(ready.census, ready.pool, ready.reading, recipe)
    most = min(256, int(crops.pixels / recipe.data.crop**2 / ranks / EPOCH))
    found = batch_size.useful_batch(trial, 2, most, lambda text: print(text, flush=True))
    if found is None and recipe.model.architecture not in POOLING:
        found = batch_size.useful_batch(trial, 1, 1, lambda text: print(text, flush=True))
    if found is None:
        raise Failed(
            f"no batch of crops of {recipe.data.crop} fits into the memory here",
            f"smaller crops: --set data.crop={max(32, recipe.data.crop // 2)}, or a smaller model.encoder",
        )
    accumulated = found * recipe.train.accumulate * ranks
    print(f"      train.batch = {accumulated}", flush=True)
    return accumulated


def find_lr(folders: Folders, recipe: Recipe, ready: Ready, device: str, ranks: int) -> float:
    """The learning rate, by a range test on the run's own crops, one rank's share of each step."""
    print(f"train.lr = auto: a range test of {lr_range.STEPS} steps", flush=True)
    seed_everything(recipe.train.seed, workers=True, verbose=False)
    model = start(recipe, len(folders.competition().classes), ready.radiometry, folders.inputs)
    fabric = fabric_of(device, 1, devices.precision(recipe.train, device), model)
    train = recipe.train.model_copy(update={"lr": 1.0, "epochs": 1})
    recipe = recipe.model_copy(update={"train": train})
    stepper = Stepper(fabric, model, recipe, NEVER, ready.class_weights)
    stepper.begin(epoch=1)
    crops = TrainingCrops(ready.census, ready.pool, ready.reading, recipe)
    batches = iter(crop_loader(crops, recipe, Share(0, ranks), device, steps=lr_range.STEPS))

    def train_at(lr: float) -> float:
        drawn = [fabric.to_device(next(batches)) for _ in range(train.accumulate)]
        return float(stepper.take(drawn, 0, lr)[0])

    curve = lr_range.range_test(train_at)
    if len(curve.rates) < 3:
        raise Failed(
            "the loss is no number from the first steps on, at any learning rate",
            "look at the data: python launch.py doctor",
        )
    curve.write(folders.working)
    found = float(f"{curve.suggestion:.2g}")
    print(f"      train.lr = {found:g} (lr_range.png)", flush=True)
    return found


if __name__ == "__main__":
    main()
