"""A trial on its own: killed and taken up, failed, stopped; what a search that goes on is told; the table."""

import csv
import json
import os
import subprocess
import sys
import tomllib
import warnings
from types import SimpleNamespace

import pytest

from lib import files
from lib.competitions import load
from lib.competitions.loader import find
from lib.errors import Failed
from lib.recipe import resolve
from lib.recipe.tune import Range, TuneRecipe
from lib.tuning import results
from lib.tuning.attempt import Attempt
from lib.tuning.place import Place
from lib.tuning.trials import DONE, FAILED, INTERRUPTED, STOPPED, TRIALS, Trial, all_trials, keep_best, leader, ranked
from tests.programs import PROJECT, wait_for

RECIPE = {
    "train.epochs": 3,
    "train.steps": 1,
    "train.batch": 2,
    "data.crop": 32,
    "data.scale": 0.25,
    "data.validation": 0.05,
    "model.encoder": "mobilenetv3_small_050",
    "model.weights": "none",
}

KILLED = """
import json, os, signal, sys
from pathlib import Path
from lib.tuning.attempt import Attempt
from lib.tuning.place import Place
place = json.loads(sys.argv[1])
paths = ("inputs", "working", "scratch", "temp")
place = Place(**{key: Path(value) if key in paths else value for key, value in place.items()})
attempt = Attempt(place, {"train.lr": 0.01})
attempt.next()
print(attempt.process.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def place(tmp_path, cache, scenes):
    for name in ("input", "working", "temp"):
        (tmp_path / name).mkdir()
    return Place(
        inputs=tmp_path / "input",
        working=tmp_path / "working",
        scratch=cache,
        temp=tmp_path / "temp",
        competition=find("sample").read_text(encoding="utf-8"),
        recipe=resolve([("test", RECIPE)])[0].model_dump_json(),
        gpu="none",
        threads=1,
        environment={"SWATH_BUNDLE": "abc", "SWATH_WEIGHTS": ""},
    )


def test_a_trial_whose_process_is_killed_goes_on_from_its_state(place):
    words = json.dumps(
        {key: value if isinstance(value, int | dict) else str(value) for key, value in vars(place).items()}
    )
    done = subprocess.run([sys.executable, "-c", KILLED, words], cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == -9, done.stderr
    wait_for(lambda: not os.path.exists(f"/proc/{int(done.stdout)}"), 60)  # it ends with whoever started it
    attempt = Attempt(place, {"train.lr": 0.01})
    told = [attempt.next()]
    while not told[-1]["done"]:
        told.append(attempt.next())
    attempt.close()
    assert sorted({record["epoch"] for record in told}) == [1, 2, 3]
    trial = attempt.trial
    assert f"goes on from tune/{trial.name}: " in (trial.folder / "log.txt").read_text()
    with open(trial.folder / "metrics.csv", newline="") as file:
        scores = {int(row["epoch"]): float(row["metric"]) for row in csv.DictReader(file)}
    assert trial.scores == pytest.approx(scores, rel=1e-5)
    assert (trial.read()["status"], trial.best) == (DONE, told[-1]["metric"])
    assert trial.best == pytest.approx(max(scores.values()))
    again = Attempt(place, {"train.lr": 0.01})
    assert [again.next()["done"] for _ in range(3)] == [False, False, True]
    assert again.process is None, "nothing is done twice"


def test_a_trial_that_fails_says_why_and_one_that_cannot_be_is_not_started(place):
    attempt = Attempt(place, {"model.architecture": "deeplabv3", "train.batch": 1})
    with pytest.raises(Failed, match="deeplabv3 needs two"):
        attempt.next()
    attempt.close()
    assert attempt.trial.read()["status"] == FAILED
    assert "deeplabv3 needs two" in attempt.trial.read()["error"]
    attempt = Attempt(place, {"model.architecture": "fpn", "model.decoder_channels": [64, 32, 32, 16, 16]})
    with pytest.raises(Failed, match="decoder_channels goes with unet"):
        attempt.next()
    attempt.close()
    assert attempt.process is None
    assert attempt.trial.read()["status"] == FAILED


def known(working, lr, status, *scores, **more):
    trial = Trial.of(working / TRIALS, {"train.lr": lr})
    trial.begin({"train.lr": lr})
    trial.update(status=status, scores=dict(enumerate(scores, start=1)), begun=float(lr), seconds=1.5, **more)
    return trial


TUNING = TuneRecipe(trials=9, grace=1, reduction=3, space={"train.lr": Range(low=1e-4, high=10.0, log=True)})


def test_a_search_that_goes_on_knows_what_is_over_and_proposes_what_was_begun(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray's own
        from lib.tuning.search import halve, propose

        over = [known(tmp_path, lr, DONE, lr / 10, lr / 5, lr / 4) for lr in (1.0, 2.0, 3.0)]
        begun = [known(tmp_path, 0.012345678901234567, INTERRUPTED, 0.2)]
        proposer = propose(TUNING, 0, begun, [*over, known(tmp_path, 4.0, FAILED, error="out of memory")])
    assert proposer.suggest("first") == {"train.lr": 0.012345678901234567}
    assert proposer.suggest("second")["train.lr"] not in (1.0, 2.0, 3.0, 4.0)
    assert sorted(trial.params["train.lr"] for trial in proposer._ot_study.trials)[-4:] == [1.0, 2.0, 3.0, 4.0]

    trial = SimpleNamespace(trial_id="new")
    for trials, verdict in ((over, "STOP"), ([], "CONTINUE")):
        scheduler = halve(TUNING, 3, trials)
        scheduler.on_trial_add(None, trial)
        assert scheduler.on_trial_result(None, trial, {"epoch": 1, "metric": 0.05}) == verdict


def test_the_best_of_the_trials_that_did_not_fail_is_the_searchs(tmp_path):
    worse, better = known(tmp_path, 1.0, STOPPED, 0.3), known(tmp_path, 2.0, DONE, 0.2, 0.4, metric=0.45)
    failed, none = known(tmp_path, 3.0, FAILED, 0.9, error="diverged"), known(tmp_path, 4.0, FAILED, error="memory")
    runs = known(tmp_path, 5.0, INTERRUPTED, 0.8)
    for trial in (worse, better, failed, runs):
        for name in ("checkpoints/best.safetensors", "checkpoints/last.ckpt", "overlays/1.png", "metrics.csv"):
            files.write(trial.folder / name, trial.name)
    found = all_trials(tmp_path / TRIALS)
    assert found == [worse, better, failed, none, runs]
    assert [trial.best for trial in ranked(found)] == [0.8, 0.45, 0.3, 0.9, None]
    assert leader(found) == better
    for _ in range(2):
        keep_best(tmp_path)
        assert (tmp_path / "checkpoints/best.safetensors").read_text() == better.name
    assert (runs.folder / "checkpoints/last.ckpt").is_file()
    assert sorted(path.name for path in failed.folder.iterdir()) == ["metrics.csv", "trial.json"]

    sample = load("sample")
    files.write_json(better.folder / "summary.json", {"validation": ["7"], "finished": True, "metric": {"epoch": 2}})
    results.write(tmp_path, TUNING, sample, finished=False, more={"limit": 60})
    with open(tmp_path / "trials.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["rank"], row["trial"], row["metric"], row["status"]) for row in rows] == [
        ("1", "5", "0.8", INTERRUPTED),
        ("2", "2", "0.45", DONE),
        ("3", "1", "0.3", STOPPED),
        ("4", "3", "0.9", FAILED),
        ("5", "4", "", FAILED),
    ]
    assert rows[3]["error"] == "diverged"
    assert len(results.table(tmp_path, TUNING)) == 6
    summary = files.read_json(tmp_path / "summary.json")
    assert summary["metric"] == {"epoch": 2, "label": "macro Dice", "value": 0.45}
    assert (summary["finished"], summary["trials_done"], summary["trials"]) == (False, 4, 9)
    assert summary["validation"] == ["7"]
    assert tomllib.loads((tmp_path / "best.toml").read_text()) == {"train": {"lr": 2.0}}


def test_values_of_every_kind_come_back_from_best_toml():
    values = {
        "train.lr": 1e-05,
        "train.loss": 'ce(smooth=0.1) + "dice"',
        "model.decoder_channels": None,
        "train.compile": True,
        "data.scales": [0.75, 1.0],
        "data.augment": [{"transform": "RandomGamma", "gamma_limit": [80, 120], "p": 0.5}],
    }
    read = tomllib.loads(results.recipe_file(values, "# the best\nof all"))
    found = {f"{table}.{key}": value for table, keys in read.items() for key, value in keys.items()}
    assert found == values | {"model.decoder_channels": "auto"}
