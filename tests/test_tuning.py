"""A search through the front door: stopped while trials run, and picked up again until every trial is over, once."""

import csv
import json
import tomllib
from contextlib import suppress
from pathlib import Path

import pytest

from lib import files
from tests.programs import wait_for

SEARCH = """
[train]
epochs = 2
steps = 1
batch = 2
[data]
crop = 32
scale = 0.25
validation = 0.05
[model]
encoder = "mobilenetv3_small_050"
weights = "none"
[tune]
trials = 3
concurrent = 2
grace = 2
[tune.space]
"train.lr" = {low = 1e-4, high = 1e-2, log = true}
[tune.space.train]
loss = ["ce + dice", "focal + dice"]
"""

KEYS = ["train.lr", "train.loss"]


def test_a_search_that_was_stopped_is_one_search(program, tmp_path):
    files.write(tmp_path / "tune.toml", SEARCH)
    first = program.start("launch.py", "--kernel", "tune", "--recipe", tmp_path / "tune.toml")
    folder = wait_for(lambda: next(program.runs.glob("2*"), None))
    wait_for(lambda: over(folder / "session"))
    program("launch.py", "stop", "--yes")
    first.communicate(timeout=60)
    assert wait_for(lambda: not processes(tmp_path), 30), "Ray, and every training, is gone"
    outputs = folder / "outputs"
    left = records(outputs)
    assert {record["status"] for record in left.values()} <= {"done", "stopped", "interrupted"}
    kept = over(outputs)
    begun = {path.parents[1].name for path in outputs.glob("tune/trials/*/checkpoints/last.ckpt")}
    begun = {name for name in begun if len(left[name]["scores"]) < 2}  # one may have been stopped behind its last epoch
    assert 0 < len(kept) < 3
    assert f"asked to end; {len(kept)} of 3 trials are over" in (folder / "log.txt").read_text()

    run = program.json("launch.py", "--resume", folder.name)
    assert (run["status"], run["finished"], run["trials_done"]) == ("complete", True, 3)
    last = records(outputs)
    assert {name: last[name] for name in kept} == kept, "what is over is not done again"
    for name in begun:
        assert "goes on from tune/" in (outputs / "tune" / "trials" / name / "log.txt").read_text()
    must_be_whole(outputs, last)
    assert wait_for(lambda: not processes(tmp_path), 30)

    best = tomllib.loads((outputs / "best.toml").read_text())
    planned = program.json("launch.py", "--recipe", outputs / "best.toml", "--dry-run")["recipe"]["train"]
    assert {key: planned[key] for key in best["train"]} == best["train"]
    assert run["metrics"]["value"] == max(score for record in last.values() for score in scores_of(record))
    assert (outputs / "checkpoints" / "best.safetensors").is_file()


def scores_of(record: dict) -> list[float]:
    return [*record["scores"].values(), *filter(None, [record["metric"]])]


def must_be_whole(outputs: Path, last: dict) -> None:
    """The table has every trial once, ranked by its best epoch."""
    with open(outputs / "trials.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["rank"]) for row in rows] == [1, 2, 3]
    assert sorted(int(row["trial"]) for row in rows) == [1, 2, 3]
    scores = [float(row["metric"]) for row in rows]
    assert scores == sorted(scores, reverse=True)
    assert len({tuple(row[key] for key in KEYS) for row in rows}) == len(last) == 3
    for name in last:
        with open(outputs / "tune" / "trials" / name / "metrics.csv", newline="") as file:
            curve = {row["epoch"]: float(row["metric"]) for row in csv.DictReader(file)}
        assert {epoch: pytest.approx(score, rel=1e-5) for epoch, score in last[name]["scores"].items()} == curve
        assert sorted(curve) == ["1", "2"], "no epoch twice, none left out"


def records(root: Path) -> dict[str, dict]:
    """The trials' records by their names, in a session's folder or among outputs."""
    found = {}
    for path in [*root.glob("working/tune/trials/*/trial.json"), *root.glob("tune/trials/*/trial.json")]:
        with suppress(OSError, ValueError):
            found[path.parent.name] = json.loads(path.read_text())
    return found


def over(root: Path) -> dict[str, dict]:
    return {name: record for name, record in records(root).items() if record["status"] in ("done", "stopped")}


def processes(folder: Path) -> list[int]:
    """Every process that was started for the runs of `folder`: launchers, supervisors, Ray's, trainings."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if f"SWATH_RUNS={folder}/".encode() in path.read_bytes():
                found.append(int(path.parent.name))
    return found
