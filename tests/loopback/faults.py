"""Misbehaviour on command: the ways in which Kaggle and the network between fail.

    server.faults.add("SaveKernel", Reset(work_done=True))    # pushed, but the client never hears of it
    server.faults.add("GetKernelSessionStatus", HtmlPage(503), times=3, skip=1)
    server.faults.add("download", WrongBytes(), match="best.pt")

A fault is any callable that takes an Exchange. Those with `work_done` may do what was asked before they fail:
the answer is lost, its effect is not.
"""

import json
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice, takewhile
from typing import Any

from .exchange import END_OF_LOG, Answer, Exchange, error_answer, json_answer, log_event

Fault = Callable[[Exchange], None]

HTML = b"<!DOCTYPE html><html><head><title>Kaggle</title></head><body>We'll be right back.</body></html>"
EXPIRED = b"<?xml version='1.0' encoding='UTF-8'?><Error><Code>ExpiredToken</Code></Error>"


@dataclass(frozen=True)
class Refuse:
    """An HTTP status with Kaggle's error object; `retry_after` is the header's text: seconds or a date."""

    code: int
    message: str = "Something went wrong."
    retry_after: str | None = None
    work_done: bool = False

    def __call__(self, exchange: Exchange) -> None:
        if self.work_done:
            exchange.work()
        headers = {} if self.retry_after is None else {"Retry-After": self.retry_after}
        exchange.send(error_answer(self.code, self.message, headers))


@dataclass(frozen=True)
class HtmlPage:
    """A page for people where JSON belongs: 503 while Kaggle is down, 200 when it throttles."""

    code: int = 200
    work_done: bool = False

    def __call__(self, exchange: Exchange) -> None:
        if self.work_done:
            exchange.work()
        exchange.send(Answer(HTML, self.code, "text/html; charset=utf-8"))


@dataclass(frozen=True)
class Replace:
    """An answer of your own, with HTTP 200: `Replace({"error": "…", "versionNumber": 0})`."""

    answer: Mapping[str, Any]
    work_done: bool = False

    def __call__(self, exchange: Exchange) -> None:
        if self.work_done:
            exchange.work()
        exchange.send(json_answer(dict(self.answer)))


EMPTY = Replace({})
UNKNOWN_STATUS = Replace({"status": "HIBERNATING"})


@dataclass(frozen=True)
class Reset:
    """A connection reset by the peer, before the request was carried out or after."""

    work_done: bool = False

    def __call__(self, exchange: Exchange) -> None:
        if self.work_done:
            exchange.work()
        exchange.reset()


@dataclass(frozen=True)
class Late:
    """HTTP `code` at once; what was asked is done all the same, when the next request of this kind comes."""

    code: int

    def __call__(self, exchange: Exchange) -> None:
        def next_one(other: Exchange) -> None:
            exchange.work()
            other.send(other.work())

        exchange.kaggle.faults.add(exchange.request.route, next_one)
        Refuse(self.code)(exchange)


@dataclass(frozen=True)
class Slow:
    """The right answer after `seconds`, what was asked done before or after them; a closing server does not wait."""

    seconds: float
    work_first: bool = False

    def __call__(self, exchange: Exchange) -> None:
        answer = exchange.work() if self.work_first else None
        exchange.kaggle.closing.wait(self.seconds)
        exchange.send(answer or exchange.work())


@dataclass(frozen=True)
class Truncate:
    """The whole body's Content-Length, its first `keep` bytes, and a closed connection."""

    keep: int

    def __call__(self, exchange: Exchange) -> None:
        exchange.send(exchange.work(), keep=self.keep)


@dataclass(frozen=True)
class Stall:
    """The first `keep` bytes of a body, and then nothing more on a connection that stays open."""

    keep: int

    def __call__(self, exchange: Exchange) -> None:
        exchange.send(exchange.work(), keep=self.keep)
        exchange.kaggle.closing.wait()


@dataclass(frozen=True)
class WrongBytes:
    """The right length and headers, but every bit of the body's last byte turned over."""

    def __call__(self, exchange: Exchange) -> None:
        answer = exchange.work()
        exchange.send(replace(answer, body=answer.body[:-1] + bytes(255 - byte for byte in answer.body[-1:])))


@dataclass(frozen=True)
class Expired:
    """A signed URL that has run out, for good: only a new listing gives one that works."""

    code: int = 403

    def __call__(self, exchange: Exchange) -> None:
        exchange.kaggle.urls.revoke(exchange.request.parts[1])
        exchange.send(Answer(EXPIRED, self.code, "application/xml"))


@dataclass(frozen=True)
class CutUpload:
    """An upload whose first `keep` bytes arrive before the connection breaks off."""

    keep: int

    def __call__(self, exchange: Exchange) -> None:
        exchange.kaggle.urls.receive(exchange.request.parts[1], exchange.request.body[: self.keep])
        exchange.reset()


@dataclass(frozen=True)
class CutLog:
    """A log stream that ends after `records` records, without END_OF_LOG.

    `clean` ends it as HTTP ends a body; otherwise the connection breaks off. A session that is over is
    streamed too, so that a test does not depend on how fast its kernel was.
    """

    records: int
    clean: bool = True

    def __call__(self, exchange: Exchange) -> None:
        answer = exchange.work()
        if answer.status != 200:
            return exchange.send(answer)
        over = isinstance(answer.body, bytes)
        events = map(log_event, json.loads(answer.body)) if over else answer.body
        cut = takewhile(lambda event: event != END_OF_LOG, islice(events, self.records))
        exchange.send(Answer(cut, content_type="text/event-stream"), finish=self.clean)


@dataclass
class _Rule:
    fault: Fault
    match: str
    skip: int
    left: float


@dataclass
class Faults:
    """What is to go wrong, route by route, first come first served."""

    routes: Collection[str]
    _rules: dict[str, list[_Rule]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, route: str, fault: Fault, times: int | None = 1, skip: int = 0, match: str = "") -> None:
        """Let the next `times` calls of `route` fail (None: all of them), after `skip` that go well.

        `route` is an RPC's method ("SaveKernel") or one of "logs", "download", "upload"; `match` narrows it
        to request targets that hold this text, such as a file's name.
        """
        if route not in self.routes:
            raise ValueError(f"no route {route!r}; there are {', '.join(sorted(self.routes))}")
        rule = _Rule(fault, match, skip, float("inf") if times is None else times)
        with self._lock:
            self._rules.setdefault(route, []).append(rule)

    def take(self, route: str, target: str) -> Fault | None:
        """The fault that meets this call, if any; it is used up by that."""
        with self._lock:
            for rule in self._rules.get(route, []):
                if rule.left <= 0 or rule.match not in target:
                    continue
                if rule.skip > 0:
                    rule.skip -= 1
                    return None
                rule.left -= 1
                return rule.fault
        return None

    @property
    def pending(self) -> list[tuple[str, Fault]]:
        """Faults that still wait for a call: empty at a test's end, or the test did not reach them."""
        with self._lock:
            rules = [(route, rule) for route, rules in self._rules.items() for rule in rules]
        return [(route, rule.fault) for route, rule in rules if rule.left > 0]
