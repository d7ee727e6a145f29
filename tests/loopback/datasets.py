"""Data sets and models: whether they are there, and whether a session can have them yet.

    server.datasets["me/tiles"] = folder
    server.dataset_states["me/tiles"] = ["BLOBS_RECEIVED", "READY"]     # an answer each, then the last for good

A data set that is not READY is no error of a push: the session starts and finds nothing mounted.
"""

from typing import Any

from .exchange import Refused, without_defaults

READY = "READY"
DEFAULT = "NOT_YET_PERSISTED"

Json = dict[str, Any]


def state(server: Any, name: str) -> str:
    """How the data set stands now."""
    return server.dataset_states.get(name, [READY])[0]


class DatasetsService:
    """`datasets.DatasetApiService`."""

    def __init__(self, server: Any):
        self.server = server

    def methods(self) -> dict[str, Any]:
        return {"GetDatasetStatus": self.status}

    def status(self, request: Json) -> Json:
        """The state, which every question moves on by one; the default one is left out."""
        name = f"{request.get('ownerSlug')}/{request.get('datasetSlug')}"
        if name not in self.server.datasets:
            raise Refused(404, f"Dataset {name} was not found.")
        now = state(self.server, name)
        if len(self.server.dataset_states.get(name, ())) > 1:
            del self.server.dataset_states[name][0]
        return without_defaults({"status": "" if now == DEFAULT else now})


class ModelsService:
    """`models.ModelApiService`."""

    def __init__(self, server: Any):
        self.server = server

    def methods(self) -> dict[str, Any]:
        return {"GetModelInstance": self.instance}

    def instance(self, request: Json) -> Json:
        """A variation of a model; the framework travels as MODEL_FRAMEWORK_PY_TORCH for "pyTorch"."""
        framework = request.get("framework", "").removeprefix("MODEL_FRAMEWORK_").replace("_", "").lower()
        asked = [request.get("ownerSlug"), request.get("modelSlug"), framework, request.get("instanceSlug")]
        for name in self.server.models:
            owner, model, has, variation, _ = name.split("/")
            if asked == [owner, model, has.replace("_", "").lower(), variation]:
                return {"id": 1, "slug": variation, "framework": request["framework"]}
        raise Refused(404, f"Model {'/'.join(map(str, asked))} was not found.")
