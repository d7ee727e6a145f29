"""The processes of folds: their order, a failure among them, a request to end, the session's limit; the division."""

import signal

import numpy as np
import pytest

from lib import files
from lib.competitions import find_pairs, load
from lib.errors import Failed
from lib.folders import Folders
from lib.progress import parse
from lib.rasters import header_size
from lib.recipe import resolve
from lib.training.fold_plan import Part, in_order, plan_folds
from lib.training.fold_processes import cards
from lib.training.fold_progress import FoldProgress
from lib.training.folds import train_folds
from lib.training.limit import Limit
from tests.programs import PROJECT, some_scenes

STAND_IN = """
import json, os, signal, sys, time
from contextlib import suppress
from pathlib import Path
fold = json.loads(os.environ["SWATH_FOLD"])
folders = Path(os.environ["FOLDS_HERE"]) / "working" / "folds"
folder = folders / str(fold["number"])
folder.mkdir(parents=True, exist_ok=True)

def saved(number, frame):
    (folder / "saved").touch()
    sys.exit(1)

def wait_for_two():
    while len(list(folders.glob("*/begun"))) < 2:
        time.sleep(0.02)

signal.signal(signal.SIGTERM, saved)
print('@progress {"epoch": 1, "epochs": 1, "step": 2, "steps": 3, "seconds": 1.0}', flush=True)
print("threads", os.environ["OMP_NUM_THREADS"], flush=True)
(folder / "begun").touch()
is_first = False
with suppress(FileExistsError):
    (folders.parent / "first").mkdir()
    is_first = True
"""
"""A fold that trains nothing: what is tested is the process that watches over it."""


def recipe_with(**keys):
    usual = {"train.folds": 3, "train.epochs": 1, "train.steps": 3, "train.gpus": "folds", "train.ranks": 2}
    table = usual | {"data.crop": 32} | {name.replace("__", "."): value for name, value in keys.items()}
    return resolve([("test", table)])[0]


@pytest.fixture
def session(tmp_path, scenes, monkeypatch):
    """Runs folds whose process is a script, on six scenes; what was said, and what was raised."""
    competition = PROJECT / "lib" / "competitions" / "sample.toml"
    files.write(tmp_path / "competition.toml", competition.read_bytes())
    files.write(tmp_path / "recipe.json", recipe_with().model_dump_json())
    monkeypatch.setenv("FOLDS_HERE", str(tmp_path))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    six = some_scenes(scenes, tmp_path / "scenes", 6)
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    folders = Folders(tmp_path, tmp_path)

    def run(code: str, limit: Limit | None = None) -> tuple[list[str], Failed | None]:
        files.write(tmp_path / "stand_in.py", STAND_IN + code)
        said: list[str] = []
        try:
            train_folds(tmp_path / "stand_in.py", folders, six, "cpu", 2, limit or Limit(), said.append)
        except Failed as error:
            return said, error
        return said, None

    yield folders.outputs, run
    for number, handler in zip((signal.SIGTERM, signal.SIGINT), before, strict=True):
        signal.signal(number, handler)


def begun(outputs, name="begun") -> list[int]:
    """The folds that left a file of this name."""
    return sorted(int(path.parent.name) for path in outputs.glob(f"folds/*/{name}"))


def test_a_fold_that_fails_is_named_and_the_others_save_their_states(session):
    outputs, run = session
    said, error = run("""
if is_first:
    wait_for_two()
    sys.exit(3)
time.sleep(60)
""")
    assert len(begun(outputs)) == 2, "and no other begins"
    (saved,) = begun(outputs, "saved")
    (failed,) = set(begun(outputs)) - {saved}
    assert f"fold {failed} of 3 ended with exit code 3" in error.reason
    assert f"fold {failed}: threads 1" in said
    summary = files.read_json(outputs / "summary.json")
    assert (summary["finished"], summary["metric"], len(summary["folds"])) == (False, None, 3)
    records = [record for line in said if (record := parse(line))]
    assert sorted((record["fold"], record["folds"], record["steps"]) for record in records) == [
        (number, 3, 9) for number in begun(outputs)
    ]
    assert max(record["step"] for record in records) == 4


def test_a_request_to_end_reaches_every_fold(session):
    outputs, run = session
    _, error = run("""
if is_first:
    wait_for_two()
    os.kill(os.getppid(), signal.SIGTERM)
time.sleep(60)
""")
    assert "asked to end, with 0 of 3 folds done; the states are saved" in error.reason
    assert len(begun(outputs, "saved")) == 2
    assert (outputs / "manifest.json").is_file()


STOPS = """
wait_for_two()
content = {"finished": False, "moved": is_first and MOVES, "epochs_done": 0}
(folder / "summary.json").write_text(json.dumps(content))
"""


def test_where_a_fold_stops_before_the_limit_no_other_begins(session):
    outputs, run = session
    said, error = run("MOVES = True" + STOPS)
    assert error is None
    assert said[-1] == "stopped before the session's limit: 0 of 3 folds are done"
    assert len(begun(outputs)) == 2


def test_a_session_in_which_no_fold_comes_further_is_a_failure(session):
    _, run = session
    _, error = run("MOVES = False" + STOPS, Limit(3600))
    assert "the session's limit of 3600 s is too short: no fold came further" in error.reason


def part(number: int, steps: int, pixels: float = 1.0) -> Part:
    return Part(number, 1, pixels, steps, (str(number),), {}, "", 0, {})


def test_side_by_side_the_longest_begins_first_and_what_was_begun_before_all():
    parts = [part(0, 10), part(1, 30), part(2, 20, 5.0), part(3, 20, 7.0)]
    assert [each.number for each in in_order(parts, 2)] == [1, 3, 2, 0]
    assert [each.number for each in in_order(parts, 2, begun=[0])] == [0, 1, 3, 2]
    assert [each.number for each in in_order(parts, 1)] == [0, 1, 2, 3]


def test_each_fold_has_a_card_of_its_own():
    assert list(cards({}, 2)) == ["0", "1"]
    assert list(cards({"CUDA_VISIBLE_DEVICES": "2,GPU-ab"}, 2)) == ["2", "GPU-ab"]


def test_the_progress_is_that_of_all_folds():
    now = iter([0.0, 5.0, 9.0])
    progress = FoldProgress([30, 20, 10], done=[2], earlier=100.0, clock=lambda: next(now))
    told = progress.told(0, {"epoch": 1, "step": 15, "steps": 30, "seconds": 3.0})
    assert (told["step"], told["steps"], told["seconds"], told["fold"]) == (25, 60, 105.0, 0)
    progress.finished(0)  # patience may end it before its last step
    assert progress.told(1, {"step": 5})["step"] == 45


def test_blocks_of_large_images_are_each_held_out_once(tmp_path, scenes):
    competition = load("sample")
    two = some_scenes(scenes, tmp_path / "scenes", 2)
    recipe = recipe_with(data__split="block", data__block=48, train__folds=4, data__margin=8)
    parts = plan_folds(competition, recipe, two, tmp_path / "scratch", lambda words: None)
    for pair in find_pairs(competition.data.train, two):
        seen = np.zeros(header_size(pair.image), int)
        for one in parts:
            for name, (top, bottom, left, right) in one.windows.items():
                if name.startswith(f"{pair.id}@"):
                    seen[top:bottom, left:right] += 1
        assert (seen == 1).all()
    assert all(len(one.held_out) == len(set(one.held_out)) > 0 for one in parts)
