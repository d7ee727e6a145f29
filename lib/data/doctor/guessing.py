"""Which image belongs to which mask, and to which part of the data, where nobody says: by names.

pairs, lonely, strays = pairs_of(root)
"""

from __future__ import annotations

import re
from pathlib import Path

from lib.data.discover import words
from lib.data.discover.listing import listed
from lib.data.discover.matching import matched

PARTS = {
    "training": r"train(?:ing)?",
    "validation": r"val(?:id|idation)?|dev",
    "test": r"test(?:ing)?",
}
"""Words in folders that say which part of the data a file is of."""


def pairs_of(root: Path) -> tuple[list[tuple[Path, Path]], list[Path], list[Path]]:
    """Images with their masks, images without one, masks without an image.

    Raises `UsageError` for a folder without pictures, `DataError` where nothing looks like masks.
    """
    matches, left = matched(listed(root).pictures, root)
    pairs = [(root / match.image, root / match.mask) for match in matches]
    strays = [root / path for path in left if words.role(path) == "mask"]
    return pairs, [root / path for path in left if words.role(path) != "mask"], strays


def part_of(path: Path, root: Path) -> str | None:
    """training, validation or test, by the folders that a file lies in."""
    for folder in path.relative_to(root).parts[:-1]:
        for part, pattern in PARTS.items():
            if re.fullmatch(rf"(?:.*[_\- ])?(?:{pattern})(?:[_\- ].*)?", folder, re.I):
                return part
    return None
