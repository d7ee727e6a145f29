"""What a run finds out before its first step: a batch that fits and is fast, a learning rate that the loss can bear."""

import csv
import math

import pytest
import torch
from torch import nn

from lib import files
from lib.launching.following.failures import diagnose
from lib.models import build
from lib.rasters import header_size
from lib.recipe import Recipe, TrainRecipe, resolve
from lib.training.batch_size import Trial, useful_batch
from lib.training.lightning import fabric_of
from lib.training.lr_range import Curve, range_test
from tests.programs import given

SMALL = {
    "model.architecture": "plain_unet",
    "model.weights": "none",
    "model.decoder_channels": "auto",
    "model.depth": 2,
    "model.width": 4,
    "model.norm": "none",
    "data.scale": 0.25,
    "data.crop": 32,
    "data.validation": 0.0625,
    "infer.window": 64,
}


def card(speeds):
    """A device that trains batches of some sizes, at so many crops a second, and no others."""

    def try_out(batch):
        if batch not in speeds:
            raise MemoryError
        return speeds[batch]

    return try_out


@pytest.mark.parametrize(
    ("speeds", "most", "found"),
    [
        ({2: 10, 4: 20, 8: 40}, 256, 8),  # 16 does not fit
        ({2: 10, 4: 20, 8: 40}, 4, 4),  # 8 is not asked for
        ({2: 10, 4: 20, 8: 20.5, 16: 90}, 256, 4),  # 8 is hardly faster
        ({2: 10, 4: 9}, 256, 2),
        ({2: 10, 4: 20}, 1, 2),  # the least is tried whatever the most is
        ({4: 10}, 256, None),
    ],
)
def test_the_smallest_batch_that_is_about_as_fast_as_any_that_fits(speeds, most, found):
    told = []
    assert useful_batch(card(speeds), 2, most, told.append) == found
    assert ("does not fit" in told[-1]) is ({8: True, 4: False}.get(found, found is None) and most > 4)


def test_a_trial_trains_and_says_how_fast(monkeypatch):
    recipe, _ = resolve([("test", SMALL)])
    model = build(recipe.model, 3)
    before = {name: weights.clone() for name, weights in model.state_dict().items()}
    trial = Trial(fabric_of("cpu", 1, "32-true", model), model, recipe, 3)
    assert 0 < trial(2) < math.inf
    assert any(not torch.equal(before[name], weights) for name, weights in model.state_dict().items())
    monkeypatch.setattr("lib.training.batch_size._available", lambda: 0)
    trial.last = 2, 1000
    with pytest.raises(MemoryError):
        trial(4)


def test_the_range_test_ends_where_the_loss_bursts_and_suggests_less():
    """Gradient descent on a parabola x² bears rates below 1, learns fastest at 1/2, and bursts above 1."""
    point = nn.Parameter(torch.tensor([5.0]))

    def train_at(lr):
        loss = (point**2).sum()
        (slope,) = torch.autograd.grad(loss, point)
        with torch.no_grad():
            point.sub_(lr * slope)
        return float(loss.detach())

    curve = range_test(train_at, low=1e-4, high=100, steps=200)
    assert len(curve.rates) < 200
    assert curve.rates[-1] > 1
    assert 0.005 < curve.suggestion < 0.5
    assert curve.rates[1] / curve.rates[0] == pytest.approx((100 / 1e-4) ** (1 / 199))


def test_smoothing_forgets_its_beginning():
    assert Curve([1e-3, 1e-2, 1e-1], [2.0, 2.0, 2.0]).smoothed == pytest.approx([2, 2, 2])
    falling = Curve([10**-n for n in range(6, 0, -1)], [5, 4, 3, 2, 1, 0.5])
    assert list(falling.smoothed) == sorted(falling.smoothed, reverse=True)
    assert falling.suggestion <= 10**-1 / 3 * 1.0001


def test_a_run_finds_its_batch_and_stops_when_nothing_gets_better(program):
    """At a rate of nothing the score stands still: two epochs, of six, and an average that is no better."""
    settings = {"train.batch": "auto", "train.steps": 1, "train.lr": 1e-9, "train.epochs": 6}
    settings |= {"train.patience": 1, "train.average_best": 2, "train.weight_decay": 0}
    run = program.json("launch.py", *given(SMALL | settings))
    outputs = program.runs / run["id"] / "outputs"
    summary = files.read_json(outputs / "summary.json")
    assert (summary["finished"], summary["epochs_done"], summary["metric"]["epoch"]) == (True, 2, 1)
    batch = summary["recipe"]["train"]["batch"]
    log = (program.runs / run["id"] / "log.txt").read_text()
    assert batch >= 2
    assert batch & (batch - 1) == 0
    assert f"      train.batch = {batch}\n" in log
    assert f"      batch {batch}: " in log
    value = summary["metric"]["value"]
    assert f"average of epochs 1, 2: macro Dice {value:.4f}, no better than {value:.4f} of epoch 1" in log
    assert not (outputs / "checkpoints" / "kept").exists()
    assert f"<dt>train.batch, found by trying</dt><dd>{batch}</dd>" in (outputs / "report.html").read_text()


def test_a_run_finds_its_learning_rate_and_shows_how(program):
    settings = {"train.lr": "auto", "train.epochs": 0, "train.batch": 4}
    run = program.json("launch.py", *given(SMALL | settings))
    outputs = program.runs / run["id"] / "outputs"
    lr = Recipe.model_validate(files.read_json(outputs / "summary.json")["recipe"]).train.lr
    with open(outputs / "lr_range.csv", newline="") as file:
        rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    assert rows[0]["lr"] == pytest.approx(1e-6)
    assert 10 < len(rows) <= 100
    assert rows[0]["lr"] < lr < rows[-1]["lr"]
    assert f"train.lr = {lr:g}" in (program.runs / run["id"] / "log.txt").read_text()
    assert header_size(outputs / "lr_range.png") == (480, 840)


def test_what_is_left_to_be_found_is_told_before_and_does_not_disturb_a_failures_fix(program):
    done = program("launch.py", "--dry-run", *given({"train.batch": "auto", "train.lr": "auto"}))
    assert "7 epochs, batch auto, crops of 96" in done.stdout
    assert "train.batch = auto" in done.stdout

    class Left:
        id = "1a2b"

        def read(self):
            return {"recipe": Recipe().model_copy(update={"train": TrainRecipe(batch=None, lr=None)}).model_dump()}

    assert "--set train.batch=8" in diagnose("CUDA out of memory", "", Left()).fix
