"""What a kernel reads on Kaggle: data sets, competitions, kernels, models; whether each is there, and ready.

    listed = sources(plan.metadata)                        # (Source("data set", "me/tiles"), …)
    together(api, {str(source): source.question for source in listed})
    source.standing(answer)                                # Standing("waiting", "its status is BLOBS_RECEIVED")

A data set just made is mounted only once it is READY; a session that begins before runs without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from lib.errors import SwathError
from lib.launching.session import NotThere

KEYS = {
    "dataset_sources": "data set",
    "competition_sources": "competition",
    "kernel_sources": "kernel",
    "model_sources": "model",
}
"""Kaggle's keys of kernel-metadata.json, and what each lists."""

PARTS = {
    "data set": "owner/name",
    "competition": "name",
    "kernel": "owner/name",
    "model": "owner/model/framework/variation/version",
}
"""How each is named."""

READY = "READY"
BROKEN = ("FAILED", "DELETED")
"""States of a data set out of which it never becomes READY."""


@dataclass(frozen=True)
class Standing:
    """Whether a session can have a source: "unknown" when Kaggle did not say; `fix` where it cannot."""

    state: Literal["ready", "waiting", "missing", "unknown"]
    words: str = ""
    fix: str | None = None


@dataclass(frozen=True)
class Source:
    """A source as kernel-metadata.json names it."""

    what: str
    name: str

    def __str__(self) -> str:
        return f"{self.what} {self.name}"

    @property
    def is_named_well(self) -> bool:
        """Whether the name has the parts that Kaggle wants."""
        parts = self.name.split("/")
        wanted = len(PARTS[self.what].split("/"))
        may_name_version = self.what in ("data set", "kernel") and len(parts) == wanted + 1
        return all(parts) and (len(parts) == wanted or may_name_version)

    @property
    def page(self) -> str:
        """Where it is looked at in a browser."""
        rooms = {"data set": "datasets", "competition": "competitions", "kernel": "code", "model": "models"}
        return f"https://www.kaggle.com/{rooms[self.what]}/{self.name}"

    def question(self, client: Any) -> Any:
        """Ask Kaggle about it, through a `KaggleClient`."""
        return _QUESTIONS[self.what](client, self.name)

    def standing(self, answer: Any) -> Standing:
        """What an answer to `question` means."""
        if isinstance(answer, NotThere):
            return Standing(
                "missing",
                "is not there, or is not yours to see",
                f"check the name, or open {self.page} while signed in",
            )
        if isinstance(answer, SwathError):
            return Standing("unknown", "not answered")
        if self.what == "competition" and not answer.user_has_entered:
            return Standing(
                "missing", "has rules that you have not accepted", f"accept them in a browser: {self.page}/rules"
            )
        if self.what == "data set":
            status = getattr(answer.status, "name", str(answer.status))
            if status in BROKEN:
                return Standing("missing", f"is {status}", f"make a new version of it: {self.page}")
            if status != READY:
                return Standing("waiting", f"is not READY yet ({status})")
        return Standing("ready")


def sources(metadata: Mapping[str, Any]) -> tuple[Source, ...]:
    """Every source that kernel-metadata.json names."""
    return tuple(Source(what, name) for key, what in KEYS.items() for name in metadata.get(key, ()))


def _data_set(client: Any, name: str) -> Any:
    from kagglesdk.datasets.types.dataset_api_service import ApiGetDatasetStatusRequest

    request = ApiGetDatasetStatusRequest()
    request.owner_slug, request.dataset_slug = name.split("/")[:2]
    return client.datasets.dataset_api_client.get_dataset_status(request)


def _competition(client: Any, name: str) -> Any:
    from kagglesdk.competitions.types.competition_api_service import ApiGetCompetitionRequest

    request = ApiGetCompetitionRequest()
    request.competition_name = name
    return client.competitions.competition_api_client.get_competition(request)


def _kernel(client: Any, name: str) -> Any:
    from kagglesdk.kernels.types.kernels_api_service import ApiGetKernelRequest

    request = ApiGetKernelRequest()
    request.user_name, request.kernel_slug = name.split("/")[:2]
    return client.kernels.kernels_api_client.get_kernel(request)


def _model(client: Any, name: str) -> Any:
    from kagglesdk.models.types.model_api_service import ApiGetModelInstanceRequest
    from kagglesdk.models.types.model_enums import ModelFramework

    owner, model, framework, variation, _ = name.split("/")
    spelled = framework.replace("_", "").lower()
    frameworks = {f.name.removeprefix("MODEL_FRAMEWORK_").replace("_", "").lower(): f for f in ModelFramework}
    request = ApiGetModelInstanceRequest()
    request.owner_slug, request.model_slug, request.instance_slug = owner, model, variation
    request.framework = frameworks[spelled]  # an unknown one is a KeyError: an answer that did not come
    return client.models.model_api_client.get_model_instance(request)


_QUESTIONS = {"data set": _data_set, "competition": _competition, "kernel": _kernel, "model": _model}
