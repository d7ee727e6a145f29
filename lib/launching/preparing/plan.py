"""What a launch will do, settled and checked before anything is pushed.

plan = make_plan(Request(competition="deepglobe", gpu="t4x2"))
write_kernel(plan, folder, owner="me")        # kernel.py and kernel-metadata.json, ready to push
"""

from __future__ import annotations

import functools
import json
import os
import secrets
import shlex
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lib import files
from lib.competitions import Competition, parse
from lib.competitions.layout import without_layout
from lib.competitions.loader import find as find_competition
from lib.errors import UsageError
from lib.folders import PROJECT, runs_folder
from lib.launching.kaggle import credentials
from lib.launching.preparing import members
from lib.launching.preparing.accelerators import Accelerator, accelerator
from lib.launching.preparing.bundle import LIMIT, UTMOST, Bundle, pack, shortened
from lib.launching.preparing.feasible import (
    PLACES,
    Place,
    at_home,
    attached,
    check_data,
    check_folds,
    check_network,
    check_search,
    check_timeout,
    session_limit,
)
from lib.launching.preparing.members import Member
from lib.launching.runs import PREDICT, TUNE
from lib.recipe import Recipe, from_environment, parse_setting, resolve
from lib.recipe.tune import TuneRecipe, resolve_tune, split
from lib.validation import closest, read_toml


@dataclass(frozen=True)
class Request:
    """The words of the command line, as they were typed; None is not given."""

    competition: str | None = None
    kernel: str = "train"
    place: str | None = None
    gpu: str | None = None
    data: Path | None = None
    settings: tuple[str, ...] = ()
    recipe: Path | None = None
    internet: bool | None = None
    timeout: str | None = None
    force: bool = False
    sessions: int = 1
    runs: tuple[str, ...] = ()
    """Whose weights predict."""


@dataclass(frozen=True)
class Plan:
    """A launch, checked."""

    competition: Competition
    competition_file: Path
    kernel: str
    place: Place
    accelerator: Accelerator
    recipe: Recipe
    origins: Mapping[str, str]
    data: Path | None
    internet: bool
    timeout: int | None
    bundle: Bundle
    run_id: str
    sessions: int = 1
    """How many sessions the run may take, one after another."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    hours_left: int | None = None
    """Seconds that the week's hours leave to a session, where that is less than the place gives and none were asked."""
    weights: Mapping[str, str] | None = None
    """The private data set that brings the weights, when one does: dataset, file, sha256."""
    members: tuple[Member, ...] = ()
    """The runs whose weights predict, when this is a prediction."""
    tuning: TuneRecipe | None = None
    """What is tried, when this is a search."""

    @property
    def told(self) -> int | None:
        """Seconds that the place is told to end the session after; None leaves it to the place."""
        return self.hours_left or self.timeout

    @property
    def limit(self) -> int | None:
        """Seconds that a session may take: what was asked, else what the place gives."""
        return session_limit(self.told, self.place)

    def within(self, seconds: int) -> Plan:
        """The same plan with a session of this length, which the bundle and the place are both told."""
        if seconds == self.limit:
            return self
        source = shortened(self.bundle.source, seconds)
        return replace(self, hours_left=seconds, bundle=replace(self.bundle, source=source))


def make_plan(request: Request, environment: Mapping[str, str] = os.environ) -> Plan:
    """Settle every choice: flag, then environment, then recipe file, then competition, then default.

    Raises `UsageError` for a wrong word or key, `Refused` for what Kaggle would not run.
    """
    gpu = "none" if request.gpu is None else request.gpu
    place = ("local" if gpu.lower() == "none" else "kaggle") if request.place is None else request.place
    if place not in PLACES:
        raise UsageError(f"--on {place}: there is no such place", closest(place, list(PLACES)))
    card = accelerator(gpu, place)
    if place == "local" and card.is_gpu:
        raise UsageError(f"--gpu {card.name} is Kaggle's", "leave --gpu out: a run here uses the GPUs it finds")
    kernels = sorted(path.stem for path in (PROJECT / "kernels").glob("*.py"))
    if request.kernel not in kernels:
        raise UsageError(f"--kernel {request.kernel}: there is no such kernel", closest(request.kernel, kernels))
    predicting = _members(request, place)
    usual = "deepglobe" if place == "kaggle" else "sample"
    usual = shlex.split(predicting[0].run.competition_word)[0] if predicting else usual
    competition_file = find_competition(usual if request.competition is None else request.competition)
    competition = parse(competition_file)
    if competition.data.train is None and not predicting:
        raise without_layout(competition.name)
    members.must_fit(predicting, competition)
    layers, tried = split(_layers(competition, competition_file, place, request, environment, predicting))
    recipe, origins = resolve(layers)
    tuning = resolve_tune(tried, recipe) if request.kernel == TUNE else None
    check_network(recipe, place)
    recipe = at_home(recipe, place)
    if place == "local" and request.internet is not None:
        raise UsageError("--internet and --no-internet are for Kaggle", "a run here uses this machine's network")
    if place == "colab" and request.internet is False:
        raise UsageError("--no-internet is for Kaggle", "a Colab machine is always on the internet")
    needs_hub = recipe.needs_hub or bool(tuning and tuning.needs_hub)
    internet = place == "colab" or (needs_hub if request.internet is None else request.internet)
    if tuning:
        check_search(tuning, recipe, place, internet)
    on_gpus = place != "local" and card.is_gpu and recipe.train.device != "cpu"
    if not predicting and not tuning:
        share = min(recipe.train.ranks or card.gpus, card.gpus) if on_gpus else recipe.train.ranks or 1
        recipe.must_share(1 if recipe.train.gpus == "folds" else share)
        check_folds(competition, recipe, request.data)
    timeout = check_timeout(request.timeout, place)
    most = UTMOST if request.force else LIMIT
    limit, more = session_limit(timeout, place), members.document(predicting) | _search(tuning)
    bundle = pack(f"{request.kernel}.py", competition_file, recipe, card.name, limit, most, more)
    data = request.data or (predicting[0].run.data if predicting and place != "kaggle" else None)
    return Plan(
        competition=competition,
        competition_file=competition_file,
        kernel=request.kernel,
        place=place,
        accelerator=card,
        recipe=recipe,
        origins=origins,
        data=check_data(competition, competition_file, place, data, is_prediction=bool(predicting)),
        internet=internet,
        timeout=timeout,
        bundle=bundle,
        sessions=request.sessions,
        run_id=new_id(competition.name),
        metadata=attached(recipe, _metadata(request.kernel, competition, card, internet, place, predicting)),
        members=predicting,
        tuning=tuning,
    )


