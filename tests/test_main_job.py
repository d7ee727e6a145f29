"""The main job as a newcomer runs it: `python launch.py`, then `python submit.py`, with no account and no download."""

import csv
import json
import shlex
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score

from lib import files
from lib.launching.preparing.bundle import LIMIT
from lib.rasters import read_labels, read_prediction


def test_the_model_learns_the_sample(main_job):
    _, run, _ = main_job
    metric = run["metrics"]
    assert run["status"] == "complete"
    assert metric["label"] == "macro Dice"
    assert metric["value"] >= 0.80
    assert metric["value"] >= metric["baselines"]["majority"] + 0.5
    assert min(metric["per_class"].values()) > 0.4


def test_a_row_an_epoch_and_the_next_command_are_shown(main_job):
    _, run, said = main_job
    epochs = run["recipe"]["train"]["epochs"]
    rows = [line for line in said.splitlines() if f"/{epochs}" in line]
    assert len(rows) == epochs
    assert "images/s" in said
    assert "ETA" in said
    assert f"next: python submit.py --run {run['id']}" in said
    assert "@progress" not in said


def test_the_outputs_are_home_and_are_what_the_kernel_wrote(main_job):
    program, run, _ = main_job
    outputs = program.runs / run["id"] / "outputs"
    entries = files.read_json(outputs / "manifest.json")["files"]
    names = {entry["name"] for entry in entries}
    assert {"checkpoints/best.safetensors", "metrics.csv", "summary.json"} < names
    assert sum(name.startswith("overlays/") for name in names) >= 3
    for entry in entries:
        path = outputs / entry["name"]
        assert (path.stat().st_size, files.sha256(path)) == (entry["bytes"], entry["sha256"])
    on_disk = {path.relative_to(outputs).as_posix() for path in outputs.rglob("*") if path.is_file()}
    assert on_disk == names | {"manifest.json"}


def test_the_summary_agrees_with_its_own_confusion_table(main_job):
    program, run, _ = main_job
    summary = files.read_json(program.runs / run["id"] / "outputs" / "summary.json")
    table = np.array(summary["table"]["pixels"])
    hits, truth, predicted = np.diagonal(table), table.sum(axis=1), table[:, :-1].sum(axis=0)
    dice = 2 * hits / (truth + predicted)
    assert summary["metric"]["value"] == pytest.approx(dice.mean(), abs=1e-9)
    assert list(summary["metric"]["per_class"].values()) == pytest.approx(dice.tolist(), abs=1e-9)
    assert summary["devices"][0].startswith("devices:")
    assert summary["bundle"] == run["bundle"]["sha256"]


def test_the_best_epoch_is_the_one_that_was_kept(main_job):
    program, run, _ = main_job
    with open(program.runs / run["id"] / "outputs" / "metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    best = max(rows, key=lambda row: float(row["metric"]))
    assert len(rows) == run["recipe"]["train"]["epochs"]
    assert float(best["metric"]) == pytest.approx(run["metrics"]["value"])
    assert int(best["epoch"]) == run["metrics"]["epoch"]
    assert all(float(row["images_per_s"]) > 0 for row in rows)
    rates = [float(row["lr"]) for row in rows]
    assert rates == sorted(rates, reverse=True), "after the warm-up of the first epoch the cosine only falls"
    assert rates[-1] < 1e-6


def test_what_was_pushed_is_kept(main_job):
    program, run, _ = main_job
    folder = program.runs / run["id"] / "kernel"
    assert sorted(path.name for path in folder.iterdir()) == ["kernel-metadata.json", "kernel.py"]
    assert (folder / "kernel.py").stat().st_size == run["bundle"]["bytes"] < LIMIT
    assert "git" in run


def test_the_submission_is_right_and_scored(submission):
    _, made = submission
    assert made["problems"] == []
    assert made["rows"] == 72
    assert made["images"] == 12
    score = made["score"]
    assert score["score"] >= 0.75
    assert score["baselines"]["empty"] == 0
    assert score["score"] > score["baselines"]["majority"] + 0.5
    assert len(score["images"]) == 12
    document, page = map(Path, made["score_files"])
    assert files.read_json(document) == score
    assert page.read_text().count("data:image/jpeg;base64,") == 4 * 8, "the four worst and the four best images"


def test_the_score_is_scikit_learns(submission, scenes, competition):
    """Decode the file through the front door, and let another library count."""
    program, made = submission
    program("submit.py", "decode", made["file"], "--out", program.folder / "decoded")
    truth, predicted = [], []
    for path in sorted((scenes / "truth").iterdir()):
        labels = read_labels(path, competition)
        decoded = read_prediction(program.folder / "decoded" / path.name.replace("_mask", ""), competition)
        known = labels < len(competition.classes)
        truth.append(labels[known])
        predicted.append(decoded[known])
    expected = f1_score(np.concatenate(truth), np.concatenate(predicted), average="macro")
    assert made["score"]["score"] == pytest.approx(expected, abs=1e-9)


def test_the_steps_one_by_one_give_the_same_file(submission, scenes):
    program, made = submission
    masks = program.runs / made["run"] / "predictions"
    out = program.folder / "again.csv"
    program("submit.py", "encode", masks, "-c", "sample", "--out", out)
    assert out.read_bytes() == Path(made["file"]).read_bytes()
    program("submit.py", "check", out, "-c", "sample", "--masks", masks)
    scored = program.json("submit.py", "score", out, "-c", "sample", "--truth", scenes / "truth")
    assert scored["score"] == made["score"]["score"]
    assert scored["rule"] == "macro Dice"


def test_the_run_remembers_its_submission(submission):
    program, made = submission
    run = files.read_json(program.runs / made["run"] / "run.json")
    assert [entry["sha256"] for entry in run["submissions"]] == [files.sha256(made["file"])]
    assert program.json("launch.py", "status", made["run"][-4:])["id"] == made["run"]
    listed = program.json("launch.py", "runs")
    assert [entry["id"] for entry in listed] == [made["run"]]
    assert json.dumps(listed)


def test_each_command_ends_with_the_next_to_type(submission, scenes):
    """Type what every command says, from the masks on, and come back to where it began."""
    program, made = submission
    blanks = {"FILE": program.folder / "by hand.csv", "DIR": scenes / "truth"}
    words, typed = ["submit.py", "predict", "--tta", "none", "--out", str(program.folder / "the masks")], []
    while " ".join(words[:2]) not in typed:
        typed.append(" ".join(words[:2]))
        said = program(*words).stderr.strip().splitlines()[-1]
        assert said.startswith("next: python ")
        words = [str(blanks.get(word, word)) for word in shlex.split(said)[2:]]
    assert typed == [
        "submit.py predict",
        "submit.py encode",
        "submit.py check",
        "submit.py score",
        "launch.py runs",
        "launch.py status",
        "submit.py --run",
    ]
    for words in (["submit.py", "decode", made["file"], "--out", program.folder / "back"], ["launch.py", "logs"]):
        assert program(*words).stderr.strip().splitlines()[-1].startswith("next: python ")
