"""What a kernel says that it has written: manifest.json, read and compared with what is here.

Kaggle's listing of outputs has neither sizes nor checksums.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, NonNegativeInt, ValidationError

from lib import files
from lib.errors import Failed


class Entry(BaseModel):
    """A file as the manifest lists it."""

    name: str
    bytes: NonNegativeInt
    sha256: str

    @classmethod
    def of(cls, name: str, path: Path) -> Entry:
        """What a manifest would say of a file."""
        return cls(name=name, bytes=path.stat().st_size, sha256=files.sha256(path))

    def is_met_by(self, path: Path) -> bool:
        """Whether a file is there, with this size and SHA-256."""
        return path.is_file() and path.stat().st_size == self.bytes and files.sha256(path) == self.sha256


class Manifest(BaseModel):
    """The content of manifest.json."""

    files: list[Entry]


def parse(content: bytes, source: object) -> dict[str, Entry]:
    """The entries by name; `Failed` that names the `source` of a manifest that is none."""
    try:
        return {entry.name: entry for entry in Manifest.model_validate_json(content).files}
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise Failed(
            f"the manifest of {source} is not one: {reason}", "fetch again, or read the kernel's log"
        ) from None
