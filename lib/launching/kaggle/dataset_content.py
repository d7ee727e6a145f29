"""Files that go up as one data set, and the names that their content gives it.

content = Content.of({"encoder.safetensors": path})
slug(content.titles("swath weights resnet34")[0])      # "swath-weights-resnet34-1a2b3c4d"
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lib import files

TITLE = 50
"""Longest title, and slug, that Kaggle takes; the shortest has 6 characters."""

DIGITS = (8, 12)
"""Digits of the content's SHA-256 in a name, and in the one that is used when that is taken."""


@dataclass(frozen=True)
class Content:
    """Files by their names in the data set (with "/" for folders), and the SHA-256 of each."""

    files: Mapping[str, Path]
    sha256: Mapping[str, str]

    @classmethod
    def of(cls, paths: Mapping[str, Path]) -> Content:
        """Read every file once."""
        return cls(paths, {name: files.sha256(path) for name, path in sorted(paths.items())})

    @property
    def bytes(self) -> int:
        """All files together."""
        return sum(path.stat().st_size for path in self.files.values())

    def titles(self, words: str) -> list[str]:
        """`words` and digits of the content's SHA-256, such that the slug is the title with hyphens for spaces.

        The first one is used; the second where Kaggle says that the first is taken.
        """
        listing = "".join(f"{sha256}  {name}\n" for name, sha256 in self.sha256.items())
        digits = hashlib.sha256(listing.encode()).hexdigest()
        plain = re.sub("[^a-z0-9]+", " ", words.lower()).strip()
        return [f"{plain[: TITLE - DIGITS[-1] - 1].strip()} {digits[:count]}" for count in DIGITS]


def slug(title: str) -> str:
    """The slug that Kaggle makes of a title of ours."""
    return title.replace(" ", "-")
