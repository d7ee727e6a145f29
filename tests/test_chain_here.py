"""A chain on this machine, ended by real limits: one run, one curve, the very weights of an uninterrupted run."""

import csv
import json

import torch
from safetensors.torch import load_file

from lib import files

WORDS = ("launch.py", "--set", "train.epochs=2", "--set", "train.steps=40", "--set", "data.crop=64")
TIMES = ("seconds", "images_per_s", "data_wait")


def curve(outputs) -> list[dict]:
    """metrics.csv without what a clock wrote."""
    with open(outputs / "metrics.csv", newline="") as file:
        return [{key: value for key, value in row.items() if key not in TIMES} for row in csv.DictReader(file)]


def test_sessions_that_end_at_their_limit_make_one_run(program, scenes):
    whole = program.runs / program.json(*WORDS)["id"]
    state = files.read_json(whole / "run.json")
    summary = files.read_json(whole / "outputs" / "summary.json")
    lasted = (program_seconds(state) - summary["seconds"]) * 1.3 + summary["seconds"] * 0.45
    done = program(*WORDS, "--timeout", f"{round(lasted) + 2}s", "--chain", 20, "--json")
    run = json.loads(done.stdout)
    chained = program.runs / run["id"]
    assert len(run["attempts"]) > 1, done.stderr
    assert run["finished"] is True
    best = [load_file(folder / "outputs" / "checkpoints" / "best.safetensors") for folder in (whole, chained)]
    assert best[0].keys() == best[1].keys()
    assert all(torch.equal(best[0][name], best[1][name]) for name in best[0])
    assert curve(chained / "outputs") == curve(whole / "outputs")
    assert run["metrics"] == state["metrics"]
    log = (chained / "log.txt").read_text()
    assert log.count("devices: ") == len(run["attempts"])
    assert log.count("stopped before the session's limit") == log.count("goes on from") - log.count("it goes on from")
    with open(chained / "metrics.csv", newline="") as file:
        sessions = [int(row["session"]) for row in csv.DictReader(file)]
    assert sorted(set(sessions)) == list(range(1, len(run["attempts"]) + 1))
    assert not (chained / "outputs" / "checkpoints" / "last.ckpt").exists()


def program_seconds(state: dict) -> float:
    """How long a run's session took, start to end."""
    from datetime import datetime

    begin, end = (datetime.fromisoformat(state[key]) for key in ("created", "ended"))
    return (end - begin).total_seconds()
