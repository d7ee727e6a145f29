"""Weights that a session on Kaggle cannot get by itself go up as a private data set, once.

They are the hub's weights where the session has no internet, and a file of this machine:

    plan = attach(plan)      # plan.weights = {"dataset": "me/swath-weights-resnet34-1a2b3c4d", "file": …, "sha256": …}

In the session, `lib.models.brought` finds them below /kaggle/input.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lib import files
from lib.errors import Refused
from lib.folders import cache_folder
from lib.launching.kaggle import credentials
from lib.launching.kaggle.dataset_content import Content, slug
from lib.launching.preparing import members
from lib.launching.preparing.bundle import with_weights
from lib.launching.preparing.plan import Plan
from lib.launching.preparing.rehearsal import in_models
from lib.launching.terminal import talk
from lib.recipe.model import PLAIN


@dataclass(frozen=True)
class Travelling:
    """Weights that travel: their name in the data set, and where they lie here, once they do."""

    name: str
    path: Path
    encoder: str

    hub: str = ""
    """The hub's repository, when a whole model comes from there."""

    @property
    def words(self) -> str:
        """What the data set's title begins with."""
        return f"swath weights {self.encoder}"

    @property
    def what(self) -> str:
        """What they are, for a person."""
        if self.hub:
            return f"the weights of hub:{self.hub}"
        return f"the pretrained weights of {self.encoder}" if self.name == ENCODER else files.shown(self.path)

    @property
    def wanted(self) -> list[str]:
        """What `python -m lib.models` is told to write them."""
        return ["hub" if self.hub else "encoder", str(self.path)]


ENCODER = "encoder.safetensors"
CHECKPOINT = "checkpoint"


def travelling(plan: Plan) -> Travelling | None:
    """The weights that the plan's session cannot get by itself; None when there are none."""
    recipe = plan.recipe
    if plan.place != "kaggle" or plan.members:
        return None
    of = recipe.model.architecture.replace("_", " ") if recipe.model.architecture == PLAIN else recipe.model.encoder
    if recipe.model.origin.kind == "hub" and not plan.internet:
        return Travelling(f"{CHECKPOINT}.safetensors", _kept(plan), of, recipe.model.origin.name)
    if recipe.needs_hub and not plan.internet:
        return Travelling(ENCODER, _kept(plan), of)
    start = recipe.starts_from
    if start and not start.is_relative_to("/kaggle"):
        return Travelling(f"{CHECKPOINT}{start.suffix}", start, of)
    return None


def attach(plan: Plan) -> Plan:
    """The plan with its weights on Kaggle: uploaded when they are not there yet, READY, named to the kernel.

    Raises `Refused` when they cannot be had here or there; nothing was pushed.
    """
    if plan.members:
        return members.attach(plan)
    weights = travelling(plan)
    if weights is None:
        return plan
    from lib.launching.kaggle import datasets  # behind the usual push, which uploads nothing

    if not weights.path.is_file():
        talk(f"getting {weights.what}: the session will have no internet")
        _obtain(plan, weights)
    return _with(plan, weights, datasets.ensure({weights.name: weights.path}, weights.words))


def foresee(plan: Plan) -> Plan:
    """The plan as `attach` will make it, without the network, where the weights and the account's name are known."""
    found = credentials.source()
    if plan.members:
        return members.foresee(plan, found.owner if found else None)
    weights = travelling(plan)
    if weights is None or not weights.path.is_file() or found is None or found.owner is None:
        return plan
    return _with(plan, weights, f"{found.owner}/{_slug(weights)}")


def upload_of(plan: Plan) -> dict[str, Any] | None:
    """What would go up with the plan: what, dataset, bytes (None while they are not here); None for nothing."""
    if paths := members.travelling(plan.members) if plan.place == "kaggle" else {}:
        names = f"the weights of {', '.join(name.removesuffix('.safetensors') for name in paths)}"
        size = sum(path.stat().st_size for path in paths.values())
        return {"what": names, "dataset": members.dataset(plan), "bytes": size}
    weights = travelling(plan)
    if weights is None:
        return None
    is_here = weights.path.is_file()
    return {
        "what": weights.what,
        "dataset": _slug(weights) if is_here else None,
        "bytes": weights.path.stat().st_size if is_here else None,
    }


def upload_line(plan: Plan) -> str:
    """What would go up with the plan, for a person."""
    upload = upload_of(plan)
    if upload is None:
        return "nothing but the bundle"
    if upload["bytes"] is None:
        return f"{upload['what']}, as a private data set; not asked: bytes and name, they are not on this machine yet"
    return f"{upload['what']} ({upload['bytes']:,} bytes), as the private data set {upload['dataset']} unless it exists"


def _slug(weights: Travelling) -> str:
    return slug(Content.of({weights.name: weights.path}).titles(weights.words)[0])


def _with(plan: Plan, weights: Travelling, dataset: str) -> Plan:
    about = {"dataset": dataset, "file": weights.name, "sha256": files.sha256(weights.path)}
    sources = [*plan.metadata["dataset_sources"], dataset]
    return replace(
        plan,
        weights=about,
        bundle=replace(plan.bundle, source=with_weights(plan.bundle.source, about)),
        metadata={**plan.metadata, "dataset_sources": sources},
    )


def _obtain(plan: Plan, weights: Travelling) -> None:
    """Write the hub's weights into the cache folder, from the hub or its cache."""
    try:
        in_models(weights.wanted, plan.recipe)
    except Refused as error:
        raise Refused(
            f"the session will have no internet, so its pretrained weights must go up from here, and {error.reason}",
            "go online and launch again; or give the session internet: --internet (on accounts with a verified phone); "
            "or start from random weights: --set model.weights=none",
        ) from None


def _kept(plan: Plan) -> Path:
    """Where the hub's weights are kept: which of an encoder's stages there are depends on the architecture."""
    model = plan.recipe.model
    whose = [model.weights] if model.origin.name else []
    what = [model.architecture, *whose, *map(importlib.metadata.version, ("timm", "segmentation-models-pytorch"))]
    key = hashlib.sha256("\0".join(what).encode()).hexdigest()[:16]
    return cache_folder() / "weights" / f"{model.encoder.replace('/', '-')}-{key}.safetensors"
