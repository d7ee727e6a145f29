"""Files that come and go by plain GET and PUT, without credentials: the URL itself is the permission.

    url = server.urls.for_download(path, "checkpoints/best.pt")       # …/download/<token>/checkpoints/best.pt
    token, url = server.urls.for_upload("submission.csv", length)     # …/upload/<token>

A download may be asked for in parts, an upload goes on where it broke off; a token may be revoked before it was used.
A download may be asked for in parts; a token may be revoked before it was used. `served` tells who got what:

    server.urls.served[-1]                # Served("best.pt", 206, start=1000, size=500)
"""

import hashlib
import re
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from urllib.parse import quote

from .exchange import Answer, Refused


@dataclass(frozen=True)
class Served:
    """An answer to a download: the file's name, the HTTP status, the first byte and how many of them."""

    name: str
    status: int
    start: int
    size: int


class SignedUrls:
    """`ranges` and `etags`: whether parts can be asked for, and contents told apart, as on Kaggle."""

    def __init__(self, base: str, folder: Path):
        self.ranges = self.etags = True
        self.served: list[Served] = []
        self._base, self._folder = base, folder
        self._downloads: dict[str, Path] = {}
        self._uploads: dict[str, tuple[Path, int]] = {}
        self._arrived: dict[str, bytearray] = {}
        self.pieces: list[int] = []  # bytes of every PUT that brought some
        self._lock = threading.Lock()

    def for_download(self, path: Path, name: str) -> str:
        token = uuid.uuid4().hex
        with self._lock:
            self._downloads[token] = path
        return f"{self._base}/download/{token}/{quote(name)}"

    def for_upload(self, name: str, length: int) -> tuple[str, str]:
        """A token and the URL to PUT `length` bytes to."""
        token = uuid.uuid4().hex
        with self._lock:
            self._uploads[token] = (self._folder / token / Path(name).name, length)
        return token, f"{self._base}/upload/{token}"

    def revoke(self, token: str) -> None:
        with self._lock:
            self._downloads.pop(token, None)
            self._uploads.pop(token, None)

    def uploaded(self, token: str) -> Path | None:
        """The file that was PUT under this token, None before that."""
        path, _ = self._uploads.get(token, (None, 0))
        return path if path and path.is_file() else None

    def download(self, token: str, headers: Mapping[str, str]) -> Answer:
        """The file, or the Range of it that is asked for; If-Range with another ETag gives the whole file."""
        path = self._downloads.get(token)
        if path is None:
            raise Refused(403, "The provided token has expired.")
        if not path.is_file():
            raise Refused(404, "The specified key does not exist.")
        body = path.read_bytes()
        etag = f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
        modified = formatdate(path.stat().st_mtime, usegmt=True)
        sent = {"ETag": etag, "Accept-Ranges": "bytes", "Last-Modified": modified}
        sent = {name: value for name, value in sent.items() if self.etags or name != "ETag"}
        wanted = re.fullmatch(r"bytes=(\d*)-(\d*)", headers.get("Range", "") if self.ranges else "")
        if not wanted or not any(wanted.groups()) or headers.get("If-Range", etag) != etag:
            return self._serve(path, body, 200, sent)
        first, last = wanted.groups()
        start = int(first) if first else max(0, len(body) - int(last))
        stop = min(int(last) + 1, len(body)) if first and last else len(body)
        if start >= stop:
            sent["Content-Range"] = f"bytes */{len(body)}"
            return self._serve(path, b"", 416, sent)
        sent["Content-Range"] = f"bytes {start}-{stop - 1}/{len(body)}"
        return self._serve(path, body[start:stop], 206, sent, start)

    def _serve(self, path: Path, body: bytes, status: int, sent: dict[str, str], start: int = 0) -> Answer:
        self.served.append(Served(path.name, status, start, len(body)))
        return Answer(body, status, "application/octet-stream", sent)

    def upload(self, token: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Take a whole file, or the rest of one: 308 and the Range that is there until it is whole.

        `Content-Range: bytes */LENGTH` with no body only asks.
        """
        if token not in self._uploads:
            raise Refused(404, "The upload does not exist or has expired.")
        path, length = self._uploads[token]
        arrived = self._arrived.setdefault(token, bytearray())
        sent = headers.get("Content-Range")
        if path.is_file():
            return Answer()
        if sent is None:
            arrived.clear()
            if len(body) != length:
                raise Refused(400, f"Expected {length} bytes, got {len(body)}.")
        elif sent != f"bytes */{length}":
            expected = f"bytes {len(arrived)}-{length - 1}/{length}"
            if sent != expected or len(arrived) + len(body) != length:
                raise Refused(400, f"Expected {expected}, got {sent} and {len(body)} bytes.")
        self.receive(token, body)
        if len(arrived) < length or (sent or "").startswith("bytes */"):
            return Answer(status=308, headers={"Range": f"bytes=0-{len(arrived) - 1}"} if arrived else {})
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(arrived)
        return Answer()

    def receive(self, token: str, body: bytes) -> None:
        """Keep bytes that came before a connection broke off, or to its end."""
        if body:
            self.pieces.append(len(body))
            self._arrived.setdefault(token, bytearray()).extend(body)