def dry_run(plan: Plan) -> Path:
    """Write the exact folder that a push would send, and nothing else; returns it."""
    found = credentials.source()
    folder = runs_folder() / "dry-run" / "kernel"
    write_kernel(plan, folder, plan.run_id, found.owner if found else None)
    return folder


def new_id(competition: str) -> str:
    """A fresh name: date, time, competition, four random hexadecimals. It is also the kernel's slug on Kaggle."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    return f"{stamp}-{competition[:20].strip('-')}-{secrets.token_hex(2)}"


def write_kernel(plan: Plan, folder: Path, run_id: str, owner: str | None) -> None:
    """Write exactly what is pushed: kernel.py and kernel-metadata.json."""
    files.write(folder / "kernel.py", plan.bundle.source)
    files.write_json(folder / "kernel-metadata.json", identity(owner, run_id) | dict(plan.metadata))


def identity(owner: str | None, slug: str) -> dict[str, str]:
    """A kernel's name in its metadata.

    The title is the slug with spaces for hyphens, because the server makes the slug from the title and every later
    call must name the same one.
    """
    return {"id": f"{owner}/{slug}" if owner else slug, "title": slug.replace("-", " "), "code_file": "kernel.py"}


def describe(plan: Plan) -> dict[str, Any]:
    """The plan as run.json and `--json` hold it."""
    return {
        "competition": plan.competition.name,
        "competition_file": str(plan.competition_file.resolve()),
        "kernel": plan.kernel,
        "place": plan.place,
        "accelerator": plan.accelerator.name,
        "data": str(plan.data.resolve()) if plan.data else None,
        "internet": plan.internet,
        "timeout": plan.timeout,
        "sessions": plan.sessions,
        "bundle": {
            "sha256": plan.bundle.sha256,
            "bytes": len(plan.bundle.source),
            "files": len(plan.bundle.files),
        },
        "weights": dict(plan.weights) if plan.weights else None,
        "recipe": plan.recipe.model_dump(),
        "git": git_state(),
        **members.document(plan.members),
        **_search(plan.tuning),
    }


@functools.cache
def git_state() -> dict[str, Any] | None:
    """The commit and the files that differ from it, asked once; None outside a git checkout."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=PROJECT, capture_output=True, text=True, check=True).stdout

    try:
        return {
            "commit": git("rev-parse", "HEAD").strip(),
            "dirty": [line[3:] for line in git("status", "--porcelain").splitlines()],
        }
    except (OSError, subprocess.CalledProcessError):
        return None


def _search(tuning: TuneRecipe | None) -> dict[str, Any]:
    """What plan.json and run.json say of a search."""
    return {"tune": tuning.model_dump(mode="json")} if tuning else {}


def _members(request: Request, place: Place) -> tuple[Member, ...]:
    """The runs whose weights predict; none for any other kernel."""
    if request.kernel != PREDICT:
        if request.runs:
            raise UsageError("--run names whose weights predict", f"python launch.py --kernel {PREDICT} --run RUN")
        return ()
    return members.chosen(request.runs)


def _layers(
    competition: Competition,
    source: Path,
    place: Place,
    request: Request,
    environment: Mapping[str, str],
    predicting: Sequence[Member],
):
    layers = [members.layer(predicting)] if predicting else [(f"{files.shown(source)} [recipe]", competition.recipe)]
    if place == "local" and not predicting:
        layers.append((f"{files.shown(source)} [laptop]", competition.laptop))
    if request.recipe:
        layers.append((files.shown(request.recipe), read_toml(request.recipe)))
    layers.append(("the environment", from_environment(environment)))
    layers.append(("--set", dict(parse_setting(text) for text in request.settings)))
    return layers


def _metadata(
    kernel: str,
    competition: Competition,
    card: Accelerator,
    internet: bool,
    place: Place,
    predicting: Sequence[Member] = (),
) -> dict[str, Any]:
    """kernel-metadata/<kernel>.json, with what this run decides written over it."""
    base = json.loads((PROJECT / "kernel-metadata" / f"{kernel}.json").read_text())
    sources = competition.kaggle
    return base | {
        "enable_gpu": card.is_gpu,
        "enable_internet": internet,
        **({"machine_shape": card.machine_shape} if card.machine_shape and place == "kaggle" else {}),
        "dataset_sources": [*base["dataset_sources"], *sources.datasets],
        "competition_sources": [*base["competition_sources"], *([sources.competition] if sources.competition else [])],
        "kernel_sources": [*base["kernel_sources"], *(member.kernel for member in predicting if member.kernel)],
    }
