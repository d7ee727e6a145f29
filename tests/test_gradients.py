"""Gradients by block: against numbers done by hand in NumPy, and nothing at all at steps that are not measured."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from lib.training.gradients import AN_EPOCH, ONE_IN, Gradients

LR = 0.05


def network() -> tuple[nn.Module, dict[str, nn.Module], torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3, bias=False))
    return net, {"first": net[0], "last": net[2]}, torch.randn(6, 5), torch.randn(6, 3)


def by_hand(net: nn.Module, x: torch.Tensor, y: torch.Tensor) -> dict[str, tuple[float, float]]:
    """Gradient norm and weight norm of both layers of the mean squared error, in float64."""
    w1, b1, w2 = (part.detach().numpy().astype(np.float64) for part in net.parameters())
    x, y = (part.numpy().astype(np.float64) for part in (x, y))
    hidden = np.tanh(x @ w1.T + b1)
    error = 2 * (hidden @ w2.T - y) / y.size
    back = (error @ w2) * (1 - hidden**2)
    first = np.concatenate([(back.T @ x).ravel(), back.sum(axis=0)])
    weights = np.concatenate([w1.ravel(), b1])
    return {
        "first": (np.linalg.norm(first), np.linalg.norm(weights)),
        "last": (np.linalg.norm(error.T @ hidden), np.linalg.norm(w2)),
    }


@pytest.mark.parametrize("scale", [1.0, 1024.0])
def test_plain_descent_moves_weights_by_rate_times_gradient(scale):
    net, parts, x, y = network()
    expected, heard = by_hand(net, x, y), []
    gradients = Gradients(parts, 1, [lambda step, measured: heard.append((step, measured))])
    optimizer = torch.optim.SGD(net.parameters(), lr=LR)
    (scale * nn.functional.mse_loss(net(x), y)).backward()
    total = gradients.before(7, lambda: scale)
    for weight in net.parameters():
        weight.grad /= scale  # as a gradient scaler does before the step
    optimizer.step()
    gradients.after(7)
    assert heard == [(8, gradients.latest)]
    for name, (norm, weights) in expected.items():
        assert gradients.latest[name]["grad_norm"] == pytest.approx(norm, rel=1e-5)
        assert gradients.latest[name]["update_ratio"] == pytest.approx(LR * norm / weights, rel=1e-4)
    assert float(total) == pytest.approx(np.hypot(expected["first"][0], expected["last"][0]), rel=1e-5)
    assert float(total) == pytest.approx(float(nn.utils.get_total_norm([w.grad for w in net.parameters()])), rel=1e-5)


def test_the_ratio_is_of_what_the_optimizer_did_whatever_it_is():
    net, parts, x, y = network()
    gradients, optimizer = Gradients(parts, 1), torch.optim.AdamW(net.parameters(), lr=LR, weight_decay=0.1)
    nn.functional.mse_loss(net(x), y).backward()
    old = [weight.detach().clone() for weight in net[0].parameters()]
    gradients.before(0)
    nn.utils.clip_grad_norm_(net.parameters(), 0.01)
    optimizer.step()
    gradients.after(0)
    new = [weight.detach() for weight in net[0].parameters()]
    change = np.concatenate([(one - was).numpy().ravel() for one, was in zip(new, old, strict=True)])
    weights = np.concatenate([was.numpy().ravel() for was in old])
    ratio = np.linalg.norm(change) / np.linalg.norm(weights)
    assert gradients.latest["first"]["update_ratio"] == pytest.approx(ratio, rel=1e-4)


def test_a_step_that_overflowed_has_no_norm_and_a_frozen_block_no_row():
    net, parts, x, y = network()
    net[0].requires_grad_(False)
    gradients, optimizer = Gradients(parts, 1), torch.optim.SGD(net.parameters(), lr=LR)
    nn.functional.mse_loss(net(x), y).backward()
    net[2].weight.grad[0, 0] = float("inf")
    gradients.before(0)
    optimizer.zero_grad(set_to_none=False)  # the scaler leaves the step out
    gradients.after(0)
    assert gradients.latest == {"last": {"grad_norm": None, "update_ratio": 0.0}}


def test_blocks_of_zeros_have_no_ratio():
    layer = nn.Linear(2, 2, bias=False)
    nn.init.zeros_(layer.weight)
    gradients = Gradients({"only": layer}, 1)
    layer(torch.ones(1, 2)).sum().backward()
    gradients.before(0)
    gradients.after(0)
    assert gradients.latest["only"] == {"grad_norm": pytest.approx(2.0), "update_ratio": None}


@given(steps=st.integers(1, 500), epoch=st.integers(0, 5))
def test_few_steps_of_each_epoch_are_measured_the_same_in_all(steps, epoch):
    gradients = Gradients({"only": nn.Linear(1, 1)}, steps)
    due = [step for step in range(steps) if gradients.is_due(epoch * steps + step)]
    assert len(due) == max(1, min(AN_EPOCH, steps // ONE_IN))
    assert not Gradients({}, steps).is_due(due[0])


def test_at_other_steps_nothing_is_read_copied_or_told():
    """Not even the scale, whose reading would make a GPU wait."""
    net, parts, x, y = network()
    heard = []
    gradients = Gradients(parts, 100, [lambda *told: heard.append(told)])
    nn.functional.mse_loss(net(x), y).backward()
    for step in range(100):
        if not gradients.is_due(step):
            assert gradients.before(step, lambda: pytest.fail("the scale was read")) is None
            gradients.after(step)
    assert (heard, gradients.latest) == ([], {})
