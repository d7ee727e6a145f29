"""A chain on this machine, ended by real limits: each session goes on exactly where the one before stopped."""

import csv
import json
import re

from lib import files
from lib.training import state

ENDLESS = {"train.epochs": 1000, "train.steps": 4, "train.batch": 2, "data.crop": 32, "data.validation": 0.05}
"""Training that no session here is long enough for."""
WORDS = ("launch.py", *(word for key, value in ENDLESS.items() for word in ("--set", f"{key}={value}")))
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
    for seconds in (25, 50, 100, 200):
        chain = program.start(*WORDS, "--timeout", f"{seconds}s", "--chain", "2", "--json")
        out, said = chain.communicate(timeout=600)
        if chain.returncode == 0:
            return json.loads(out)
        assert "Traceback" not in said, said
    raise AssertionError(f"two sessions of 200 s came to nothing: {said}")
