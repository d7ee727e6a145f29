"""The words of a plan: what a dry run prints, and the two lines before a push."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lib import files
from lib.launching import colab_data, durations
from lib.launching.accelerators import TITLES
from lib.launching.plan import Plan, describe
from lib.launching.terminal import talk

LARGEST = 5


def plan_document(plan: Plan, folder: Path) -> dict[str, Any]:
    """A dry run as `--json` prints it."""
    return describe(plan) | {
        "folder": str(folder),
        "metadata": dict(plan.metadata),
        "recipe_origins": dict(plan.origins),
    }


def plan_lines(plan: Plan, folder: Path) -> list[str]:
    """A dry run for people."""
    rows = [
        ["competition", f"{_title(plan)} ({files.shown(plan.competition_file)})"],
        ["place", plan.place],
        ["accelerator", _accelerator(plan)],
        ["internet", "on, for pretrained weights" if plan.internet and plan.recipe.needs_hub else _on(plan.internet)],
        ["time limit", durations.spell(plan.timeout) if plan.timeout else "the place's own"],
        ["sources", ", ".join([*plan.metadata["dataset_sources"], *plan.metadata["competition_sources"]]) or "none"],
        [
            "model",
            f"{plan.recipe.model.architecture} on {plan.recipe.model.encoder}, weights {plan.recipe.model.weights}",
        ],
        ["training", _training(plan)],
        ["recipe", "; ".join(f"{layer}: {', '.join(keys)}" for layer, keys in _layers(plan).items()) or "all defaults"],
        [
            "bundle",
            f"{len(plan.bundle.files)} files, {len(plan.bundle.source):,} bytes, sha256 {plan.bundle.sha256[:16]}",
        ],
        ["largest", ", ".join(f"{name.split('/')[-1]} {size:,}" for name, size in _largest(plan))],
        ["folder", f"{files.shown(folder)} (kernel.py, kernel-metadata.json)"],
        ["not asked", "credentials, quota, slots, whether the sources exist: a dry run stays off the network"],
    ]
    if plan.place == "colab":
        rows.insert(5, ["data", colab_data.describe(plan.competition, plan.data)])
    if plan.accelerator.warning:
        rows.append(["note", plan.accelerator.warning])
    return [f"{name:<12} {value}" for name, value in rows]


def show_start(plan: Plan) -> None:
    """What is about to happen, in two lines."""
    talk(
        f"{plan.competition.name}: {plan.recipe.model.architecture} on {plan.recipe.model.encoder}, {_training(plan)}; "
        f"bundle of {len(plan.bundle.files)} files, {len(plan.bundle.source):,} bytes"
    )
    if plan.place != "local":
        talk(f"accelerator: {_accelerator(plan)}; internet {_on(plan.internet)}")
    if plan.place == "colab":
        talk(f"data: {colab_data.describe(plan.competition, plan.data)}")
    if plan.accelerator.warning:
        talk(f"note: {plan.accelerator.warning}")


def _title(plan: Plan) -> str:
    return ": ".join(filter(None, [plan.competition.name, plan.competition.title]))


def _accelerator(plan: Plan) -> str:
    card = plan.accelerator
    if plan.place == "local":
        return "this machine's"
    return (
        f"{card.name}: asked as {card.machine_shape}, {TITLES[plan.place]} gives {card.gives}"
        if card.is_gpu
        else card.gives
    )


def _training(plan: Plan) -> str:
    train, data = plan.recipe.train, plan.recipe.data
    return f"{train.epochs} epochs, batch {train.batch}, crops of {data.crop} at scale {data.scale:g}"


def _layers(plan: Plan) -> dict[str, list[str]]:
    """The keys that each layer set."""
    layers: dict[str, list[str]] = {}
    for key, layer in plan.origins.items():
        layers.setdefault(layer, []).append(f"{key} = {_value(plan, key)}")
    return layers


def _value(plan: Plan, key: str) -> Any:
    table, _, name = key.partition(".")
    return getattr(getattr(plan.recipe, table), name)


def _largest(plan: Plan) -> list[tuple[str, int]]:
    return sorted(plan.bundle.files, key=lambda file: -file[1])[:LARGEST]


def _on(internet: bool) -> str:
    return "on" if internet else "off"
