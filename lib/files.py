"""Files written whole or not at all, and told apart by their content.

Example: `write_json(folder / "run.json", {...})` leaves either the old file or the new one, never half of it.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from lib.errors import Failed

MANIFEST = "manifest.json"

LONGEST = 255
"""Bytes of a file's name."""

UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.ENAMETOOLONG)
"""What a system says of a place where nothing can be written."""


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a new file beside `path`; it takes `path`'s place when the block ends without an error.

    A link stays, and what it leads to is replaced. Raises `Failed` where nothing can be written.
    """
    path = Path(path).resolve()
    with told(path):
        if path.exists() and not path.is_file():
            raise Failed(f"{path} is not a file, and would be replaced by one", "choose another name")
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", suffix=".part", dir=path.parent)
        os.close(handle)
        try:
            with open(name, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.chmod(name, 0o644)
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn what the system says about a place that cannot be written into a `Failed` that names it."""
    try:
        yield
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        raise Failed(f"{path} cannot be written: {error.strerror}", "free space, or choose another place") from None


def write(path: Path, content: bytes | str) -> None:
    """Write `content` to `path` in one step (UTF-8 for text)."""
    with replacing(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def copy(source: Path, target: Path) -> None:
    """Copy a file, whole or not at all; onto itself it is left as it is."""
    if source.resolve() == target.resolve():
        return
    if not source.is_file():
        raise Failed(f"{source} is missing")
    with open(source, "rb") as read, replacing(target) as written:
        shutil.copyfileobj(read, written)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON in one step."""
    write(path, json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file; a missing or damaged one is a `Failed` that names it."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Failed(f"{path} is missing") from None
    except (OSError, ValueError) as error:
        raise Failed(f"{path} cannot be read: {error}") from None


def sha256(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def state_of(*paths: Path) -> str:
    """Each file's bytes and time of change, which tell it from the one that was used before."""
    found = []
    for path in paths:
        try:
            stat = path.stat()
            found.append(f"{stat.st_size} {stat.st_mtime_ns}")
        except OSError:
            found.append("missing")
    return ", ".join(found)


def write_manifest(folder: Path) -> None:
    """Write `manifest.json` into `folder`: the name, bytes and SHA-256 of every other file in it.

    Kaggle's listing of outputs has neither sizes nor checksums; a download is checked against this.
    """
    folder = Path(folder)
    listed = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != MANIFEST]
    entries = [
        {"name": path.relative_to(folder).as_posix(), "bytes": path.stat().st_size, "sha256": sha256(path)}
        for path in listed
    ]
    write_json(folder / MANIFEST, {"files": entries})


def inside(folder: Path, name: str) -> Path:
    """The path `folder/name`, refused when it would leave `folder`.

    Names come from servers and archives: `../x`, absolute paths and drive letters must not be followed, and what no
    file system takes as a name is refused too.
    """
    if not _is_name(name):
        raise Failed(f"{name[:80]!r} is no name that a file can have: refused")
    target = (Path(folder) / name).resolve()
    if not target.is_relative_to(Path(folder).resolve()) or target == Path(folder).resolve() or "\\" in name:
        raise Failed(f"the name {name!r} leads out of {folder}: refused")
    return target


def _is_name(name: str) -> bool:
    """Whether a file system takes each part of a name."""
    try:
        return "\0" not in name and max(len(os.fsencode(part)) for part in name.split("/")) <= LONGEST
    except UnicodeEncodeError:
        return False


def typed(path: Path) -> str:
    """A path as a word of a command: `shown`, quoted for the shell where that is needed."""
    return shlex.quote(shown(path))


def shown(path: Path) -> str:
    """A path as a user would type it: relative to the current folder when it lies below it."""
    try:
        return str(Path(path).resolve().relative_to(Path.cwd().resolve()))
    except ValueError:
        return str(path)
