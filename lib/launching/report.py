"""The words of `launch.py`: the plan, the start, the outcome, and always the next command."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib import files
from lib.launching import durations
from lib.launching.plan import Plan, describe

if TYPE_CHECKING:
    from lib.launching.flow import Outcome
    from lib.launching.runs import Run
    from lib.launching.session import Status

LARGEST = 5


def _talk(text: str) -> None:
    print(text, file=sys.stderr)


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
        ["competition", f"{plan.competition.name} ({files.shown(plan.competition_file)})"],
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
    if plan.accelerator.warning:
        rows.append(["note", plan.accelerator.warning])
    return [f"{name:<12} {value}" for name, value in rows]


def show_start(plan: Plan) -> None:
    """What is about to happen, in two lines."""
    _talk(
        f"{plan.competition.name}: {plan.recipe.model.architecture} on {plan.recipe.model.encoder}, {_training(plan)}; "
        f"bundle of {len(plan.bundle.files)} files, {len(plan.bundle.source):,} bytes"
    )
    if plan.place == "kaggle":
        _talk(f"accelerator: {_accelerator(plan)}; internet {_on(plan.internet)}")
    if plan.accelerator.warning:
        _talk(f"note: {plan.accelerator.warning}")


def show_pushed(run: Run) -> None:
    """The run's name, and where it can be watched."""
    content = run.read()
    where = content["attempts"][-1]["url"] if content["place"] == "kaggle" else files.shown(run.folder)
    _talk(f"run {run.id}: {where}")


def show_commands(run: Run) -> None:
    """How to pick a run up later."""
    for words in ("status", "logs -f", "fetch", "stop"):
        command, _, flag = words.partition(" ")
        _talk(f"  python launch.py {command} {run.id}{' ' + flag if flag else ''}")


def show_left(run: Run) -> None:
    """After Ctrl-C."""
    _talk(f"\nrun {run.id} goes on without this terminal; pick it up with")
    show_commands(run)


def runs_lines(runs: list[Run]) -> list[str]:
    """A line a run, under a header."""
    rows = [("run", "status", "place", "gpu", "started", "score")]
    for run in runs:
        content = run.read()
        metric = content.get("metrics")
        score = f"{metric['value']:.4f} {metric['label']}" if metric else "-"
        rows.append((run.id, content["status"], content["place"], content["accelerator"], content["created"], score))
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def status_lines(run: Run, status: Status) -> list[str]:
    """How a run stands."""
    return [f"{run.id}: {status.state}" + (f" ({status.message})" if status.message else "")]


def after_status(run: Run, status: Status) -> str:
    """What to type when a run stands like this."""
    if status.state == "complete" and run.checkpoint.is_file():
        return _submit(run)
    words = {"complete": f"fetch {run.id}", "failed": f"logs {run.id}", "stopped": f"fetch {run.id}"}
    return f"python launch.py {words.get(status.state, f'logs {run.id} -f')}"


def stop_question(run: Run) -> str:
    """What stopping costs."""
    content = run.read()
    if content["place"] == "kaggle":
        return (
            f"Stop {run.id}? Kaggle has no cancel: kernel {content['attempts'][-1]['ref']} is deleted with its "
            "versions and outputs, after what it has so far was fetched."
        )
    return f"Stop {run.id}?"


def outcome_document(outcome: Outcome) -> dict[str, Any]:
    """How a run ended, as `--json` prints it."""
    return outcome.run.read() | {"outputs": str(outcome.run.outputs)}


def outcome_lines(outcome: Outcome) -> list[str]:
    """The score beside its baseline, and where things lie."""
    run, metric = outcome.run, outcome.metric
    lines = status_lines(run, outcome.status)
    if metric:
        parts = [f"{name} {'-' if value is None else f'{value:.3f}'}" for name, value in metric["per_class"].items()]
        lines += [
            f"  {metric['label']} on validation  {metric['value']:.4f}   (epoch {metric['epoch']})",
            f"  majority class everywhere  {metric['baselines']['majority']:.4f}",
            f"  by class: {', '.join(parts)}",
        ]
    return [*lines, f"  outputs: {files.shown(run.outputs)} ({_moved(outcome)}), log: {files.shown(run.log)}"]


def after_outcome(outcome: Outcome) -> str:
    """What to type now."""
    return after_status(outcome.run, outcome.status)


def _moved(outcome: Outcome) -> str:
    if outcome.fetched.moved:
        return f"{outcome.fetched.moved} files fetched"
    return (
        "all of it was here already"
        if outcome.run.outputs.is_dir() and any(outcome.run.outputs.iterdir())
        else "nothing"
    )


def _submit(run: Run) -> str:
    needs_data = not run.data and not run.competition.data.built_in
    return f"python submit.py --run {run.id}" + (" --data DIR" if needs_data else "")


def _accelerator(plan: Plan) -> str:
    card = plan.accelerator
    if plan.place == "local":
        return "this machine's"
    return f"{card.name}: asked as {card.machine_shape}, Kaggle gives {card.gives}" if card.is_gpu else card.gives


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
