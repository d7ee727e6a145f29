"""The runs whose weights predict on Kaggle or here, and how their checkpoints get to the session.

members = chosen(("3c65",))               # Member(run, sha256, kernel="me/2026…" when Kaggle keeps its outputs)
plan = attach(plan)                       # the others go up as a private data set, once

In the session `lib.models.found` knows them by their content.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib import files
from lib.competitions import Competition
from lib.errors import UsageError
from lib.launching.kaggle.dataset_content import Content, slug
from lib.launching.runs import Run, find, finished

if TYPE_CHECKING:
    from lib.launching.preparing.plan import Plan


@dataclass(frozen=True)
class Member:
    """Weights that predict: a run's best, or those of one of its folds; and the kernel on Kaggle that still has them,
    as owner/slug."""

    run: Run
    sha256: str
    kernel: str | None
    weight: float = 1.0
    fold: int | None = None

    @property
    def checkpoint(self) -> Path:
        """The file, here."""
        return self.run.checkpoints[self.fold]

    @property
    def mount(self) -> str:
        """Where below /kaggle/input the run's outputs are seen."""
        return f"notebooks/{self.run.read()['attempts'][-1]['ref']}"


def chosen(names: Sequence[str]) -> tuple[Member, ...]:
    """The runs of these names (`RUN` or `RUN=WEIGHT`), or the newest with a checkpoint; of a run of folds, every fold
    with an equal share of its weight.

    Raises `UsageError` when one has brought none home, or is named twice, and for a weight that is none.
    """
    found = [(finished(name), weight) for name, weight in map(_weighted, names)] or [(finished(), 1.0)]
    runs = [run for run, _ in found]
    twins = [run.word for run in runs if runs.count(run) > 1]
    if twins:
        raise UsageError(f"run {twins[0]} is named twice", "name each run once")
    return tuple(
        Member(run, files.sha256(path), _kernel(run), weight / len(run.checkpoints), fold)
        for run, weight in found
        for fold, path in run.checkpoints.items()
    )


def _weighted(text: str) -> tuple[str, float]:
    name, _, number = text.partition("=")
    try:
        weight = float(number or 1)
    except ValueError:
        weight = 0.0
    if not 0 < weight < float("inf"):
        raise UsageError(f"--run {text}: a weight is a number above 0", f"for example {name}=0.5")
    return name, weight


def must_fit(members: Sequence[Member], competition: Competition) -> None:
    """Raise `UsageError` when a run was trained for other classes than the competition's."""
    for member in members:
        own = member.run.competition
        if own.names != competition.names:
            raise UsageError(
                f"run {member.run.id} was trained for {own.name} ({', '.join(own.names)}), "
                f"not for {competition.name} ({', '.join(competition.names)})",
                "name another run with --run, or leave -c out",
            )


def layer(members: Sequence[Member]) -> tuple[str, dict[str, Any]]:
    """The first run's recipe as the lowest layer of the prediction's: weights come from the checkpoint, not the hub."""
    run = members[0].run
    recipe = run.read()["recipe"]
    alone = {"model": recipe["model"] | {"weights": "none"}, "train": recipe["train"] | {"folds": 0, "gpus": "ranks"}}
    return f"run {run.id}", recipe | alone


def document(members: Sequence[Member]) -> dict[str, Any]:
    """The members as the bundle and run.json name them, and the first run's thresholds where they are for these."""
    if not members:
        return {}
    listed = [
        {"run": member.run.id, "sha256": member.sha256, "weight": member.weight}
        | ({} if member.fold is None else {"fold": member.fold})
        for member in members
    ]
    path = members[0].run.folder / "thresholds.json"
    found = files.read_json(path) if path.is_file() else {}
    same = [{"checkpoint": member.sha256, "weight": member.weight} for member in members]
    return {"members": listed} | ({"thresholds": found} if found.get("members") == same else {})


def travelling(members: Sequence[Member]) -> dict[str, Path]:
    """The checkpoints that Kaggle has not, by the names that they go up under."""
    return {_file(member): member.checkpoint for member in members if member.kernel is None}


def _file(member: Member) -> str:
    """What a member's checkpoint is called in a data set."""
    return f"{member.run.id}{'' if member.fold is None else f'-fold-{member.fold}'}.safetensors"


def attach(plan: Plan) -> Plan:
    """The plan with every checkpoint on Kaggle: uploaded when it is not there yet, READY, named to the kernel."""
    paths = travelling(plan.members)
    if plan.place != "kaggle" or not paths:
        return plan
    from lib.launching.kaggle import datasets  # behind the usual push, which uploads nothing

    return _with(plan, datasets.ensure(paths, _words(plan)))


def foresee(plan: Plan, owner: str | None) -> Plan:
    """The plan as `attach` will make it, without the network, where the account's name is known."""
    name = dataset(plan)
    return _with(plan, f"{owner}/{name}") if name and owner and plan.place == "kaggle" else plan


def dataset(plan: Plan) -> str | None:
    """The name of the data set that the checkpoints go up as; None when none goes up."""
    paths = travelling(plan.members)
    return slug(Content.of(paths).titles(_words(plan))[0]) if paths else None


def _words(plan: Plan) -> str:
    return f"swath weights {plan.recipe.model.encoder}"


def _with(plan: Plan, name: str) -> Plan:
    return replace(plan, metadata={**plan.metadata, "dataset_sources": [*plan.metadata["dataset_sources"], name]})


def mounts(content: dict[str, Any]) -> tuple[tuple[str, Path], ...]:
    """Where a session on this machine sees the outputs of a run's members, and where they lie; of its run.json."""
    names = dict.fromkeys(member["run"] for member in content.get("members", ()))
    return tuple((Member(run, "", None).mount, run.outputs) for run in map(find, names))


def _kernel(run: Run) -> str | None:
    """The kernel whose COMPLETE version holds the checkpoint on Kaggle, where nobody has deleted it."""
    content = run.read()
    last = content["attempts"][-1]
    has_it = content["place"] == "kaggle" and last["status"] == "complete" and not content.get("deleted")
    return last["ref"] if has_it else None
