"""Steps that are shared: by two ranks, or by passes one after another; each as the whole step at once.

Where nothing looks across crops (no batch norm, a mean over all pixels) losses, gradients and weights must be the same,
also where parts of the model are frozen at first and thawed later.
"""

import csv
import os
import subprocess
import sys

import pytest
from safetensors.torch import load_file

from lib import files
from lib.competitions import IGNORE, find_pairs
from lib.rasters import read_labels
from lib.recipe import resolve
from tests.programs import PROJECT, given, program_in

TRAIN = """
import sys
from pathlib import Path
from kernels.train import train
from lib.data.ready import make_ready
from lib.folders import Folders
scenes = Path(sys.argv[1])
for root in map(Path, sys.argv[2:]):
    folders = Folders(root, root)
    train(folders, "cpu", 1, make_ready(folders.competition(), folders.recipe(), scenes, root / "scratch"))
"""

SETTINGS = {
    "model.architecture": "plain_unet",
    "model.encoder": "resnet34",
    "model.weights": "none",
    "model.decoder_channels": "auto",
    "model.depth": 2,
    "model.width": 4,
    "model.norm": "none",
    "model.freeze": "encoder",
    "model.thaw": 2,
    "data.scale": 0.25,
    "data.crop": 32,
    "data.augment": "none",
    "data.validation": 0.0625,
    "train.epochs": 2,
    "train.steps": 3,
    "train.batch": 4,
    "train.loss": "ce",
    "train.optimizer": "sgd",
    "train.lr": 0.1,
    "train.clip": 0.5,
    "infer.window": 64,
}


@pytest.fixture(scope="module")
def outputs(tmp_path_factory, cache, scenes, competition):
    """The working folders of the same run: at once, in two passes a step, on two ranks."""
    folder = tmp_path_factory.mktemp("together")
    pairs = find_pairs(competition.data.train, scenes)
    some_unknown = [pair.id for pair in pairs if (read_labels(pair.mask, competition) == IGNORE).any()]
    usual = SETTINGS | {"data.exclude": some_unknown}  # a mean over fewer pixels is another one
    alone = {"at once": {}, "two passes": {"train.accumulate": 2}}
    for name, settings in alone.items():
        recipe, _ = resolve([("sample", competition.recipe), ("test", usual), ("run", settings)])
        files.write(folder / name / "recipe.json", recipe.model_dump_json())
        files.write(folder / name / "plan.json", "{}")
        files.write(folder / name / "competition.toml", (PROJECT / "lib/competitions/sample.toml").read_bytes())
    subprocess.run(
        [sys.executable, "-c", TRAIN, str(scenes), *(str(folder / name) for name in alone)],
        cwd=PROJECT,
        env={**os.environ, "SWATH_BUNDLE": "none", "OMP_NUM_THREADS": "1"},
        check=True,
    )
    program = program_in(folder, cache)
    run = program.json("launch.py", *given(usual), "--set", "train.ranks=2")
    return {name: folder / name / "working" for name in alone} | {"two ranks": program.runs / run["id"] / "outputs"}


def weights_of(folder):
    return load_file(folder / "checkpoints" / "best.safetensors")


def rows_of(folder):
    with open(folder / "metrics.csv", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", ["two passes", "two ranks"])
def test_a_shared_step_is_the_step(outputs, name):
    at_once, shared = rows_of(outputs["at once"]), rows_of(outputs[name])
    for one, other in zip(at_once, shared, strict=True):
        assert float(one["loss"]) == pytest.approx(float(other["loss"]), rel=1e-5)
        assert float(one["grad_norm"]) == pytest.approx(float(other["grad_norm"]), rel=1e-4)
        assert float(one["metric"]) == pytest.approx(float(other["metric"]), abs=1e-3)
    assert at_once[0]["loss"] != at_once[1]["loss"]


def test_the_weights_are_the_same(outputs):
    ours = weights_of(outputs["at once"])
    for name in ("two passes", "two ranks"):
        theirs = weights_of(outputs[name])
        assert max((ours[key] - theirs[key]).abs().max().item() for key in ours) < 1e-5, name


def test_what_is_frozen_is_thawed_at_its_epoch(outputs):
    """Only what is trained has gradients and moves: the decoder alone in the first epoch, all blocks in the second."""
    for name in ("at once", "two ranks"):
        with open(outputs[name] / "gradients.csv", newline="") as file:
            found = [(int(row["step"]), row["block"]) for row in csv.DictReader(file) if float(row["update_ratio"])]
        first, second = ({block for step, block in found if (step > 3) is later} for later in (False, True))
        assert {block.split(".")[0] for block in first} == {"decoder", "head"}
        assert {block.split(".")[0] for block in second} == {"encoder", "decoder", "head"}
