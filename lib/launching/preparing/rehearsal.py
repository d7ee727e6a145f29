"""Builds a recipe's model here, without its weights, before a session is spent on a misspelt encoder.

That takes seconds, so a model that was built once is remembered in the cache folder, until the recipe's model, the code
that builds it or the libraries behind it change.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from lib import files
from lib.errors import Refused, UsageError
from lib.folders import PROJECT, cache_folder
from lib.launching.preparing.plan import Plan
from lib.launching.terminal import talk
from lib.recipe import Recipe

LIBRARIES = ("torch", "timm", "segmentation-models-pytorch")

MOST = 12
"""Models of a search that are all built: each takes seconds, the first time."""


def rehearse_model(plan: Plan) -> None:
    """Raise `UsageError` for a model that cannot be, `Refused` when it cannot be built or filled here."""
    known = _mark(plan)
    if not known.is_file():
        files.write(known, in_models(_sizes(plan), plan.recipe))
    for line in known.read_text(encoding="utf-8").splitlines()[1:]:
        talk(line)


def rehearse_models(plan: Plan) -> None:
    """The same for every model that the plan's search tries; of too many, for one a choice."""
    recipes = plan.tuning.variants(plan.recipe, "model", MOST) if plan.tuning else [plan.recipe]
    for recipe in recipes:
        rehearse_model(replace(plan, recipe=recipe))


def in_models(words: list[str], recipe: Recipe) -> str:
    """Run `python -m lib.models WORDS` on a recipe: torch stays out of this process. Its errors are raised here.

    Returns what it printed: the model, and what is known of the weights that it starts from.
    """
    command = [sys.executable, "-m", "lib.models", *words]
    done = subprocess.run(command, input=recipe.model_dump_json(), cwd=PROJECT, capture_output=True, text=True)
    if not done.returncode:
        return done.stdout
    ours = re.search(r"^error: (.*)", done.stderr, re.MULTILINE | re.DOTALL)
    if ours:
        reason, _, hint = ours[1].strip().partition("\n  next: ")
        kind = UsageError if done.returncode == UsageError.exit_code else Refused
        raise kind(reason, hint or None)
    last = (done.stderr.strip().splitlines() or ["no word"])[-1]
    raise Refused(f"the model could not be built here, so it was not sent: {last}", "pip install -r requirements.txt")


def _mark(plan: Plan) -> Path:
    """The file whose presence says that this very model was built."""
    code = [path.read_text(encoding="utf-8") for path in sorted((PROJECT / "lib" / "models").glob("*.py"))]
    libraries = [importlib.metadata.version(name) for name in LIBRARIES]
    start = plan.recipe.starts_from
    content = files.sha256(start) if start and start.is_file() else ""
    what = [content, plan.recipe.model.model_dump_json(), *_sizes(plan), *libraries, *code]
    return cache_folder() / "models" / hashlib.sha256("\0".join(what).encode()).hexdigest()[:32]


def _sizes(plan: Plan) -> list[str]:
    """How many classes come out of the model, and how many bands go in."""
    return [str(len(plan.competition.classes)), str(plan.competition.images.channels)]
