"""TensorBoard's files, read back by TensorBoard itself; TensorFlow stays asleep; the package may be missing."""

import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lib import files
from lib.recipe import Recipe
from lib.training import seeing
from lib.training.tensorboard import EVERY, FOLDER, Board, take_over
from tests.programs import PROJECT

RECORD = {"epoch": 1, "loss": 0.5, "lr": 0.1, "lr:encoder": 0.01, "grad_norm": 2.0, "images_per_s": 30.0}
ROW = {
    "epoch": 1,
    "metric": 0.7,
    "miou": 0.4,
    "accuracy": None,
    "iou:bare soil": 0.4,
    "iou:crop": None,
    "dice:crop": 0.0,
}


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def events(folder) -> EventAccumulator:
    found = EventAccumulator(str(folder / FOLDER), {"images": 0, "scalars": 0, "tensors": 0})
    return found.Reload()


def curve(found: EventAccumulator, tag: str) -> list[tuple[int, float]]:
    return [(event.step, round(event.value, 6)) for event in found.Scalars(tag)]


def test_what_was_told_is_read_back(tmp_path, competition):
    board = Board.begin(tmp_path, picture=lambda table: np.full((20, 30, 3), int(table.sum()), np.uint8))
    board.describe(competition, Recipe())
    board.step(RECORD | {"step": 3})
    board.validation(ROW | {"step": 4}, np.array([[1, 2, 0], [3, 4, 0]]))
    board.gradients(5, {"decoder": {"grad_norm": 0.25, "update_ratio": None}})
    board.close()
    board.step(RECORD | {"step": 9})
    found = events(tmp_path)
    assert set(found.Tags()["scalars"]) == {
        "train/loss", "train/lr", "train/lr/encoder", "train/grad_norm", "speed/images_per_s",
        "validation/metric", "validation/miou", "iou/bare soil", "dice/crop", "grad_norm/decoder",
    }  # fmt: skip
    assert curve(found, "train/lr/encoder") == [(3, 0.01)]
    assert curve(found, "iou/bare soil") == [(4, 0.4)]
    assert curve(found, "dice/crop") == [(4, 0.0)]
    assert curve(found, "grad_norm/decoder") == [(5, 0.25)]
    (image,) = found.Images("confusion")
    assert (image.step, image.width, image.height) == (4, 30, 20)
    (text,) = found.Tensors("recipe/text_summary")
    assert b"| train.lr | 0.001 |" in text.tensor_proto.string_val[0]
    assert "_hparams_/experiment" in found.summary_metadata


def test_steps_are_told_every_few_seconds_and_every_validation(tmp_path):
    board, clock = Board.begin(tmp_path), Clock()
    board.clock = clock
    for step in range(1, 21):
        clock.now += 1.0
        board.step(RECORD | {"step": step} | ({"metric": 0.5} if step == 9 else {}))
    board.step(RECORD | {"step": 20, "metric": 0.5})
    board.close()
    steps = [step for step, _ in curve(events(tmp_path), "train/loss")]
    assert steps == sorted(set(steps)), "no step twice"
    assert {1, 9, 20} <= set(steps)
    assert len(steps) <= 20 / EVERY + 3


@pytest.mark.parametrize("goes_on_at", [4, 7])
def test_a_later_session_goes_on_without_a_step_twice(tmp_path, goes_on_at):
    """The first one went further than the state that it left."""
    told = []
    for number, (begin, end) in enumerate(((1, 8), (goes_on_at, 12))):
        working = tmp_path / str(number)
        if number:
            take_over(working, tmp_path / "0")
        board, clock = Board.begin(working, begin if number else 0), Clock()
        board.clock = clock
        for step in range(begin, end):
            clock.now += 2 * EVERY
            board.step({"step": step, "loss": float(100 * number + step)})
            board.validation({"step": step, "metric": step / 100}, None)
        told = [item for item in told if item[0] < begin]
        told += [(step, float(100 * number + step)) for step in range(begin, end)]
        board.close()
    found = events(tmp_path / "1")
    assert curve(found, "train/loss") == told
    assert [step for step, _ in curve(found, "validation/metric")] == list(range(1, 12))


@pytest.mark.parametrize("saved", [True, False])
def test_a_validation_that_was_told_before_its_session_was_killed_is_told_once(tmp_path, competition, saved):
    """Killed behind the second validation, before or after its state was saved; the session that goes on from it."""
    rows = [{"epoch": epoch, "step": 10 * epoch, "metric": epoch / 10} for epoch in (1, 2, 3)]
    outputs, known = None, []
    for number, told in enumerate((rows[:2], rows[2 if saved else 1 :])):
        working = tmp_path / str(number)
        keeper, watch, gradients = (SimpleNamespace(hears=[], rows=known) for _ in range(3))
        run = SimpleNamespace(
            step=20 * number, keeper=keeper, watch=watch, stepper=SimpleNamespace(gradients=gradients)
        )
        run.competition, run.recipe = competition, Recipe()
        board = seeing.begin(run, working, outputs, None, print)
        for row in told:
            for hear in keeper.hears:
                hear(row, None)
        board.gradients(20 * number + 5, {"decoder": {"grad_norm": 1.0, "update_ratio": None}})
        board.close()
        files.write(working / "metrics.csv", "step\n" + "".join(f"{row['step']}\n" for row in told))
        outputs, known = working, rows[: 2 if saved else 1]
    assert [step for step, _ in curve(events(working), "validation/metric")] == [10, 20, 30]
    assert [step for step, _ in curve(events(working), "grad_norm/decoder")] == [5, 25]


WITH_TENSORFLOW = """
import sys
from pathlib import Path
{first}
from torch.utils.tensorboard import SummaryWriter
writer = SummaryWriter("events")
writer.add_scalar("a", 1.0, 1)
writer.close()
print("tensorflow" in sys.modules)
"""


@pytest.mark.parametrize(
    ("first", "expected"),
    [("", "True"), ("from lib.training.tensorboard import without_tensorflow; without_tensorflow()", "False")],
)
def test_tensorflow_is_never_imported_where_it_is_installed(tmp_path, first, expected):
    """Without the kit's word it is: the planted package is one that TensorBoard would take."""
    (tmp_path / "tensorflow").mkdir()
    (tmp_path / "tensorflow" / "__init__.py").write_text("from tensorboard.compat.tensorflow_stub import *\n")
    done = run(tmp_path, WITH_TENSORFLOW.format(first=first))
    assert done.stdout.strip() == expected
    assert list((tmp_path / "events").iterdir())


def test_without_the_package_one_line_says_so_and_training_goes_on(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    said = []
    board = Board.begin(tmp_path, say=said.append)
    board.describe(None, None)
    board.step(RECORD | {"step": 1})
    board.validation(ROW | {"step": 1}, np.eye(2))
    board.gradients(1, {"decoder": {"grad_norm": 1.0, "update_ratio": 0.1}})
    board.close()
    assert [line.startswith("no TensorBoard files are written: ") for line in said] == [True]
    assert not list(tmp_path.iterdir())


def run(folder, code: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(folder), str(PROJECT)])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done
