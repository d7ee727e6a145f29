"""Longer than a session: a chain of sessions, stopped anywhere, is one uninterrupted run, bit for bit."""

import csv
import json
import os
import random
import socket
import subprocess
import sys
from contextlib import suppress

import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lib import files
from lib.recipe import resolve
from lib.training import state
from tests.programs import PROJECT, some_scenes

SESSIONS = """
import json, os, shutil, sys, time
from pathlib import Path
import kernels.train
from lib.data.ready import make_ready
from lib.errors import SwathError
from lib.folders import Folders
from lib.training.limit import Limit
from lib.training.ranks import rank

ranks, scenes, folder, chains = int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), json.loads(sys.argv[4])
ports = sys.argv[5:]

class Looks(Limit):
    "Ends the session at the given look at the clock: before a step, before a validation, before each of its images."

    def __init__(self, look):
        super().__init__(seconds=look and 3600)
        self.looks = look

    def calls(self, needed=0):
        if self.looks is None or rank() != 0:
            return False
        self.looks -= 1
        return self.looks < 0

report = kernels.train.report

def keeping_the_state(folders, *more):
    shutil.copyfile(folders.working / "checkpoints/last.ckpt", folders.root / "state.ckpt")
    report(folders, *more)

kernels.train.report = keeping_the_state
for name, looks in chains.items():
    for number, look in enumerate(looks):
        root = folder / name / str(number)
        if rank() == 0:
            print(f"== {name} {number}", flush=True)
        # These sessions share processes; each has a meeting place of its own, as if it had been started alone.
        os.environ |= {"MASTER_PORT": ports.pop(), "TORCHELASTIC_USE_AGENT_STORE": "False"}
        os.environ["SWATH_RESUMES"] = f"me/session-{number - 1}" if number else ""
        folders = Folders(root, folder / name)
        try:
            ready = make_ready(folders.competition(), folders.recipe(), scenes, folder / "scratch")
            kernels.train.train(folders, "cpu", ranks, ready, Looks(look))
        except SwathError as error:
            print("error:", error.reason, flush=True)
        if rank() == 0:
            (root / "over").touch()
        while not (root / "over").exists():
            time.sleep(0.02)
"""

STOPS = {
    "inside epochs": [2, 5, None],
    "before validations": [3, 6, None],
    "inside validations": [5, 8, None],
    "after an epoch and at once": [6, 0, None],
    "before the average of the best epochs": [12, None],
}
"""Two epochs of three steps, two images: 3 looks before steps, 1 before the validation, 2 in it, and again; then 1
before the average, and 2 in its validation."""

SETTINGS = {
    "model.architecture": "fpn",  # its decoder drops channels at random
    "model.encoder": "mobilenetv3_small_050",
    "model.decoder_channels": "auto",
    "data.crop": 32,
    "infer.window": 512,
    "train.epochs": 2,
    "train.steps": 3,
    "train.batch": 4,
    "train.accumulate": 2,
    "train.optimizer": "sgd(momentum=0.9)",
    "train.schedule": "plateau(patience=0)",
    "train.ema": 0.5,
    "train.average_best": 2,
    "data.validation": 0.25,
}
BY_THE_CLOCK = ("images_per_s", "data_wait", "seconds")


def free_ports(count: int) -> list[str]:
    """Ports that are free and stay so: below those that a system gives to whoever asks for any (from 32768 on)."""
    free = []
    for port in random.sample(range(20000, 32000), 200):
        with suppress(OSError), socket.socket() as one:
            one.bind(("", port))
            free.append(str(port))
    return free[:count]


