"""A run of folds through the front door: every image scored by the model that did not see it; all models predict."""

import csv
import json
import os
import re
import signal
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file
from sklearn.metrics import f1_score

from lib import files
from lib.competitions import load
from lib.inference.probabilities import Stored
from lib.inference.restore import restore
from lib.launching import report
from lib.launching.runs import Run
from lib.rasters import masks_in, read_labels
from lib.submissions.held_out import held_out_files
from lib.submissions.pipeline import Choice
from lib.training.state import STATE
from tests.programs import PROJECT, Here, Program, given, program_in, wait_for

SETTINGS = {
    "train.folds": 2,
    "train.epochs": 2,
    "train.steps": 4,
    "train.batch": 2,
    "data.crop": 32,
    "data.scale": 0.25,
    "infer.window": 512,
    "infer.tta": "none",
}
SIDE_BY_SIDE = given({"train.gpus": "folds", "train.ranks": 2})
ONE_THREAD = {"OMP_NUM_THREADS": "1"}
"""So that folds side by side compute as they do one after another."""


@pytest.fixture(scope="module")
def program(tmp_path_factory, cache) -> Program:
    return program_in(tmp_path_factory.mktemp("folds"), cache)


@pytest.fixture(scope="module")
def straight(program) -> tuple[dict, Path, str]:
    """Two folds, one after the other, in one session: the run's document, its folder, what was said."""
    done = program("launch.py", *given(SETTINGS), "--json", **ONE_THREAD)
    run = json.loads(done.stdout)
    return run, program.runs / run["id"], done.stderr


@pytest.fixture
def submit(program, straight, monkeypatch):
    """`submit.py` in this process, beside the run."""
    import submit

    for name in ("HOME", "SWATH_RUNS", "SWATH_CACHE", "COLUMNS"):
        monkeypatch.setenv(name, program.environment[name])
    return Here(submit.app)


@pytest.fixture(scope="module")
def truths(scenes):
    """The labels of the sample's training scenes, by id."""
    competition = load("sample")
    return {path.stem.removesuffix("_mask"): read_labels(path, competition) for path in scenes.glob("train/*_mask.png")}


def summary_of(folder: Path, fold: int | None = None) -> dict:
    return files.read_json(folder / "outputs" / ("" if fold is None else f"folds/{fold}") / "summary.json")


def probabilities(path: Path) -> tuple[np.ndarray, tuple[int, int]]:
    with Stored(path) as stored:
        return stored.read(0, stored.shape[0]), stored.size


def test_every_image_is_held_out_once_and_scored_as_one_set(straight, truths):
    run, folder, _ = straight
    whole, folds = summary_of(folder), [summary_of(folder, number) for number in range(2)]
    held_out = [image for fold in folds for image in fold["validation"]]
    assert sorted(held_out) == sorted(truths) == whole["validation"]
    table = np.array(whole["table"]["pixels"])
    assert np.array_equal(table, sum(np.array(fold["table"]["pixels"]) for fold in folds)), (
        "the very counts of the folds"
    )
    hits, truth, predicted = np.diagonal(table), table.sum(axis=1), table[:, :-1].sum(axis=0)
    assert whole["metric"]["value"] == pytest.approx((2 * hits / (truth + predicted)).mean(), abs=1e-9)
    assert run["metrics"] == whole["metric"]
    assert whole["finished"] is True
    assert {image: whole["images"][image] for fold in folds for image in fold["images"]} == whole["images"]
    for row, fold in zip(whole["folds"], folds, strict=True):
        assert (row["value"], row["epoch"]) == (fold["metric"]["value"], fold["metric"]["epoch"])
        assert row["images"] == fold["validation"]
        assert (folder / "outputs" / row["checkpoint"]).is_file()
        assert fold["recipe"]["data"]["fold"] == row["fold"]


