"""One request and its answer, as Kaggle's front end reads and writes them.

    raise Refused(409, "The requested title is already in use by a notebook.")

inside a service becomes HTTP 409 with `{"error": {"code": 409, "message": "…", "status": "ALREADY_EXISTS"}}`.
"""

import json
import re
import socket
import struct
import sys
import traceback
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

STATUS_NAMES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
}


class Refused(Exception):
    """A service declines a request; `message` is what Kaggle would say."""

    def __init__(self, code: int, message: str):
        super().__init__(f"{code}: {message}")
        self.code, self.message = code, message


@dataclass(frozen=True)
class Answer:
    """A body of bytes travels with its length, an iterator of chunks in chunks, each as soon as it comes."""

    body: bytes | Iterator[bytes] = b""
    status: int = 200
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


def json_answer(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(json.dumps(content).encode(), status, headers=headers or {})


def error_answer(code: int, message: str, headers: Mapping[str, str] | None = None) -> Answer:
    error = {"code": code, "message": message, "status": STATUS_NAMES.get(code, "INTERNAL")}
    return json_answer({"error": error}, code, headers)


def without_defaults(fields: Mapping[str, Any], keep: Collection[str] = ()) -> dict[str, Any]:
    """Leave out values that equal their type's default, as protobuf's JSON does; `keep` names exceptions."""
    return {name: value for name, value in fields.items() if value or (name in keep and value is not None)}


def slugify(title: str) -> str:
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


END_OF_LOG = b"data: END_OF_LOG\n\n"


def log_event(record: Mapping[str, Any]) -> bytes:
    """A log record as a server-sent event."""
    return b"data: %b\n\n" % json.dumps(record).encode()


@dataclass(frozen=True)
class Request:
    """`content` is the decoded JSON object of an RPC, None for any other body."""

    verb: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def parts(self) -> list[str]:
        return [unquote(part) for part in urlsplit(self.target).path.split("/") if part]

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query))

    @cached_property
    def content(self) -> dict[str, Any] | None:
        if self.verb != "POST":
            return None
        try:
            content = json.loads(self.body)
        except ValueError:
            return None
        return content if isinstance(content, dict) else None

    @property
    def route(self) -> str:
        """What faults are filed under: the RPC's method, or `logs`, `download`, `upload`."""
        match self.verb, self.parts:
            case "POST", ["v1", _, method]:
                return method
            case "GET", ["v1", "kernels", "logs", "stream", *_]:
                return "logs"
            case "GET", ["download", *_]:
                return "download"
            case "PUT", ["upload", *_]:
                return "upload"
        return self.target


class Exchange:
    """What a fault is handed: `work()` does what was asked, `send()` answers, `reset()` hangs up.

    Good behaviour is `exchange.send(exchange.work())`.
    """

    def __init__(self, handler: BaseHTTPRequestHandler, kaggle: Any, request: Request):
        self.handler, self.kaggle, self.request = handler, kaggle, request

    def work(self) -> Answer:
        """Carry the request out. A refusal is an answer; a bug of this server is a 500 and a traceback."""
        try:
            return self.kaggle.answer(self.request)
        except Refused as refusal:
            return error_answer(refusal.code, refusal.message)
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            return error_answer(500, f"the loopback server failed: {error!r}")

    def send(self, answer: Answer, keep: int | None = None, finish: bool = True) -> None:
        """Send `answer`, or only `keep` bytes of it; `finish=False` leaves a chunked body without its end."""
        handler = self.handler
        handler.send_response(answer.status)
        handler.send_header("Content-Type", answer.content_type)
        for name, value in answer.headers.items():
            handler.send_header(name, value)
        if isinstance(answer.body, bytes):
            handler.send_header("Content-Length", str(len(answer.body)))
            handler.end_headers()
            handler.wfile.write(answer.body[:keep])
            handler.close_connection |= keep is not None and keep < len(answer.body)
            return
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for chunk in answer.body:
            handler.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        if finish:
            handler.wfile.write(b"0\r\n\r\n")
        handler.close_connection = True

    def reset(self) -> None:
        """Drop the connection with a TCP reset: a linger time of zero discards what has not been sent."""
        self.handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.handler.rfile.close()
        self.handler.connection.close()
        self.handler.close_connection = True
