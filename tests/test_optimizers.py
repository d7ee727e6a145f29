"""Optimizers, schedules, averages of weights and early ends: each against torch's own, or by hand."""

import inspect

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

from lib.errors import UsageError
from lib.models import Segmenter, build
from lib.recipe import ModelRecipe, TrainRecipe, resolve
from lib.recipe.choices import OPTIMIZERS
from lib.training.averages import BestEpochs, moving_average
from lib.training.optimizers import optimizer_of, set_rate
from lib.training.schedules import Plateau, schedule_of
from lib.training.stopping import Stopping

SMALL = {"encoder": "mobilenetv3_small_050", "weights": "none", "decoder_channels": (16, 16, 8, 8, 8)}


@pytest.fixture(scope="module")
def model() -> Segmenter:
    return build(ModelRecipe(**SMALL), classes=3)


def rates_of(schedule: str, steps: int, warmup: float = 0.0) -> list[float]:
    share = schedule_of(TrainRecipe(schedule=schedule, warmup=warmup))
    return [share(step, steps) for step in range(steps)]


def rates_by_torch(kind, steps: int, **options) -> list[float]:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler, rates = kind(optimizer, **options), []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


@pytest.mark.parametrize("steps", [10, 37, 100])
def test_schedules_are_torchs(steps):
    cosine = rates_by_torch(lr_scheduler.CosineAnnealingLR, steps, T_max=steps)
    assert rates_of("cosine", steps) == pytest.approx(cosine, abs=1e-9)
    floor = rates_by_torch(lr_scheduler.CosineAnnealingLR, steps, T_max=steps, eta_min=0.125)
    assert rates_of("cosine(floor=0.125)", steps) == pytest.approx(floor, abs=1e-9)
    poly = rates_by_torch(lr_scheduler.PolynomialLR, steps, total_iters=steps, power=0.7)
    assert rates_of("poly(power=0.7)", steps) == pytest.approx(poly, abs=1e-9)
    cycle = {"max_lr": 1.0, "total_steps": steps + 1, "cycle_momentum": False}
    assert rates_of("onecycle", steps + 1)[:steps] == pytest.approx(
        rates_by_torch(lr_scheduler.OneCycleLR, steps, **cycle), abs=1e-9
    )
    assert rates_of("onecycle(rise=0.5, start=10, end=100)", steps + 1)[:steps] == pytest.approx(
        rates_by_torch(lr_scheduler.OneCycleLR, steps, **cycle, pct_start=0.5, div_factor=10, final_div_factor=100),
        abs=1e-9,
    )
    assert rates_of("constant", steps) == [1.0] * steps
    falls = rates_of("step(every=0.25, factor=0.5)", 100)
    assert [falls[step] for step in (0, 24, 25, 50, 99)] == [1, 1, 0.5, 0.25, 0.125]


def test_the_rate_rises_to_its_peak_first():
    rates = rates_of("cosine", 100, warmup=0.1)
    assert rates[:10] == pytest.approx(np.arange(1, 11) / 10)
    assert rates[10] == 1.0
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[55] == pytest.approx(0.5, abs=0.01)
    assert rates_of("onecycle", 50, warmup=0.5) == rates_of("onecycle", 50), "it has a rise of its own"


@pytest.mark.parametrize("patience", [0, 2])
def test_the_plateau_is_torchs(patience):
    scores = [0.1, 0.3, 0.3, 0.29, 0.30001, 0.28, 0.31, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.4, 0.4, 0.4, 0.4]
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    options = {"factor": 0.25, "threshold": 0.001, "min_lr": 0.01}
    theirs = lr_scheduler.ReduceLROnPlateau(optimizer, mode="max", patience=patience, **options)
    ours = Plateau.of(TrainRecipe(schedule=f"plateau(factor=0.25, patience={patience}, threshold=0.001, floor=0.01)"))
    for score in scores:
        theirs.step(score)
        ours.heed(score)
        assert ours.share == pytest.approx(optimizer.param_groups[0]["lr"])
        again = Plateau()
        again.load_state_dict(ours.state_dict())
        ours = again
    assert ours.share < 1
    assert Plateau.of(TrainRecipe()) is None


def test_early_stopping_counts_from_the_best():
    stopping, ends = Stopping(patience=2), []
    for score in (0.1, 0.3, 0.3, 0.4, 0.2, 0.4):
        stopping.heed(score)
        ends.append(stopping.has_waited)
    assert ends == [False, False, False, False, False, True]
    never = Stopping()
    for _ in range(50):
        never.heed(0.0)
    assert not never.has_waited


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_are_torchs_by_name(name):
    kinds = {kind.lower(): kind for kind in dir(torch.optim)}
    layer = nn.Linear(3, 2)
    optimizer = optimizer_of(TrainRecipe(optimizer=name, lr=0.5, weight_decay=0.25), layer)
    assert type(optimizer) is getattr(torch.optim, kinds[name])
    before = layer.weight.clone()
    layer(torch.ones(4, 3)).sum().backward()
    optimizer.step()
    assert not torch.equal(layer.weight, before)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_options_and_their_defaults_are_torchs(name):
    kind = type(optimizer_of(TrainRecipe(optimizer=name), nn.Linear(1, 1)))
    theirs = inspect.signature(kind).parameters
    for option, usual in OPTIMIZERS[name].items():
        assert theirs[option].default in (usual, None), option
        given = f"{option}={usual}".replace("False", "false")
        optimizer_of(TrainRecipe(optimizer=f"{name}({given})"), nn.Linear(1, 1))


