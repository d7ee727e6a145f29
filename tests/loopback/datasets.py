"""The data sets service: files are uploaded, made into a data set, and mounted once it is READY.

    StartBlobUpload {"type": "DATASET", "name": "a.bin", "contentLength": 3} -> {"token": "…", "createUrl": "…"}
    PUT createUrl
    CreateDataset {"ownerSlug": "tester", "slug": "my-tiles", "title": "my tiles", "files": [{"token": "…"}], …}

`server.datasets["me/tiles"] = folder` is a data set that was READY all along, unless
`server.dataset_states["me/tiles"] = ["BLOBS_RECEIVED", "READY"]` says otherwise, an answer each, the last one for good.
A data set that is not READY is no error of a push: the session starts and finds nothing mounted.
"""

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .exchange import Refused, slugify, without_defaults

TITLE_LENGTHS = range(6, 51)
TAKEN = 'The requested title "{}" is already in use by a dataset. Please choose another title.'

Json = dict[str, Any]


READY = "READY"
DEFAULT = "NOT_YET_PERSISTED"


def state(server: Any, name: str) -> str:
    """How a data set stands now that was not made here."""
    return server.dataset_states.get(name, [READY])[0]


@dataclass
class Dataset:
    """A data set that was made here; `polls` counts the questions since its latest version."""

    title: str
    private: bool
    files: list[str]
    versions: int = 1
    polls: int = 0
    end: str = ""


@dataclass
class DatasetsService:
    """`datasets.DatasetApiService`; `taken` are titles that somebody's hidden data sets have."""

    server: Any
    made: dict[str, Dataset] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)

    def methods(self) -> dict[str, Any]:
        return {
            "GetDatasetStatus": self.status,
            "CreateDataset": self.create,
            "CreateDatasetVersion": self.create_version,
        }

    def start_upload(self, request: Json) -> Json:
        if request.get("type") != "DATASET":
            raise Refused(400, "This server takes files of data sets only.")
        token, url = self.server.urls.for_upload(request["name"], request.get("contentLength", 0))
        return {"token": token, "createUrl": url}

    def create(self, request: Json) -> Json:
        """Make a data set of uploaded files; its slug comes from the title. Asked twice, the title is taken."""
        title = request.get("title", "")
        if request.get("ownerSlug") != self.server.owner:
            raise Refused(403, "Permission 'datasets.create' was denied")
        if len(title) not in TITLE_LENGTHS:
            raise Refused(400, "The dataset title must be between 6 and 50 characters")
        if not request.get("licenseName"):
            raise Refused(400, "A license must be specified.")
        name = f"{self.server.owner}/{slugify(title)}"
        if title in self.taken or name in self.made or name in self.server.datasets:
            return {"status": "error", "error": TAKEN.format(title)}
        files = self._lay_out(name, request)
        self.made[name] = Dataset(title, bool(request.get("isPrivate")), files, end=self.server.dataset_end)
        return {"ref": f"/{name}", "url": f"https://www.kaggle.com/datasets/{name}", "status": "ok"}

    def create_version(self, request: Json) -> Json:
        name = f"{request.get('ownerSlug')}/{request.get('datasetSlug')}"
        if name not in self.made:
            raise Refused(404, f"Dataset {name} was not found.")
        old = self.made[name]
        self.server.datasets.pop(name, None)
        files = self._lay_out(name, request["body"])
        self.made[name] = Dataset(old.title, old.private, files, old.versions + 1, end=self.server.dataset_end)
        return {"ref": f"/{name}", "url": f"https://www.kaggle.com/datasets/{name}", "status": "ok"}

    def status(self, request: Json) -> Json:
        """NOT_YET_PERSISTED is the default and left out; a session sees the files from READY on."""
        name = f"{request.get('ownerSlug')}/{request.get('datasetSlug')}"
        dataset = self.made.get(name)
        if dataset is None and name not in self.server.datasets:
            raise Refused(404, f"Dataset {name} was not found.")
        if dataset is None:
            now = state(self.server, name)
            if len(self.server.dataset_states.get(name, ())) > 1:
                del self.server.dataset_states[name][0]
            return without_defaults({"status": "" if now == DEFAULT else now})
        dataset.polls += 1
        if dataset.polls <= self.server.dataset_polls:
            return without_defaults({"status": "BLOBS_RECEIVED" if dataset.polls > 1 else ""})
        if dataset.end == "READY":
            self.server.datasets[name] = self._folder(name)
        return {"status": dataset.end}

    def _lay_out(self, name: str, request: Json) -> list[str]:
        """Put the uploaded files where sessions will see them; returns their names."""
        folder = self._folder(name)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self._fill(folder, request)
        names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
        if not names:
            raise Refused(400, "A dataset must have at least one file.")
        return names

    def _fill(self, folder: Path, listing: Json) -> None:
        for file in listing.get("files", []):
            uploaded = self.server.urls.uploaded(file.get("token", ""))
            if uploaded is None:
                raise Refused(400, "An uploaded file was not found.")
            shutil.copyfile(uploaded, folder / uploaded.name)
        for inner in listing.get("directories", []):
            (folder / inner["name"]).mkdir()
            self._fill(folder / inner["name"], inner)

    def _folder(self, name: str) -> Path:
        return self.server.folder / ".datasets" / name
