"""The models service: which variations of models there are.

server.models["google/segformer/pyTorch/b0/1"] = folder
"""

from typing import Any

from .exchange import Refused

Json = dict[str, Any]


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
