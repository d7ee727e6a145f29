"""What has come of outputs that are not whole yet: a file each, in a hidden folder that goes when all is home.

parts = Parts(run.outputs)
part = parts.of("checkpoints/best.safetensors", target)
with part.receiving():                    # one attempt
    part.begin(etag, goes_on=True)        # the place goes on where the last attempt broke off; left out: from zero
    part.write(chunk)
part.finish()                             # takes its target's place

A part's name is made of the output's name and the ETag that its bytes came under, so that bytes and ETag are never
apart, whenever a process is killed.
"""

from __future__ import annotations

import base64
import binascii
import errno
import hashlib
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lib.errors import Failed
from lib.files import UNWRITABLE

HIDDEN = ".parts"
"""The folder below the outputs."""

LONGEST_ETAG = 120
"""A longer one, in bytes, is not kept: file names end at 255."""

BINARY = getattr(os, "O_BINARY", 0)
"""Windows."""

FULL = (errno.ENOSPC, errno.EDQUOT)


class Halted(Exception):
    """The fetch that a part belongs to was given up."""


class NoRoom(Failed):
    """The disk is full; no other file will fit either."""


class Part:
    """The bytes of one output that are here, and where they will go."""

    def __init__(self, parts: Parts, name: str, target: Path, path: Path) -> None:
        self.parts, self.name, self.target, self.path = parts, name, target, path
        self._file: int | None = None

    @property
    def size(self) -> int:
        """Bytes that are here."""
        return self.path.stat().st_size if self.path.is_file() else 0

    @property
    def etag(self) -> str:
        """The ETag under which they came; empty when there was none."""
        with suppress(ValueError, binascii.Error):
            return base64.urlsafe_b64decode(self.path.name.partition(".")[2]).decode()
        return ""

    @contextmanager
    def receiving(self) -> Iterator[None]:
        """One attempt: what is written in it starts from zero, unless it says `begin`."""
        try:
            yield
            if self._file is None:
                self.begin("")
        except OSError as error:
            raise _told(error, self.target) from None
        finally:
            if self._file is not None:
                os.close(self._file)
                self._file = None

    def begin(self, etag: str, goes_on: bool = False) -> None:
        """What is written next is a content with this ETag: its rest behind what is here, or else all of it."""
        if not goes_on:
            self.drop()
            self.path = self.parts.path_of(self.name, etag)
            self.path.unlink(missing_ok=True)
        self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | BINARY, 0o666)

    def write(self, data: bytes) -> int:
        """Put bytes behind those that are here; they are in the system's hands when this returns."""
        if self.parts.halted.is_set():
            raise Halted
        if self._file is None:
            self.begin("")
        left = memoryview(data)
        while left:
            left = left[os.write(self._file, left) :]
        self.parts.moved(len(data))
        return len(data)

    def drop(self) -> None:
        """Forget what is here."""
        self.parts.moved(-self.size)
        self.path.unlink(missing_ok=True)

    def finish(self) -> None:
        """Put the whole file in its place."""
        if self.target.is_dir():
            raise Failed(f"{self.target} is a folder, and would be replaced by a file", "move it away")
        try:
            self.target.parent.mkdir(parents=True, exist_ok=True)
            with open(self.path, "ab") as file:
                os.fsync(file.fileno())
            os.replace(self.path, self.target)
        except OSError as error:
            raise _told(error, self.target) from None


class Parts:
    """The parts of one fetch."""

    def __init__(self, outputs: Path) -> None:
        """Find what earlier fetches left."""
        self.folder = outputs / HIDDEN
        self.halted = threading.Event()
        self.moved = lambda size: None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._left = {path.name.partition(".")[0]: path for path in self.folder.iterdir() if path.is_file()}
        except OSError as error:
            raise _told(error, outputs) from None

    def of(self, name: str, target: Path) -> Part:
        """The part of an output, with what earlier fetches left of it."""
        return Part(self, name, target, self._left.get(_key(name)) or self.path_of(name, ""))

    def size_of(self, name: str) -> int:
        """Bytes that earlier fetches left of an output."""
        path = self._left.get(_key(name))
        return path.stat().st_size if path and path.is_file() else 0

    def path_of(self, name: str, etag: str) -> Path:
        """The file for an output's bytes under this ETag."""
        kept = etag.encode() if len(etag.encode()) <= LONGEST_ETAG else b""
        return self.folder / f"{_key(name)}.{base64.urlsafe_b64encode(kept).decode()}"

    def close(self, complete: bool) -> None:
        """Remove the folder: when all is home with all that is in it, else when it is empty."""
        if complete:
            shutil.rmtree(self.folder, ignore_errors=True)
        with suppress(OSError):
            self.folder.rmdir()


def need_room(folder: Path, size: int) -> None:
    """Raise `Failed` when fewer than `size` bytes are free in `folder`."""
    free = shutil.disk_usage(folder).free
    if size > free:
        raise Failed(
            f"{folder} has room for {free:,} bytes, and {size:,} are still to come", "free space there, or --only GLOB"
        )


def _key(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _told(error: OSError, target: Path) -> Exception:
    """What the system says about a place that cannot be written, as a `Failed` that names it."""
    if error.errno in FULL:
        return NoRoom(f"{target.parent} is full: {target.name} does not fit", "free space there, and fetch again")
    if error.errno in (*UNWRITABLE, errno.EFBIG, errno.EEXIST, errno.EISDIR):
        return Failed(f"{target} cannot be written: {error.strerror}", "free space, or choose another place")
    return error
