"""Sends a file to Kaggle's storage and goes on where it stopped: after a lost connection, and in the next launch.

token = upload(path, "encoder.safetensors", memory=cache / "uploads" / "1a2b.json")    # what a data set is made of
token = upload(path, "submission.csv", memory, start=for_submission("sea-ice"))

The storage speaks Google's resumable protocol: a PUT of nothing with `Content-Range: bytes */SIZE` is answered with 308
and the bytes that are there. https://cloud.google.com/storage/docs/performing-resumable-uploads
The client's own upload begins anew ten times before it asks that, and has no timeout.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from lib import files
from lib.errors import Failed
from lib.launching.following.show import talk
from lib.launching.kaggle.client import CONNECT_SECONDS, READ_SECONDS, connect, session_of, translated
from lib.launching.polling import POLL_SECONDS
from lib.launching.session import LostConnection

KEPT_SECONDS = 6 * 24 * 3600
"""Google forgets a begun upload after a week."""

TRIES = 6
"""Connections in a row that may be lost without a further byte having arrived."""

Sleep = Callable[[float], None]

Start = Callable[[Any, Path, str], Any]
"""Asks the server, through a `KaggleClient`, where a file is to go as `name`: the answer's token and create_url."""


@dataclass(frozen=True)
class Begun:
    """An upload that the server knows: what it is called by there, the address that takes the bytes, when it began."""

    token: str
    url: str
    began: float


class Expired(LostConnection):
    """The server has forgotten the upload."""


def for_data_set(client: Any, path: Path, name: str) -> Any:
    """A place for a file of a data set."""
    from kagglesdk.blobs.types.blob_api_service import ApiBlobType, ApiStartBlobUploadRequest

    status = path.stat()
    request = ApiStartBlobUploadRequest()
    request.type, request.name = ApiBlobType.DATASET, name
    request.content_length, request.last_modified_epoch_seconds = status.st_size, int(status.st_mtime)
    return client.blobs.blob_api_client.start_blob_upload(request)


def for_submission(competition: str) -> Start:
    """A place for a file that is to be submitted to a competition."""

    def start(client: Any, path: Path, name: str) -> Any:
        from kagglesdk.competitions.types.competition_api_service import ApiStartSubmissionUploadRequest

        status = path.stat()
        request = ApiStartSubmissionUploadRequest()
        request.competition_name, request.file_name = competition, name
        request.content_length, request.last_modified_epoch_seconds = status.st_size, int(status.st_mtime)
        return client.competitions.competition_api_client.start_submission_upload(request)

    return start


def upload(path: Path, name: str, memory: Path, sleep: Sleep = time.sleep, start: Start = for_data_set) -> str:
    """Send a file as `name`; returns its token. `memory` holds the begun upload until the caller removes it.

    `Failed` when the server refuses it or too many connections are lost; what arrived is not sent again next time.
    """
    size = path.stat().st_size
    begun = _recall(memory)
    is_fresh, most, tries, arrived = False, -1, 0, 0
    with _bar(name, size) as bar:
        while tries <= TRIES:
            try:
                if begun is None:
                    begun, is_fresh = _begin(path, name, memory, start), True
                arrived = 0 if is_fresh else _arrived(begun.url, size)
                is_fresh = False
                if arrived < size or not size:
                    bar.update(bar.task_ids[0], completed=arrived)
                    _put(begun.url, path, arrived, size, bar)
                return begun.token
            except Failed:
                memory.unlink(missing_ok=True)  # the next launch begins anew
                raise
            except LostConnection as error:
                lost = error
                if isinstance(error, Expired):
                    begun = None
                tries, most = (1, arrived) if arrived > most else (tries + 1, most)
                sleep(min(POLL_SECONDS, 2.0**tries))
    raise Failed(
        f"the upload of {name} broke off at {arrived:,} of {size:,} bytes: {lost.reason}",
        "the same command goes on from there",
    )


def _recall(memory: Path) -> Begun | None:
    """The upload that an earlier launch began, while the server still knows it."""
    try:
        begun = Begun(**files.read_json(memory))
        is_young = time.time() - begun.began < KEPT_SECONDS
    except (Failed, TypeError):
        return None
    return begun if is_young else None


def _begin(path: Path, name: str, memory: Path, start: Start) -> Begun:
    """Ask the server for an address, and write it down before the first byte leaves."""
    with translated(f"the upload of {name}"), session_of(connect()) as client:
        answer = start(client, path, name)
    if not answer.token or not answer.create_url:
        raise Failed(f"the upload of {name}: Kaggle's answer names no place for it")
    begun = Begun(answer.token, answer.create_url, time.time())
    files.write_json(memory, vars(begun))
    return begun


def _arrived(url: str, size: int) -> int:
    """How many bytes the server has."""
    answer = _send(url, b"", {"Content-Range": f"bytes */{size}"})
    if answer.status_code != 308:
        return size
    last = re.fullmatch(r"bytes=0-(\d+)", answer.headers.get("Range", ""))
    return int(last[1]) + 1 if last else 0


def _put(url: str, path: Path, start: int, size: int, bar: Progress) -> None:
    """Send the bytes from `start` on."""
    headers = {"Content-Range": f"bytes {start}-{size - 1}/{size}"} if start else {}
    with open(path, "rb") as file:
        file.seek(start)
        body = bar.wrap_file(file, total=size, task_id=bar.task_ids[0]) if size else b""
        answer = _send(url, body, headers)
    if answer.status_code == 308:
        raise LostConnection("a part of it did not arrive")


def _send(url: str, body: Any, headers: dict[str, str]) -> Any:
    """PUT to the storage; `Expired`, `LostConnection` or `Failed` for everything but success and 308."""
    import requests

    try:
        answer = requests.put(url, data=body, headers=headers, timeout=(CONNECT_SECONDS, READ_SECONDS))
    except requests.RequestException as error:
        raise LostConnection(f"the connection was lost ({str(error).splitlines()[0][:200]})") from None
    code = answer.status_code
    if code in (404, 410):
        raise Expired("the upload's address expired")
    if code in (408, 429) or code >= 500:
        raise LostConnection(f"Kaggle's storage is busy (HTTP {code})")
    if code not in (200, 201, 308):
        raise Failed(f"Kaggle's storage refused the upload (HTTP {code}): {answer.text.strip()[:200]}")
    return answer


def _bar(name: str, size: int) -> Progress:
    """A bar on stderr, where that is a terminal."""
    columns = (TextColumn("uploading {task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    bar = Progress(*columns, console=talk, transient=True, disable=not talk.is_terminal)
    bar.add_task(name, total=size)
    return bar
