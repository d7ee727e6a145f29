"""Sessions on this machine, ended by real limits: each goes on where the one before stopped, to the very same run."""

import csv
import json
import re
from datetime import datetime

import torch
from safetensors.torch import load_file

from lib import files
from lib.training import state
from tests.programs import given

ENDLESS = {
    "train.epochs": 1000,
    "train.steps": 4,
    "train.batch": 2,
    "data.crop": 32,
    "data.scale": 0.25,
    "data.validation": 0.05,
}
"""Training that no session here is long enough for."""
CHAIN = ("launch.py", *given(ENDLESS))
SHORT = ("launch.py", *given({"train.epochs": 2, "train.steps": 20, "data.crop": 64, "data.scale": 0.5}))
TIMES = ("seconds", "images_per_s", "data_wait")
STOPPED = re.compile(r"stopped before the session's limit at epoch (\d+), step (\d+) of 4000")
GOES_ON = re.compile(r"goes on from \S+: epoch (\d+), step (\d+) of 4000")


def test_sessions_that_end_at_their_limit_make_one_run(program, scenes):
    run = chained(program)
    folder = program.runs / run["id"]
    assert run["finished"] is False
    assert len(run["attempts"]) == 2
    log = (folder / "log.txt").read_text()
    assert log.count("devices: ") == 2
    (first, end), (begin,) = STOPPED.findall(log), GOES_ON.findall(log)
    assert int(begin[1]) == int(first[1]) < int(end[1])
    left = state.read(folder / "outputs" / state.STATE)
    assert left["step"] == int(end[1])
    with open(folder / "outputs" / "metrics.csv", newline="") as file:
        epochs = [int(row["epoch"]) for row in csv.DictReader(file)]
    assert epochs == list(range(1, left["validations"] + 1)), "no epoch twice, none left out"
    with open(folder / "metrics.csv", newline="") as file:
        sessions = [int(row["session"]) for row in csv.DictReader(file)]
    assert sessions == sorted(sessions)
    assert set(sessions) == {1, 2}
    assert files.read_json(folder / "outputs" / "summary.json")["training"]["steps"] == left["step"]


def chained(program) -> dict:
    """The run of two sessions, as short as this machine begins and ends them."""
    for seconds in (24, 48, 96, 192, 384):
        chain = program.start(*CHAIN, "--timeout", f"{seconds}s", "--chain", "2", "--json")
        out, said = chain.communicate(timeout=600)
        if chain.returncode == 0:
            return json.loads(out)
        assert "Traceback" not in said, said
    raise AssertionError(f"two sessions of 384 s came to nothing: {said}")


def test_a_run_that_its_limit_divided_is_the_uninterrupted_one(program, scenes):
    whole = program.runs / program.json(*SHORT)["id"]
    state_of_whole = files.read_json(whole / "run.json")
    summary = files.read_json(whole / "outputs" / "summary.json")
    run = divided(program, began=seconds_of(state_of_whole) - summary["seconds"], trained=summary["seconds"])
    folder = program.runs / run["id"]
    assert run["finished"] is True
    best = [load_file(each / "outputs" / "checkpoints" / "best.safetensors") for each in (whole, folder)]
    assert best[0].keys() == best[1].keys()
    assert all(torch.equal(best[0][name], best[1][name]) for name in best[0])
    assert curve(folder / "outputs") == curve(whole / "outputs")
    assert run["metrics"] == state_of_whole["metrics"]
    log = (folder / "log.txt").read_text()
    assert log.count("devices: ") == len(run["attempts"]) == 2
    assert log.count("stopped before the session's limit") == log.count("goes on from") - log.count("it goes on from")
    with open(folder / "metrics.csv", newline="") as file:
        sessions = [int(row["session"]) for row in csv.DictReader(file)]
    assert sorted(set(sessions)) == [1, 2]
    assert not (folder / "outputs" / "checkpoints" / "last.ckpt").exists()


def divided(program, began: float, trained: float) -> dict:
    """The run whose first session was too short for it, by what the whole run took; the second has all the time."""
    low, high, limit = began, 1.2 * (began + trained), 1.2 * began + 0.4 * trained + 2
    for _ in range(8):
        out, said = program.start(*SHORT, "--timeout", f"{round(limit)}s", "--json").communicate(timeout=600)
        assert "Traceback" not in said, said
        run = json.loads(out) if out.startswith("{") else {}
        if run.get("finished") is False and "too short" not in said:
            return program.json("launch.py", "--resume", run["id"], "--timeout", "1h")
        if run.get("finished"):
            high = limit
        else:
            low, high = limit, max(high, 1.3 * limit)
        limit = (low + high) / 2
    raise AssertionError(f"no limit divided the run: {low:.0f} s is too short, {high:.0f} s is enough")


def curve(outputs) -> list[dict]:
    """metrics.csv without what a clock wrote."""
    with open(outputs / "metrics.csv", newline="") as file:
        return [{key: value for key, value in row.items() if key not in TIMES} for row in csv.DictReader(file)]


def seconds_of(state: dict) -> float:
    """How long a run's session took, start to end."""
    begin, end = (datetime.fromisoformat(state[key]) for key in ("created", "ended"))
    return (end - begin).total_seconds()
