"""The kernel's weights follow seed and settings; two ranks: the validation table of one, failures told once."""

import os
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from lib import files
from lib.recipe import resolve
from tests.programs import PROJECT, TINY, some_scenes

TRAIN = """
import gc
import sys
from pathlib import Path
from kernels.train import train
from lib.data.ready import make_ready
from lib.folders import Folders
assert not {"torchmetrics", "scipy.signal"} & set(sys.modules), "a second of every start, for nothing"
assert gc.get_freeze_count() > 100_000, "what the imports made is looked through for garbage, and again at exit"
assert gc.get_threshold()[0] < 10_000, "training leaves its garbage lying about"
for root in map(Path, sys.argv[2:]):
    folders = Folders(root, root)
    scenes = Path(sys.argv[1])
    train(folders, "cpu", 1, make_ready(folders.competition(), folders.recipe(), scenes, scenes / "scratch"))
"""


@pytest.fixture(scope="module")
def weights(tmp_path_factory, scenes, competition):
    """Weights by name of the kernel's runs on six images, all in one process."""
    runs = {
        "first": {},
        "again": {},
        "another seed": {"train.seed": 1},
        "untrained": {"train.epochs": 0},
        "gradients clipped to nothing": {"train.clip": 1e-12},
        "half precision": {"train.precision": "bf16"},
    }
    folder = tmp_path_factory.mktemp("weights")
    usual = {"train.epochs": 1, "train.steps": 2, "train.weight_decay": 0, "data.crop": 64, "data.validation": 0.15}
    for name, settings in runs.items():
        recipe, _ = resolve([("sample", competition.recipe), ("test", usual), ("run", settings)])
        files.write(folder / name / "recipe.json", recipe.model_dump_json())
        files.write(folder / name / "competition.toml", (PROJECT / "lib/competitions/sample.toml").read_bytes())
    subprocess.run(
        [
            sys.executable,
            "-c",
            TRAIN,
            str(some_scenes(scenes, folder / "scenes", 7)),
            *(str(folder / name) for name in runs),
        ],
        cwd=PROJECT,
        env={**os.environ, "SWATH_BUNDLE": "none", "OMP_NUM_THREADS": "1"},
        check=True,
    )
    return {name: load_file(folder / name / "working" / "checkpoints" / "best.safetensors") for name in runs}


def farthest(one, other) -> float:
    """The largest difference between trained numbers; batch-norm statistics are not trained."""
    trained = [name for name, value in one.items() if "running" not in name and value.is_floating_point()]
    return max((one[name] - other[name]).abs().max().item() for name in trained)


def test_the_seed_decides_every_weight(weights):
    assert all(torch.equal(value, weights["again"][name]) for name, value in weights["first"].items())
    assert farthest(weights["first"], weights["another seed"]) > 0.1


def test_the_gradients_norm_is_limited(weights):
    """AdamW makes steps of gradients of any size, but for those far below its epsilon of 1e-8."""
    assert farthest(weights["untrained"], weights["first"]) > 1e-3
    assert farthest(weights["untrained"], weights["gradients clipped to nothing"]) < 1e-6


def test_the_precision_is_the_recipes(weights):
    assert 1e-6 < farthest(weights["first"], weights["half precision"]) < 0.1


UNEVEN = ("--set", "data.validation=0.0625")
"""Three of the sample's 48 images are held out."""


def table_of(program, run):
    return files.read_json(program.runs / run["id"] / "outputs" / "summary.json")["table"]


@pytest.fixture(scope="module")
def two(tmp_path_factory, cache):
    """A run trained by two gloo ranks on the CPU: one of them validates two images, the other one."""
    from tests.programs import program_in

    program = program_in(tmp_path_factory.mktemp("ranks"), cache)
    return program, program.json("launch.py", *TINY, *UNEVEN, "--set", "train.epochs=2", "--set", "train.ranks=2")


def test_two_ranks_train(two):
    program, run = two
    summary = files.read_json(program.runs / run["id"] / "outputs" / "summary.json")
    assert summary["ranks"] == 2
    assert "starting 2 ranks" in (program.runs / run["id"] / "log.txt").read_text()
    assert sum(map(sum, summary["table"]["pixels"])) > 0
    assert len(summary["images"]) == len(summary["validation"]) == 3, "every image once"


@pytest.mark.parametrize("ranks", [1, 2])
def test_the_same_weights_give_the_same_table(two, ranks):
    """Weights saved by rank 0, validated again by one and by two ranks: the table is the same, pixel for pixel."""
    program, run = two
    weights = program.runs / run["id"] / "outputs" / "checkpoints" / "best.safetensors"
    settings = ("--set", f"model.weights={weights}", "--set", "train.epochs=0", "--set", f"train.ranks={ranks}")
    again = program.json("launch.py", *TINY, *UNEVEN, *settings)
    assert table_of(program, again) == table_of(program, run)
    assert again["metrics"]["value"] == run["metrics"]["value"]


def test_a_failure_of_the_ranks_is_told_without_a_traceback(program, tmp_path):
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(bytes(100))
    done = program("launch.py", *TINY, "--set", "train.ranks=2", "--set", f"model.weights={broken}", code=1)
    assert f"{broken} is neither safetensors nor a file of torch.save" in done.stderr
    assert "the kernel ended with exit code 1" in done.stdout


def test_more_ranks_than_validation_images(program):
    done = program("launch.py", *TINY, "--set", "train.ranks=16", "--set", "train.batch=16", code=1)
    assert "10 validation image(s) cannot be shared by 16 ranks" in done.stderr