def test_an_optimizers_options_reach_it_and_wrong_ones_are_told():
    optimizer = optimizer_of(TrainRecipe(optimizer="SGD(momentum=0.9, nesterov=true)"), nn.Linear(1, 1))
    assert {(group["momentum"], group["nesterov"]) for group in optimizer.param_groups} == {(0.9, True)}
    with pytest.raises(UsageError, match=r"train\.optimizer = 'sgd\(momentum=-1\)': Invalid momentum value: -1"):
        optimizer_of(TrainRecipe(optimizer="sgd(momentum=-1)"), nn.Linear(1, 1))
    betas = optimizer_of(TrainRecipe(optimizer="adamw(betas=(0.8, 0.9))"), nn.Linear(1, 1)).param_groups[0]["betas"]
    assert betas == (0.8, 0.9)
    for text, said in (
        ("adamww", "found 'adamww' in 'adamww'; one of adamw, adam, sgd"),
        ("adam(lr=1)", "found lr in 'adam(lr=1)'; it is the key train.lr"),
        ("sgd(beta=1)", "found beta=1 in 'sgd(beta=1)'; sgd takes momentum, dampening, nesterov, fused"),
        ("adam(betas=0.9)", "found betas=0.9 in 'adam(betas=0.9)'; it is 2 numbers in brackets"),
    ):
        with pytest.raises(UsageError) as caught:
            resolve([("own.toml", {"train.optimizer": text})])
        assert said in caught.value.reason


def test_norms_and_biases_do_not_decay(model):
    groups = optimizer_of(TrainRecipe(weight_decay=0.125), model).param_groups
    decay = {id(parameter): group["weight_decay"] for group in groups for parameter in group["params"]}
    seen = set()
    for part in model.modules():
        for name, weight in part.named_parameters(recurse=False):
            plain = name == "bias" or isinstance(part, torch.nn.modules.batchnorm._BatchNorm)
            assert decay.pop(id(weight)) == (0 if plain else 0.125), f"{name} of {part}"
            seen.add(plain)
    assert seen == {True, False}
    assert not decay


def test_the_encoder_learns_at_its_own_rate(model):
    encoder = set(model.net.encoder.parameters())
    optimizer = optimizer_of(TrainRecipe(lr=0.01, encoder_lr=0.1, weight_decay=0.125), model, encoder)
    set_rate(optimizer, 0.008)
    rates = {id(parameter): group["lr"] for group in optimizer.param_groups for parameter in group["params"]}
    assert len(rates) == len(list(model.parameters()))
    for parameter in model.parameters():
        assert rates[id(parameter)] == pytest.approx(0.0008 if parameter in encoder else 0.008)


def test_the_moving_average_by_hand():
    """Little is remembered at first, then 0.75 of what was; batch-norm statistics go the same way."""
    layer = nn.BatchNorm1d(1)
    average, expected = moving_average(layer, 0.75), 0.0
    for step in range(60):
        with torch.no_grad():
            layer.weight.fill_(step)
            layer.running_mean.fill_(-step)
        average.update_parameters(layer)
        kept = min(0.75, (1 + step) / (10 + step)) if step else 0
        expected = kept * expected + (1 - kept) * step
        assert average.module.weight.item() == pytest.approx(expected, rel=1e-5)
        assert average.module.running_mean.item() == pytest.approx(-expected, rel=1e-5)
    assert expected == pytest.approx(59 - 3, abs=0.01), "a decay of 3/4 trails by three steps"


def test_the_best_epochs_are_averaged(tmp_path):
    """Of five epochs the three best; a later session finds them in the outputs of the one before."""
    layer, best = nn.BatchNorm1d(2), BestEpochs(tmp_path / "one", 3)
    for epoch, score in enumerate((0.2, 0.6, 0.1, 0.5, 0.5), 1):
        if epoch == 4:
            state, best = best.state_dict(), BestEpochs(tmp_path / "two", 3)
            best.load_state_dict(state, tmp_path / "one")
        with torch.no_grad():
            layer.weight.fill_(10.0**epoch)
            layer.running_var.fill_(epoch)
            layer.num_batches_tracked.fill_(epoch)
        best.offer(epoch, score, layer)
    assert best.epochs == [2, 4, 5]
    mean = best.mean()
    assert mean["weight"].tolist() == pytest.approx([(1e2 + 1e4 + 1e5) / 3] * 2)
    assert mean["running_var"].tolist() == pytest.approx([11 / 3] * 2)
    assert mean["num_batches_tracked"] == 2, "the best epoch's"
    assert [path.name for path in sorted((tmp_path / "two" / "checkpoints" / "kept").iterdir())] == [
        f"epoch-000{epoch}.safetensors" for epoch in (2, 4, 5)
    ]
    best.clear()
    assert not (tmp_path / "two" / "checkpoints" / "kept").exists()