def test_the_predictions_out_of_fold_score_the_same_by_sklearn(straight, truths):
    _, folder, _ = straight
    truth, labels = [], []
    assert {path.stem for path in (folder / "outputs" / "oof").iterdir()} == set(truths)
    for image, own in truths.items():
        p, size = probabilities(folder / "outputs" / "oof" / f"{image}.tif")
        assert size == own.shape
        known = own != 255
        truth.append(own[known])
        labels.append(restore(p, size)[known])
    score = f1_score(np.concatenate(truth), np.concatenate(labels), average="macro")
    assert score == pytest.approx(summary_of(folder)["metric"]["value"], abs=0.003), "but for rounding to bytes"


def test_what_is_said_while_folds_train(straight):
    run, folder, said = straight
    assert "2 folds of 2 epochs (4 in all)" in said
    assert f"next: python submit.py --run {run['id']}" in said
    with open(folder / "metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    validated = [row for row in rows if row["metric"]]
    assert [row["fold"] for row in validated] == ["0"] * 2 + ["1"] * 2
    assert [int(row["step"]) for row in validated] == [4, 8, 12, 16], "steps count over all folds"
    with open(folder / "outputs" / "metrics.csv", newline="") as file:
        rows = [(row["fold"], row["epoch"]) for row in csv.DictReader(file)]
    assert rows == [(fold, epoch) for fold in "01" for epoch in "12"]
    listed = {entry["name"] for entry in files.read_json(folder / "outputs" / "manifest.json")["files"]}
    assert {"folds/1/checkpoints/best.safetensors", "folds/1/metrics.csv", "oof/1000.tif"} < listed


def test_the_submission_is_the_average_of_the_folds(straight, submit, tmp_path):
    run, folder, _ = straight
    made = submit.json("--run", run["id"])
    assert made["problems"] == []
    for fold in range(2):
        submit("predict", "--run", f"{run['id']}/{fold}", "--probabilities", "--out", tmp_path / str(fold))
    masks = masks_in(folder / "predictions", load("sample"))
    for path in sorted((tmp_path / "0").glob("*.tif")):
        (one, size), (other, _) = (probabilities(tmp_path / str(fold) / path.name) for fold in range(2))
        mean = (one + other) / 2
        top = np.sort(restored(mean, size), axis=0)
        sure = top[-1] - top[-2] > 0.01  # what bytes cannot have turned over
        assert sure.mean() > 0.5
        assert np.array_equal(masks(path.stem)[sure], restore(mean, size)[sure])
        assert not np.array_equal(masks(path.stem)[sure], restore(one, size)[sure]), "and not one fold's alone"
    entry = files.read_json(folder / "run.json")["submissions"][-1]
    assert (entry["made_of"]["folds"], entry["made_of"]["run"]) == ([0, 1], run["id"])
    assert "2 folds, no tta" in submit("status").stdout
    assert f"{run['metrics']['value']:.4f} macro Dice, 2 folds" in "\n".join(report.runs_lines([Run(folder)]))


def restored(p: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Probabilities at the original size, by OpenCV."""
    import cv2

    return np.stack([cv2.resize(plane, size[::-1], interpolation=cv2.INTER_LINEAR) for plane in p])


def test_a_decision_is_searched_on_the_predictions_that_came_home(straight, submit):
    """Nothing is predicted again, and each image is its own fold's: what is told is the score out of fold."""
    run, folder, _ = straight
    found = submit.json("tune", "--run", run["id"])
    assert found["before"] == pytest.approx(run["metrics"]["value"], abs=0.003)
    assert not (folder / "held-out").exists()
    members = files.read_json(folder / "thresholds.json")["members"]
    weights = [folder / "outputs" / "folds" / str(fold) / "checkpoints" / "best.safetensors" for fold in range(2)]
    assert members == [{"checkpoint": files.sha256(path), "weight": 0.5} for path in weights]
    (folder / "thresholds.json").unlink()


def test_predicted_again_each_image_is_its_own_folds(straight, program, monkeypatch):
    """Where a command says how to predict, what came home is not used."""
    _, folder, _ = straight
    monkeypatch.setenv("SWATH_CACHE", program.environment["SWATH_CACHE"])
    found = held_out_files(Run(folder), Choice((), tta="none"), load("sample"))
    assert len(found) == 48
    for image, (_, path) in found.items():
        assert path.parent in (folder / "held-out" / "0", folder / "held-out" / "1")
        one, other = (probabilities(each)[0] for each in (path, folder / "outputs" / "oof" / f"{image}.tif"))
        assert np.abs(one - other).max() < 0.01


def test_without_test_images_each_labelled_image_is_its_own_folds(straight, submit, tmp_path):
    """The ensemble has seen all of them; the file's score is the score out of fold."""
    run, folder, _ = straight
    own = tmp_path / "own.toml"
    text = (PROJECT / "lib" / "competitions" / "sample.toml").read_text()
    own.write_text(re.sub(r"\[data\.test\]\n(.+\n)+", "", text))
    made = submit.json("--run", run["id"], "-c", own)
    assert (made["which"], made["images"], made["problems"]) == ("validation", 48, [])
    assert made["score"]["score"] == pytest.approx(run["metrics"]["value"], abs=0.003)
    assert files.read_json(folder / "run.json")["submissions"][-1]["made_of"]["folds"] == [0, 1]
    weights = folder / "outputs" / "folds" / "0" / "checkpoints" / "best.safetensors"
    done = submit("--run", run["id"], "--checkpoint", weights, "-c", own, code=2)
    assert "may have seen the images that its folds held out" in done.stderr


def test_labels_are_judged_by_one_fold(straight, program):
    run, _, _ = straight
    assert f"name one: {run['id']}/0" in program("launch.py", "labels", run["id"], code=2).stderr


def kernel_of(folder: Path) -> int | None:
    """The process id of a session's first process: the kernel that is no fold's."""
    root = f"SWATH_ROOT={(folder / 'session').resolve()}".encode()
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            environment = path.read_bytes().split(b"\0")
            is_kernel = b"kernels/train.py" in (path.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if root in environment and is_kernel and not any(each.startswith(b"SWATH_FOLD=") for each in environment):
            return int(path.parent.name)
    return None


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are found in /proc, as Linux has it")
def test_killed_side_by_side_and_gone_on_with_is_the_run_of_one_session(straight, program):
    """Two folds at a time on two processes, killed in their midst; the next session has the very same weights."""
    _, one, _ = straight
    launcher = program.start("launch.py", *given(SETTINGS), *SIDE_BY_SIDE, **ONE_THREAD)
    (other,) = wait_for(lambda: [path.parent for path in program.runs.glob("2*/session") if path.parent != one])
    working = other / "session" / "working" / "folds"
    wait_for(lambda: any((working / fold / STATE).is_file() for fold in "01") or launcher.poll() is not None)
    os.kill(kernel_of(other), signal.SIGKILL)
    _, said = launcher.communicate(timeout=120)
    assert launcher.returncode == 1, said
    assert summary_of(other)["finished"] is False
    done = program("launch.py", "--resume", other.name, **ONE_THREAD)
    log = (other / "log.txt").read_text()
    assert "0 of 2 folds are done" in log or "1 of 2 folds are done" in log
    assert "goes on from local/" in log
    assert "macro Dice out of fold" in done.stdout
    for fold in "01":
        weights = [load_file(run / "outputs" / "folds" / fold / "checkpoints/best.safetensors") for run in (one, other)]
        assert weights[0].keys() == weights[1].keys()
        assert all(np.array_equal(weights[0][name], weights[1][name]) for name in weights[0])
        assert not (other / "outputs" / "folds" / fold / STATE).exists(), "a finished run is small"
    first, second = summary_of(one), summary_of(other)
    for key in ("metric", "table", "images", "validation", "epochs_done", "training"):
        assert first[key] == second[key], key
    for path in (one / "outputs" / "oof").iterdir():
        assert np.array_equal(probabilities(path)[0], probabilities(other / "outputs" / "oof" / path.name)[0])
