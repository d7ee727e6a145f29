"""Sessions on Kaggle, through the official client."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_fixed

from lib.errors import Failed, Refused, SwathError
from lib.launching import downloads, kaggle_log, transfer
from lib.launching.client import connect, owner, session_of, translated
from lib.launching.follow import POLL_SECONDS
from lib.launching.parts import Part
from lib.launching.session import KernelRef, LogRecord, LostConnection, Output, Status, Unreachable

STATES = {
    "QUEUED": "queued",
    "NEW_SCRIPT": "queued",
    "RUNNING": "running",
    "CANCEL_REQUESTED": "running",
    "COMPLETE": "complete",
    "ERROR": "failed",
    "CANCEL_ACKNOWLEDGED": "stopped",
}

REJECTED = {
    "invalid_dataset_sources": "data sets",
    "invalid_competition_sources": "competitions (were their rules accepted in a browser?)",
    "invalid_kernel_sources": "kernels",
    "invalid_model_sources": "models",
    "invalid_tags": "keywords",
}

PAGE = 200
"""Outputs a page of the listing; the server gives no more."""

DELETIONS = 4
"""Tries to delete a kernel that must not run."""


class KaggleSession:
    """Pushes to Kaggle and asks about what was pushed; connects at the first call that needs it."""

    def __init__(self) -> None:
        self._api: Any = None
        self._http: Any = None
        self._one_opens = threading.Lock()

    @property
    def api(self) -> Any:
        """The signed-in client."""
        if self._api is None:
            self._api = connect()
        return self._api

    @property
    def owner(self) -> str:
        """The signed-in user."""
        return owner(self.api)

    def push(self, folder: Path, timeout: int | None) -> KernelRef:
        """Push once. The answer decides: `error` or a rejected source is a `Refused`, whatever the HTTP code.

        When no readable answer comes, the server is asked what it has; the push is never repeated.
        """
        slug = json.loads((folder / "kernel-metadata.json").read_text())["id"].split("/")[-1]
        api = self.api
        try:
            with translated("the push"):
                answer = api.kernels_push(str(folder), timeout=timeout)
        except Unreachable as error:
            raise Refused(error.reason, error.hint) from None
        except LostConnection as error:
            return self._recorded(slug, error)
        except Failed as error:
            raise Refused(error.reason, error.hint) from None
        if answer.error:
            raise Refused(f"Kaggle refused the push: {answer.error}", _fix(answer.error))
        if not answer.url or not answer.version_number:
            return self._recorded(slug, LostConnection("Kaggle's answer to the push names no kernel"))
        ref = _ref(answer, self.owner, slug)
        rejected = [f"{what}: {', '.join(names)}" for key, what in REJECTED.items() if (names := getattr(answer, key))]
        if rejected:
            self._take_back(ref, f"Kaggle rejected sources of this run: {'; '.join(rejected)}")
        return ref

    def status(self, ref: KernelRef) -> Status:
        """The pushed version's state; without the version a fresh push can read the previous run's end."""
        from kagglesdk.kernels.types.kernels_api_service import ApiGetKernelSessionStatusRequest

        request = ApiGetKernelSessionStatusRequest()
        request.user_name, request.kernel_slug, request.version_label = ref.owner, ref.slug, f"v{ref.version}"
        try:
            with translated(f"the status of {ref}"), session_of(self.api) as client:
                answer = client.kernels.kernels_api_client.get_kernel_session_status(request)
        except KeyError as error:
            return Status("unknown", f"Kaggle calls it {error.args[0]!r}")
        name = getattr(answer.status, "name", "")  # the client makes odd objects of odd names
        return Status(STATES.get(name, "unknown"), answer.failure_message or "")

    def logs(self, ref: KernelRef, live: bool = True) -> Iterator[LogRecord]:
        """The log from its beginning; not `live`, a running version's ends where the replay reaches the present."""
        with self.api.build_kaggle_client() as client:
            http = client.http_client()
            http._init_session()
            yield from kaggle_log.records(http._session, http._endpoint, ref, live)

    def outputs(self, ref: KernelRef) -> list[Output]:
        """Every output of the version, page by page. The addresses expire: list again before a later download."""
        from kagglesdk.kernels.types.kernels_api_service import ApiListKernelSessionOutputRequest

        request = ApiListKernelSessionOutputRequest()
        request.user_name, request.kernel_slug, request.version_label = ref.owner, ref.slug, f"v{ref.version}"
        request.page_size = PAGE
        found: list[Output] = []
        tokens: set[str] = set()
        with translated(f"the outputs of {ref}"), session_of(self.api) as client:
            while True:
                page = client.kernels.kernels_api_client.list_kernel_session_output(request)
                found += [Output(file.file_name or "", file.url) for file in page.files or []]
                if not page.next_page_token:
                    return found
                if page.next_page_token in tokens:
                    raise LostConnection(f"the outputs of {ref}: their list goes in a circle")
                tokens.add(page.next_page_token)
                request.page_token = page.next_page_token

    def download(self, output: Output, part: Part) -> None:
        with self._one_opens:
            self._http = self._http or downloads.client(transfer.AT_ONCE)
        downloads.receive(self._http, output, part)

    def stop(self, ref: KernelRef) -> None:
        """Delete the kernel: Kaggle has no other way to end a session, and versions and outputs go with it."""
        with translated(f"deleting {ref}"):
            self.api.kernels_delete(f"{ref.owner}/{ref.slug}", no_confirm=True)

    def find(self, slug: str) -> KernelRef | None:
        """The newest version that the server has of the user's kernel; None when it has no such kernel."""
        from kagglesdk.kernels.types.kernels_api_service import ApiGetKernelRequest

        request = ApiGetKernelRequest()
        request.user_name, request.kernel_slug = self.owner, slug
        try:
            with translated(f"asking for the kernel {slug}"), session_of(self.api) as client:
                answer = client.kernels.kernels_api_client.get_kernel(request)
        except Failed:
            return None
        version = answer.metadata.current_version_number or 1
        return KernelRef(self.owner, slug, version, f"https://www.kaggle.com/code/{self.owner}/{slug}")

    def _take_back(self, ref: KernelRef, reason: str) -> None:
        """Delete a kernel that Kaggle has started without its data; `Refused` when it is gone, else `Failed`."""
        deletions = Retrying(
            stop=stop_after_attempt(DELETIONS),
            wait=wait_fixed(POLL_SECONDS),
            retry=retry_if_exception_type(LostConnection),
            reraise=True,
        )
        try:
            deletions(self.stop, ref)
        except SwathError as error:
            raise Failed(
                f"{reason}. It runs without them and uses up quota, because it could not be deleted: {error.reason}",
                f"delete it: {ref.url or ref}, or python launch.py stop {ref.slug} -y",
            ) from None
        raise Refused(
            f"{reason}. The kernel was deleted again",
            "check the names in the competition's [kaggle] table, and open each page once while signed in",
        )

    def _recorded(self, slug: str, lost: LostConnection) -> KernelRef:
        """What the server has of a push whose answer was lost. The slug is fresh, so version 1 is this push."""
        try:
            ref = self.find(slug)
        except LostConnection:
            raise Failed(
                f"{lost.reason}, and Kaggle cannot be asked whether it has the kernel {slug}",
                f"ask before pushing again, because a second push is a second session: python launch.py status {slug}",
            ) from None
        if ref is None:
            raise Refused(f"{lost.reason}; Kaggle has no kernel {slug}, so nothing was started", "launch again")
        return ref


def _ref(answer: Any, owner: str, slug: str) -> KernelRef:
    """Owner and slug as the server has them: from the address, because `ref` may carry a version."""
    parts = [part for part in answer.url.split("?")[0].split("/") if part]
    place = len(parts) - 1 - parts[::-1].index("code") if "code" in parts else None
    if place is not None and len(parts) > place + 2:
        owner, slug = parts[place + 1], parts[place + 2]
    return KernelRef(owner, slug, answer.version_number, answer.url)


def _fix(error: str) -> str | None:
    """The next step for a refusal that Kaggle words in a known way."""
    if "quota" in error:
        return "wait for the weekly reset, or run without a GPU: --gpu none --on kaggle"
    if "session count" in error:
        return "wait for one of your sessions to end, or stop one: python launch.py runs"
    return None
