"""Private data sets on Kaggle, named by what they hold, so that the same files go up once.

    ref = ensure({"encoder.safetensors": path}, "swath weights resnet34")
    # "me/swath-weights-resnet34-1a2b3c4d", READY: a kernel that names it finds the files below /kaggle/input

A kernel pushed before its data set is READY runs without it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from tenacity import Retrying, retry_if_exception_type, retry_if_result, stop_after_attempt, wait_fixed

from lib.errors import Failed, Refused, SwathError
from lib.folders import cache_folder
from lib.launching.alone import alone
from lib.launching.kaggle.client import connect, owner, session_of, translated
from lib.launching.kaggle.dataset_content import Content, slug
from lib.launching.kaggle.uploads import Sleep, upload
from lib.launching.polling import POLL_SECONDS
from lib.launching.session import LostConnection, Unreachable
from lib.launching.terminal import talk

PATIENCE = 180
"""Questions until a data set that is not READY is given up: an hour."""

ASKS = 4
"""Questions that may go unanswered, and those for a data set whose creation was not confirmed."""

State = Literal["missing", "pending", "ready", "failed"]
STATES: dict[str, State] = {"ready": "ready", "failed": "failed", "deleted": "missing"}


def ensure(paths: Mapping[str, Path], words: str, sleep: Sleep = time.sleep) -> str:
    """The `owner/slug` of a private data set with exactly these files, READY; it is made where there is none.

    Two launches at once make it once, and what an interrupted one has sent is not sent again. Raises `Refused`
    whatever goes wrong: nothing was started.
    """
    api = connect()
    user, content = owner(api), Content.of(paths)
    try:
        name = slug(content.titles(words)[0])
        lock = cache_folder() / "uploads" / f"{user}-{name}.lock"
        with alone(lock, lambda: talk(f"another launch is making the data set {name}; waiting for it")):
            return _Maker(api, user, content, sleep).ensure(content.titles(words))
    except KeyboardInterrupt:
        talk("\nnothing was pushed; what has been uploaded is kept, and the same command goes on from there")
        raise
    except Refused:
        raise
    except SwathError as error:
        raise Refused(error.reason, error.hint or "launch again") from None


class _Maker:
    """Makes one data set."""

    def __init__(self, api: Any, user: str, content: Content, sleep: Sleep) -> None:
        self.api, self.user, self.content, self.sleep = api, user, content, sleep
        self._tokens: dict[str, str] | None = None

    def ensure(self, titles: list[str]) -> str:
        """Find the data set under one of its names, or make it under the first that is free."""
        for title in titles:
            state = self.state(title)
            if state == "failed":
                talk(f"Kaggle could not process the data set {slug(title)} before; it is sent as a new version")
                self.new_version(title)
                return self.when_ready(title)
            if state != "missing":
                return self.when_ready(title, state)
        self.tokens()
        for title in titles:
            if self.create(title):
                return self.when_ready(title)
        raise Refused(
            f"the names {' and '.join(map(slug, titles))} are taken on Kaggle, by data sets that it does not show",
            f"look there: https://www.kaggle.com/{self.user}/datasets",
        )

    def state(self, title: str) -> State:
        """How the data set stands; of one that is not there, Kaggle says 403 or 404."""
        asking = Retrying(
            stop=stop_after_attempt(ASKS),
            wait=wait_fixed(POLL_SECONDS),
            retry=retry_if_exception_type(LostConnection),
            sleep=self.sleep,
            reraise=True,
        )
        return asking(self._state, f"{self.user}/{slug(title)}")

    def _state(self, ref: str) -> State:
        try:
            with translated(f"the status of the data set {ref}"):
                return STATES.get(self.api.dataset_status(ref), "pending")
        except Failed:
            return "missing"
        except (KeyError, AttributeError):  # what the client makes of a status that it does not know
            return "pending"

    def when_ready(self, title: str, state: State = "pending") -> str:
        """Wait until the data set can be mounted; returns its `owner/slug`."""
        ref = f"{self.user}/{slug(title)}"
        if state != "ready":
            talk(f"waiting until the private data set {ref} is READY")
        for _ in range(PATIENCE):
            if state == "ready":
                for memory in self.memories().values():
                    memory.unlink(missing_ok=True)
                return ref
            self.sleep(POLL_SECONDS)
            state = self.state(title)
            if state == "failed":
                raise Refused(
                    f"Kaggle could not process the data set {ref}", "launch again: it is sent as a new version"
                )
        raise Refused(f"the data set {ref} has not become READY", "launch again: the wait goes on")

    def create(self, title: str) -> bool:
        """Ask for the data set, once; False when its name is taken by something else."""
        from kagglesdk.datasets.types.dataset_api_service import ApiCreateDatasetRequest

        request = ApiCreateDatasetRequest()
        request.owner_slug, request.slug, request.title = self.user, slug(title), title
        request.license_name, request.is_private = "other", True
        request.files, request.directories = self.listing()
        what = f"making the data set {slug(title)}"
        try:
            with translated(what), session_of(self.api) as client:
                answer = client.datasets.dataset_api_client.create_dataset(request)
            refusal = answer.error and f"{what}: Kaggle refused it: {answer.error}"
        except Failed as error:
            refusal = error.reason
        except Unreachable:
            raise
        except LostConnection as lost:
            if self.appears(title):
                return True
            raise Refused(
                f"{lost.reason}; Kaggle has no such data set", "launch again: no file is sent twice"
            ) from None
        if refusal and "already in use" in refusal:
            return self.state(title) != "missing"
        if refusal:
            raise Refused(refusal, f"make room, if that is what it lacks: https://www.kaggle.com/{self.user}/datasets")
        return True

    def appears(self, title: str) -> bool:
        """Whether the server has a data set whose creation it did not confirm."""
        asking = Retrying(
            stop=stop_after_attempt(ASKS),
            wait=wait_fixed(POLL_SECONDS),
            retry=retry_if_result(lambda state: state == "missing"),
            retry_error_callback=lambda last: last.outcome.result(),
            sleep=self.sleep,
        )
        return asking(self.state, title) != "missing"

    def new_version(self, title: str) -> None:
        """Send the files again, to a data set that failed."""
        from kagglesdk.datasets.types.dataset_api_service import (
            ApiCreateDatasetVersionRequest,
            ApiCreateDatasetVersionRequestBody,
        )

        body = ApiCreateDatasetVersionRequestBody()
        body.version_notes, body.delete_old_versions = "the files again", True
        body.files, body.directories = self.listing()
        request = ApiCreateDatasetVersionRequest()
        request.owner_slug, request.dataset_slug, request.body = self.user, slug(title), body
        with translated(f"a new version of {slug(title)}"), session_of(self.api) as client:
            error = client.datasets.dataset_api_client.create_dataset_version(request).error
        if error:
            raise Refused(f"a new version of {slug(title)}: Kaggle refused it: {error}")

    def listing(self) -> tuple[list[Any], list[Any]]:
        """The files and the folders of the data set, in the client's words."""
        from kagglesdk.datasets.types.dataset_api_service import ApiDatasetNewFile, ApiUploadDirectoryInfo

        top = ApiUploadDirectoryInfo()
        for name, token in self.tokens().items():
            *parents, _ = name.split("/")
            folder = top
            for parent in parents:
                inner = next((one for one in folder.directories if one.name == parent), None)
                if inner is None:
                    inner = ApiUploadDirectoryInfo()
                    inner.name = parent
                    folder.directories.append(inner)
                folder = inner
            file = ApiDatasetNewFile()
            file.token = token
            folder.files.append(file)
        return top.files, top.directories

    def tokens(self) -> dict[str, str]:
        """What the server calls the uploaded files by."""
        if self._tokens is None:
            talk(f"uploading {self.content.bytes:,} bytes as a private data set")
            self._tokens = {
                name: upload(self.content.files[name], Path(name).name, memory, self.sleep)
                for name, memory in self.memories().items()
            }
        return self._tokens

    def memories(self) -> dict[str, Path]:
        """Where the begun uploads are kept: a file a content and an account."""
        folder = cache_folder() / "uploads"
        keys = {name: f"{self.user}\0{name}\0{sha256}" for name, sha256 in self.content.sha256.items()}
        return {name: folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json" for name, key in keys.items()}
