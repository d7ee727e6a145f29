"""The losses, optimizers and schedules that a recipe can name, with their options and what those are by default.

Importing this module needs no torch; what stands behind the names: lib/training/losses.py, optimizers.py, schedules.py.
"""

from __future__ import annotations

from typing import Any

from lib.recipe.terms import Term, call, known, terms

LOSSES: dict[str, dict[str, Any]] = {
    "ce": {"smooth": 0.0},
    "focal": {"gamma": 2.0},
    "dice": {"smooth": 0.0},
    "log_cosh_dice": {"smooth": 0.0},
    "jaccard": {"smooth": 0.0},
    "tversky": {"alpha": 0.3, "beta": 0.7, "smooth": 0.0},
    "focal_tversky": {"alpha": 0.3, "beta": 0.7, "gamma": 0.75, "smooth": 0.0},
    "lovasz": {"per_image": False},
}
"""`alpha` weighs pixels wrongly given to a class, `beta` those that it misses."""

ADAMS = {"betas": (0.9, 0.999), "eps": 1e-8}

OPTIMIZERS: dict[str, dict[str, Any]] = {
    "adamw": ADAMS | {"amsgrad": False, "fused": False},
    "adam": ADAMS | {"amsgrad": False, "fused": False, "decoupled_weight_decay": False},
    "sgd": {"momentum": 0.0, "dampening": 0.0, "nesterov": False, "fused": False},
    "nadam": ADAMS | {"momentum_decay": 4e-3, "decoupled_weight_decay": False},
    "radam": ADAMS | {"decoupled_weight_decay": False},
    "adamax": ADAMS,
    "adagrad": {"lr_decay": 0.0, "initial_accumulator_value": 0.0, "eps": 1e-10},
    "adadelta": {"rho": 0.9, "eps": 1e-6},
    "rmsprop": {"alpha": 0.99, "eps": 1e-8, "momentum": 0.0, "centered": False},
    "asgd": {"lambd": 1e-4, "alpha": 0.75, "t0": 1e6},
    "adafactor": {"beta2_decay": -0.8, "d": 1.0},
}
"""torch.optim's, with the options that change what they compute."""

SCHEDULES: dict[str, dict[str, Any]] = {
    "cosine": {"floor": 0.0},
    "onecycle": {"rise": 0.3, "start": 25.0, "end": 1e4},
    "poly": {"power": 0.9},
    "step": {"every": 0.3, "factor": 0.1},
    "plateau": {"factor": 0.5, "patience": 3, "threshold": 1e-4, "floor": 0.0},
    "constant": {},
}
"""`floor`: the least share of the peak. `every`: share of the run between two steps. `patience`: validations without a
better score by `threshold` (a share of it) that are let pass."""


def loss(text: str) -> str:
    """Check `train.loss`; `ValueError` with what is allowed."""
    parts = loss_terms(text)
    if any(part.weight < 0 for part in parts) or not any(part.weight for part in parts):
        raise ValueError(f"found {text!r}; weights of losses are 0 or more, and one of them is more")
    return text


def loss_terms(text: str) -> tuple[Term, ...]:
    """The terms of a loss, each known."""
    parts = terms(text)
    for part in parts:
        known(part.call, LOSSES, text)
    return parts


def optimizer(text: str) -> str:
    """Check `train.optimizer`; `ValueError` with what is allowed."""
    one = call(text)
    for option in ("lr", "weight_decay"):
        if option in one.options:
            raise ValueError(f"found {option} in {text!r}; it is the key train.{option}")
    known(one, OPTIMIZERS, text)
    return text


def schedule(text: str) -> str:
    """Check `train.schedule`; `ValueError` with what is allowed."""
    known(call(text), SCHEDULES, text)
    return text