def train(folder, scenes, competition, chains, settings=(), ranks=1, code=0):
    """Run chains of sessions, each with the outputs of the one before mounted; returns what was said."""
    recipe, _ = resolve([("sample", competition.recipe), ("test", SETTINGS), ("run", dict(settings))])
    for name, looks in chains.items():
        files.write(folder / name / "recipe.json", recipe.model_dump_json())
        files.write_json(folder / name / "plan.json", {"kernel": "train.py", "gpu": "none"})
        files.write(folder / name / "competition.toml", (PROJECT / "lib/competitions/sample.toml").read_bytes())
        for number in range(1, len(looks)):
            mount = folder / name / str(number) / "input" / "notebooks" / "me" / f"session-{number - 1}"
            mount.parent.mkdir(parents=True)
            mount.symlink_to(folder / name / str(number - 1) / "working")
    eight = some_scenes(scenes, folder / "scenes", 8)
    script = folder / "sessions.py"
    script.write_text(SESSIONS)
    start = ["-m", "lib.training.ranks", "--standalone", f"--nproc-per-node={ranks}"] if ranks > 1 else []
    ports = free_ports(sum(map(len, chains.values())))
    done = subprocess.run(
        [sys.executable, *start, str(script), str(ranks), str(eight), str(folder), json.dumps(chains), *ports],
        cwd=PROJECT,
        env={**os.environ, "SWATH_BUNDLE": "none", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def must_equal(one, other, where="state"):
    """The same numbers, bit for bit, but what a clock has told."""
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other), where
    elif isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for key in one.keys() - {"costs", "trained", "waited", *BY_THE_CLOCK}:
            must_equal(one[key], other[key], f"{where}.{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), where
        for number, pair in enumerate(zip(one, other, strict=True)):
            must_equal(*pair, f"{where}[{number}]")
    else:
        assert one == other, where


def must_be_one_run(straight, end):
    """The outputs of a chain's last session, and the state behind them, are those of the uninterrupted run."""
    must_equal(state.read(straight / "state.ckpt"), state.read(end / "state.ckpt"))
    weights = [load_file(root / "working" / "checkpoints" / "best.safetensors") for root in (straight, end)]
    must_equal(*weights, "best")
    rows = []
    for root in (straight, end):
        with open(root / "working" / "metrics.csv", newline="") as file:
            rows.append(list(csv.DictReader(file)))
    must_equal(*rows, "metrics.csv")
    assert [row["epoch"] for row in rows[0]] == ["1", "2"]
    for name in ("confusion.csv", "gradients.csv"):
        assert (straight / "working" / name).read_text() == (end / "working" / name).read_text(), name
    assert curves(straight) == curves(end)
    summaries = [files.read_json(root / "working" / "summary.json") for root in (straight, end)]
    for key in ("finished", "epochs_done", "metric", "table", "images", "training", "validation"):
        must_equal(summaries[0][key], summaries[1][key], key)
    assert summaries[0]["finished"] is True
    assert not (end / "working" / state.STATE).exists(), "a finished run is small"
    assert list((end / "working" / "overlays").iterdir())


def curves(root):
    """TensorBoard's points of validations and of gradients; those of steps come by the clock."""
    found = EventAccumulator(str(root / "working" / "tensorboard")).Reload()
    tags = [tag for tag in found.Tags()["scalars"] if not tag.startswith(("train/", "speed/"))]
    assert {"validation/metric", "iou/water", "grad_norm/head"} <= set(tags)
    return {tag: [(event.step, event.value) for event in found.Scalars(tag)] for tag in tags}


@pytest.fixture(scope="module")
def chains(tmp_path_factory, scenes, competition):
    folder = tmp_path_factory.mktemp("chains")
    return folder, train(folder, scenes, competition, {"straight": [None], **STOPS})


@pytest.mark.parametrize("name", STOPS)
def test_a_chain_of_sessions_is_one_run(chains, name):
    folder, _ = chains
    must_be_one_run(folder / "straight" / "0", folder / name / str(len(STOPS[name]) - 1))


def said_by(said, name):
    return said.split(f"== {name}\n")[1].split("==")[0]


def test_where_it_stops_and_goes_on_is_said(chains):
    _, said = chains
    stops = "stopped before the session's limit at epoch {}, step {} of 6; it goes on from checkpoints/last.ckpt\n"
    goes_on = "goes on from me/session-{}: epoch {}, step {} of 6\n"
    assert said_by(said, "inside epochs 0").endswith(stops.format(1, 2))
    assert said_by(said, "inside epochs 1").startswith(goes_on.format(0, 1, 2))
    assert said_by(said, "inside epochs 1").endswith(stops.format(2, 4))
    assert said_by(said, "inside epochs 2").startswith(goes_on.format(1, 2, 4))
    assert said_by(said, "before validations 0").endswith(stops.format(1, 3))
    assert said_by(said, "inside validations 1").endswith(stops.format(2, 6))
    assert said_by(said, "after an epoch and at once 0").endswith(stops.format(2, 3))


def test_a_session_that_comes_no_further_is_a_failure_and_loses_nothing(chains):
    """Else a chain of them would spend the week's quota on nothing."""
    _, said = chains
    assert "too short: it came no further than it began, at epoch 2, step 3 of 6\n" in said_by(
        said, "after an epoch and at once 1"
    )
    assert said.count("error:") == 1


def test_what_an_unfinished_session_leaves(chains):
    folder, _ = chains
    first, second = (folder / "inside epochs" / name / "working" for name in "01")
    summary = files.read_json(first / "summary.json")
    assert (summary["finished"], summary["epochs_done"], summary["limit"]) == (False, 0, 3600)
    assert (summary["metric"], summary["table"], summary["images"]) == (None, None, {})
    assert summary["training"]["steps"] == 2
    assert len(summary["validation"]) == 2
    summary = files.read_json(second / "summary.json")
    assert (summary["finished"], summary["epochs_done"], summary["metric"]["epoch"]) == (False, 1, 1)
    assert (second / "checkpoints" / "best.safetensors").is_file()
    assert not (second / "overlays").exists()
    assert [session["steps"] for session in summary["sessions"]] == [2, 4]
    for page in ((folder / "report.html").read_text() for folder in (first, second)):
        assert "python launch.py --resume RUN" in page
        assert "not over" in page


def test_the_average_is_what_is_validated_and_kept(chains):
    """The best of two epochs is one whose averaged weights are in the state that was left behind it."""
    folder, _ = chains
    outputs = folder / "before validations" / "1" / "working"
    kept = load_file(outputs / "checkpoints" / "best.safetensors")
    stopped = state.read(folder / "after an epoch and at once" / "0" / "working" / state.STATE)
    average = {name.removeprefix("module."): value for name, value in stopped["average"].items() if "." in name}
    assert all(torch.equal(kept[name], average[name]) for name in kept)
    assert not all(torch.equal(kept[name], stopped["model"][name]) for name in kept)


def test_two_ranks_stop_at_one_step_and_go_on(tmp_path, scenes, competition):
    """Rank 0 alone sees the limit come: inside the first validation, when the other has done its share; then mid-epoch.

    Four looks at the clock to the first image of its own, five an epoch.
    """
    said = train(tmp_path, scenes, competition, {"straight": [None], "chain": [4, 3, None]}, {"train.ema": 0}, ranks=2)
    assert "at epoch 1, step 3 of 6; it goes on" in said_by(said, "chain 0")
    assert "at epoch 2, step 4 of 6; it goes on" in said_by(said, "chain 1")
    assert len(state.read(tmp_path / "chain" / "1" / "working" / state.STATE)["ranks"]) == 2
    must_be_one_run(tmp_path / "straight" / "0", tmp_path / "chain" / "2")
