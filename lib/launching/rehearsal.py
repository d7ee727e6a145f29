"""Builds a recipe's model here, without its weights, before a session is spent on a misspelt encoder.

That takes seconds, so a model that was built once is remembered in the cache folder, until the recipe's model, the code
that builds it or the libraries behind it change.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import subprocess
import sys
from pathlib import Path

from lib import files
from lib.errors import Refused, UsageError
from lib.folders import PROJECT, cache_folder
from lib.launching.plan import Plan

LIBRARIES = ("torch", "timm", "segmentation-models-pytorch")


def rehearse_model(plan: Plan) -> None:
    """Raise `UsageError` for a model that cannot be, `Refused` when it cannot be built here."""
    known = _mark(plan)
    if known.is_file():
        return
    command = [sys.executable, "-m", "lib.models", str(len(plan.competition.classes))]
    done = subprocess.run(command, input=plan.recipe.model_dump_json(), cwd=PROJECT, capture_output=True, text=True)
    if done.returncode == UsageError.exit_code:
        reason, _, hint = done.stderr.strip().removeprefix("error: ").partition("\n  next: ")
        raise UsageError(reason, hint or None)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no word"])[-1]
        raise Refused(
            f"the model could not be built here, so it was not sent: {last}", "pip install -r requirements.txt"
        )
    files.write(known, plan.recipe.model.model_dump_json())


def _mark(plan: Plan) -> Path:
    """The file whose presence says that this very model was built."""
    code = [path.read_text(encoding="utf-8") for path in sorted((PROJECT / "lib" / "models").glob("*.py"))]
    libraries = [importlib.metadata.version(name) for name in LIBRARIES]
    what = [plan.recipe.model.model_dump_json(), str(len(plan.competition.classes)), *libraries, *code]
    return cache_folder() / "models" / hashlib.sha256("\0".join(what).encode()).hexdigest()[:32]
