"""A chain on this machine, ended by real limits: one run, one curve, the very weights of an uninterrupted run."""

import csv
import json
from datetime import datetime

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
    run = chained_within(program, began=seconds_of(state) - summary["seconds"], trained=summary["seconds"])
    chained = program.runs / run["id"]
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


def chained_within(program, began: float, trained: float) -> dict:
    """The run in sessions too short for it, by what the whole run took to begin and to train; machines waver."""
    limit = 1.2 * began + 0.4 * trained + 2
    for _ in range(4):
        chain = program.start(*WORDS, "--timeout", f"{round(limit)}s", "--chain", "9", "--json")
        out, said = chain.communicate(timeout=400)
        run = json.loads(out)
        if run.get("finished") and len(run["attempts"]) > 1:
            return run
        assert chain.returncode == 0 or "too short" in said or run["finished"] is False, said
        limit *= 0.75 if run.get("finished") else 1.5
    raise AssertionError("no limit divided the run")


def seconds_of(state: dict) -> float:
    """How long a run's session took, start to end."""
    begin, end = (datetime.fromisoformat(state[key]) for key in ("created", "ended"))
    return (end - begin).total_seconds()
