"""The words of a plan: the card that a dry run prints and that stands before every push."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lib import files
from lib.launching import durations
from lib.launching.kaggle import credentials
from lib.launching.preparing import weights
from lib.launching.preparing.accelerators import TITLES
from lib.launching.preparing.bundle import LIMIT
from lib.launching.preparing.checks import Check, documents, row, some
from lib.launching.preparing.demand import Demand
from lib.launching.preparing.feasible import SESSION_SECONDS
from lib.launching.preparing.plan import Plan, describe, git_state
from lib.launching.terminal import talk
from lib.recipe.tune import TuneRecipe

LARGEST = 5

WIDTH = 82
"""Characters for a row's words on a terminal of 100 columns."""


def plan_document(plan: Plan, folder: Path, checks: Iterable[Check] = ()) -> dict[str, Any]:
    """A dry run as `--json` prints it."""
    return describe(plan) | {
        "slug": plan.run_id,
        "limit": plan.limit,
        "folder": str(folder),
        "metadata": dict(plan.metadata),
        "recipe_origins": dict(plan.origins),
        "files": dict(plan.bundle.files),
        "ignored": list(plan.bundle.ignored),
        "checks": documents(checks),
        "uploads": weights.upload_of(plan),
    }


def plan_lines(plan: Plan, folder: Path, checks: Iterable[Check] = ()) -> list[str]:
    """A dry run for people."""
    found = credentials.source()
    return [
        *card(plan, checks, found.owner if found else None),
        row("folder", f"{files.shown(folder)} (kernel.py, kernel-metadata.json)"),
    ]


def show_card(plan: Plan, checks: Iterable[Check], owner: str | None = None) -> None:
    """The card of what is about to be pushed, on stderr."""
    talk("\n".join(card(plan, checks, owner)))


def card(plan: Plan, checks: Iterable[Check], owner: str | None = None) -> list[str]:
    """Everything about a launch that can be known before it, a row each."""
    bundle = plan.bundle
    rows = [
        row("competition", f"{_title(plan)} ({files.shown(plan.competition_file)})"),
        row("place", plan.place),
        row("accelerator", _accelerator(plan), "warn" if plan.accelerator.warning else None),
        row(
            "internet", "on, for pretrained weights" if plan.internet and plan.recipe.needs_hub else _on(plan.internet)
        ),
        row("time limit", _limit(plan.limit, plan.timeout, plan.sessions)),
        row("model", _model(plan)),
        *([row("uploads", weights.upload_line(plan))] if weights.upload_of(plan) else []),
        *_data(plan),
        row(*(("predicts", _members(plan)) if plan.members else ("training", _training(plan)))),
        *([row("search", _search(plan.tuning)), row("tries", "; ".join(plan.tuning.words()))] if plan.tuning else []),
        row("recipe", _recipe(plan)),
        row(
            "bundle",
            f"{len(bundle.files)} files, {len(bundle.source):,} bytes, sha256 {bundle.sha256[:16]}",
            "warn" if len(bundle.source) > LIMIT else None,
        ),
        row("largest", some((f"{name.split('/')[-1]} {size:,}" for name, size in _largest(plan)), WIDTH)),
        *([row("ignored", f"{len(bundle.ignored)}: {some(bundle.ignored, WIDTH - 5)}")] if bundle.ignored else []),
        row("git", _git()),
        *(row(check.name, check.words, check.verdict) for check in checks),
    ]
    if plan.place == "kaggle":
        rows.append(row("kernel", "/".join(filter(None, [owner, plan.run_id]))))
    if plan.accelerator.warning:
        rows.append(row("note", plan.accelerator.warning))
    return rows


def show_next(kernel: str, demand: Demand, checks: Iterable[Check]) -> None:
    """What can be known before a run's next session, on stderr: the rest is as it was."""
    limit = row("time limit", _limit(demand.limit, demand.timeout, demand.sessions))
    talk("\n".join([limit, *(row(check.name, check.words, check.verdict) for check in checks), row("kernel", kernel)]))


def show_start(plan: Plan) -> None:
    """What is about to happen on this machine, in a line."""
    talk(
        f"{plan.competition.name}: {plan.recipe.model.title}, "
        f"{_members(plan) if plan.members else _training(plan)}; "
        + (f"{plan.tuning.trials} trials of {', '.join(plan.tuning.words())}; " if plan.tuning else "")
        + f"bundle of {len(plan.bundle.files)} files, {len(plan.bundle.source):,} bytes"
    )


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


def _limit(limit: int | None, asked: int | None, sessions: int) -> str:
    """Seconds that a session may take, in words that say why no more."""
    if limit is None:
        return "none"
    whose = "" if asked else ", all that this week has left" if limit < SESSION_SECONDS else ", the place's own"
    return f"{durations.spell(limit)}{whose}{f', in each of up to {sessions} sessions' if sessions > 1 else ''}"


def _model(plan: Plan) -> str:
    model = plan.recipe.model
    return f"{model.title}, weights {model.weights}"


def _data(plan: Plan) -> list[str]:
    """What is sent up to a machine that mounts nothing."""
    if plan.place != "colab":
        return []
    from lib.launching.colab.data import describe as describe_data

    weights_sent = [member.checkpoint for member in plan.members]

    return [row("data", describe_data(plan.competition, plan.data, weights_sent))]


def _training(plan: Plan) -> str:
    train, data = plan.recipe.train, plan.recipe.data
    epochs = f"{train.epochs} epochs"
    if train.folds:
        apart = ", a fold on each GPU" if train.gpus == "folds" else ""
        epochs = f"{train.folds} folds of {epochs} ({train.folds * train.epochs} in all{apart})"
    return f"{epochs}, batch {train.batch or 'auto'}, crops of {data.crop} at scale {data.scale:g}"


def _search(tuning: TuneRecipe) -> str:
    """How many trials there are, and which go on."""
    share = f"{tuning.per_gpu} a GPU, {tuning.concurrent} at a time on a CPU"
    return f"{tuning.trials} trials, {share}; from epoch {tuning.grace} on the best of {tuning.reduction} goes on"


def _members(plan: Plan) -> str:
    """Whose weights predict, and how."""
    names = []
    for run in dict.fromkeys(member.run for member in plan.members):
        count = sum(member.run == run for member in plan.members)
        names.append(run.word + (f" ({count} folds)" if count > 1 else ""))
    return f"the test images with the weights of {some(names, WIDTH - 30)}, tta {plan.recipe.infer.tta}"


def _recipe(plan: Plan) -> str:
    """The keys that each layer set."""
    layers: dict[str, list[str]] = {}
    for key, layer in plan.origins.items():
        layers.setdefault(layer.split("/")[-1], []).append(f"{key} = {_value(plan, key)}")
    room = WIDTH // max(1, len(layers)) - 4
    said = (f"{layer}: {some(keys, room - len(layer))}" for layer, keys in layers.items())
    return "; ".join(said) or "all defaults"


def _value(plan: Plan, key: str) -> Any:
    table, _, name = key.partition(".")
    value = getattr(getattr(plan.recipe, table), name)
    return "auto" if value is None else value


def _git() -> str:
    state = git_state()
    if state is None:
        return "not a git checkout"
    dirty = state["dirty"]
    differ = f"{len(dirty)} files differ: {some(dirty, WIDTH - 34)}" if dirty else "nothing differs from it"
    return f"{state['commit'][:12]}, {differ}"


def _largest(plan: Plan) -> list[tuple[str, int]]:
    return sorted(plan.bundle.files, key=lambda file: -file[1])[:LARGEST]


def _on(internet: bool) -> str:
    return "on" if internet else "off"
