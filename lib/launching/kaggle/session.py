"""Sessions on Kaggle, through the official client."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.errors import SwathError
from lib.launching.kaggle import log as kaggle_log
from lib.launching.kaggle import push as kaggle_push
from lib.launching.kaggle.client import connect, owner, session_of, translated
from lib.launching.session import KernelRef, LogRecord, LostConnection, NotThere, Output, Status, StreamRefused

if TYPE_CHECKING:
    from lib.launching.fetching.parts import Part

STATES = {
    "QUEUED": "queued",
    "NEW_SCRIPT": "queued",
    "RUNNING": "running",
    "CANCEL_REQUESTED": "running",
    "COMPLETE": "complete",
    "ERROR": "failed",
    "CANCEL_ACKNOWLEDGED": "stopped",
}

CANCELLED = "cancelled on Kaggle's site"

PAGE = 200
"""Outputs a page of the listing; the server gives no more."""


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
        """Push once, and ask what became of it when the answer cannot be read."""
        return kaggle_push.push(self, folder, timeout)

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
        state = STATES.get(name, "unknown")
        return Status(state, answer.failure_message or (CANCELLED if state == "stopped" else ""))

    def logs(self, ref: KernelRef, live: bool = True) -> Iterator[LogRecord]:
        """The log from its beginning; not `live`, a running version's ends where the replay reaches the present.

        While Kaggle refuses the stream, the log is the listing's, which is there once the session is over.
        """
        try:
            yield from self._stream(ref, live)
        except StreamRefused:
            records = self._listed_log(ref)
            if not records:
                raise
            yield from records

    def _stream(self, ref: KernelRef, live: bool) -> Iterator[LogRecord]:
        with self.api.build_kaggle_client() as client:
            http = client.http_client()
            http._init_session()
            yield from kaggle_log.records(http._session, http._endpoint, ref, live)

    def _listed_log(self, ref: KernelRef) -> list[LogRecord]:
        """The log that the listing of outputs holds; empty while it holds none."""
        request = _listing(ref, size=1)
        try:
            with translated(f"the log of {ref}"), session_of(self.api) as client:
                log = client.kernels.kernels_api_client.list_kernel_session_output(request).log
        except SwathError:
            return []
        return kaggle_log.listed(log) if log else []

    def outputs(self, ref: KernelRef) -> list[Output]:
        """Every output of the version, page by page. The addresses expire: list again before a later download."""
        request = _listing(ref, size=PAGE)
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
        from lib.launching.fetching import transfer
        from lib.launching.kaggle import downloads

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
        except NotThere:
            return None
        version = answer.metadata.current_version_number or 1
        return KernelRef(self.owner, slug, version, f"https://www.kaggle.com/code/{self.owner}/{slug}")


def _listing(ref: KernelRef, size: int) -> Any:
    """The request for a page of a version's outputs; the first one comes with its log."""
    from kagglesdk.kernels.types.kernels_api_service import ApiListKernelSessionOutputRequest

    request = ApiListKernelSessionOutputRequest()
    request.user_name, request.kernel_slug, request.version_label = ref.owner, ref.slug, f"v{ref.version}"
    request.page_size = size
    return request
