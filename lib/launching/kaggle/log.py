"""A Kaggle kernel's log: server-sent events while it runs, a list of records once it has finished.

A stream replays the log from its beginning and then goes on live; nothing in it tells where the one becomes the other.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

from lib.launching.kaggle.client import CONNECT_SECONDS, READ_SECONDS, server_words
from lib.launching.session import KernelRef, LogRecord, LostConnection, StreamRefused

END_OF_LOG = "END_OF_LOG"

REPLAY_SECONDS = 3
"""A replay that is silent for so long has reached the present."""

PRESENT_SECONDS = 2
"""How long the speed of a replay is watched before it is compared with the clock's."""


def records(http: Any, endpoint: str, ref: KernelRef, live: bool) -> Iterator[LogRecord]:
    """The log's records, through a signed-in `requests.Session`.

    Not `live`, a running version's end where the replay falls silent, or comes no faster than it was written. Raises
    `LostConnection` with the server's words; `StreamRefused` when an answer came and it is no log.
    """
    import requests

    answer = None
    try:
        answer = http.get(
            f"{endpoint}/v1/kernels/logs/stream/{ref.owner}/{ref.slug}",
            params={"versionLabel": f"v{ref.version}"},
            headers={"Accept": "text/event-stream, */*"},
            stream=True,
            timeout=(CONNECT_SECONDS, READ_SECONDS if live else REPLAY_SECONDS),
        )
        if not answer.ok:
            words = server_words(answer) or f"HTTP {answer.status_code}"
            raise StreamRefused(f"the log of {ref}: {words}")
        if "text/event-stream" not in answer.headers.get("Content-Type", ""):
            yield from _finished(answer)
        else:
            yield from _events(answer) if live else until_now(_events(answer))
    except requests.RequestException as error:
        if not live and answer is not None and answer.ok:
            return
        raise LostConnection(f"the log of {ref}: {error}") from None
    finally:
        if answer is not None:
            answer.close()


def _events(answer: Any) -> Iterator[LogRecord]:
    for line in answer.iter_lines():
        if line.startswith(b"data:"):
            text = line[len(b"data:") :].strip().decode("utf-8", "replace")
            if text == END_OF_LOG:
                return
            yield _record(_parsed(text))
    raise LostConnection("the log stream was closed before its end")


def until_now(records: Iterator[LogRecord], clock: Callable[[], float] = time.monotonic) -> Iterator[LogRecord]:
    """The records of a replay up to the present: a replay runs many times faster than the session did."""
    begin, first = clock(), None
    for record in records:
        yield record
        first = record.time if first is None else first
        passed = clock() - begin
        if passed >= PRESENT_SECONDS:
            if record.time - first <= 2 * passed:
                return
            begin, first = clock(), record.time


def _finished(answer: Any) -> Iterator[LogRecord]:
    try:
        records = answer.json()
    except ValueError:
        records = None
    if not isinstance(records, list):
        raise StreamRefused("what came instead of the log is none")
    yield from map(_record, records)


def listed(text: str) -> list[LogRecord]:
    """The records of the log that a listing of outputs holds: the same JSON array, or else plain text."""
    content = _parsed(text)
    return [_record(part) for part in (content if isinstance(content, list) else [text])]


def _record(content: Any) -> LogRecord:
    """A record as the server sends it; what is none is passed on as text."""
    if not isinstance(content, dict):
        return LogRecord("stdout", 0.0, str(content))
    stream, seconds, data = (content.get(key) for key in ("stream_name", "time", "data"))
    return LogRecord(
        stream if stream == "stderr" else "stdout",
        float(seconds) if isinstance(seconds, (int, float)) else 0.0,
        data if isinstance(data, str) else "",
    )


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
