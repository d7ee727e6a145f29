"""Which image belongs to which mask where nobody says: a guess from the names of folders and files.

pairs, lonely, strays = pairs_of(root)
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from pathlib import Path

SUFFIXES = {".jpg", ".jpeg", ".png", ".tif", ".tiff", ".gtif", ".bmp", ".webp", ".jp2"}

MASK_WORDS = r"masks?|labels?|gts?|annotations?|seg(?:mentations?)?|groundtruth|ground_truth|labelhand|targets?"
IMAGE_WORDS = r"images?|imgs?|sat|s2hand|s2|inputs?|pictures?|rgb|photos?"
_FOLDER = re.compile(rf"(?:.*[_\- ])?(?:({MASK_WORDS})|({IMAGE_WORDS}))(?:[_\- ].*)?", re.I)
_ENDING = re.compile(rf"(.+?)[_\-.](?:({MASK_WORDS})|({IMAGE_WORDS}))", re.I)

PARTS = {
    "training": r"train(?:ing)?",
    "validation": r"val(?:id|idation)?|dev",
    "test": r"test(?:ing)?",
}
"""Words in folders that say which part of the data a file is of."""


def pairs_of(root: Path) -> tuple[list[tuple[Path, Path]], list[Path], list[Path]]:
    """Images with their masks, images without one, masks without an image: guessed from names.

    A file is a mask by its folder (`masks`, `labels`, …) or by its name's ending (`_mask`, `_label`, …). Partners have
    the same stem without such endings, and of several the ones whose folders agree most.
    """
    images: dict[str, list[Path]] = defaultdict(list)
    masks: dict[str, list[Path]] = defaultdict(list)
    for path in _pictures(root):
        stem, word = _stem(path)
        folders = path.relative_to(root).parts[:-1]
        told = word or next((kind for folder in reversed(folders) if (kind := _kind(_FOLDER, folder))), "image")
        (masks if told == "mask" else images)[stem].append(path)
    pairs, lonely, strays = [], [], []
    for stem in sorted(images.keys() | masks.keys()):
        left = list(masks.get(stem, ()))
        for image in images.get(stem, ()):
            best = max(left, key=lambda mask: _agreement(image, mask, root), default=None)
            if best is None or (len(left) > 1 and _agreement(image, best, root) == 0 and len(images[stem]) > 1):
                lonely.append(image)
                continue
            left.remove(best)
            pairs.append((image, best))
        strays += left
    return pairs, lonely, strays


def part_of(path: Path, root: Path) -> str | None:
    """training, validation or test, by the folders that a file lies in."""
    for folder in path.relative_to(root).parts[:-1]:
        for part, words in PARTS.items():
            if re.fullmatch(rf"(?:.*[_\- ])?(?:{words})(?:[_\- ].*)?", folder, re.I):
                return part
    return None


def _pictures(root: Path) -> list[Path]:
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(folder) / name for name in sorted(names) if Path(name).suffix.lower() in SUFFIXES]
    return [path for path in found if not path.name.startswith(".")]


def _stem(path: Path) -> tuple[str, str | None]:
    """A name without its ending such as `_mask` or `_sat`, and which kind that ending tells."""
    match = _ENDING.fullmatch(path.stem)
    if not match:
        return path.stem.lower(), None
    return match[1].lower(), "mask" if match[2] else "image"


def _kind(pattern: re.Pattern, name: str) -> str | None:
    """Whether a folder's name is one of masks, of images, or says nothing."""
    match = pattern.fullmatch(name)
    return match and ("mask" if match[1] else "image")


def _agreement(image: Path, mask: Path, root: Path) -> int:
    """How many folders two files share, and do not share, by their names: the more the better."""
    one, other = image.relative_to(root).parts[:-1], mask.relative_to(root).parts[:-1]
    strip = re.compile(rf"[_\- ]?(?:{MASK_WORDS}|{IMAGE_WORDS})s?[_\- ]?", re.I)
    a, b = [{strip.sub("", part).lower() for part in parts} - {""} for parts in (one, other)]
    return 2 * len(a & b) - len(a ^ b) + (1 if one == other else 0)
