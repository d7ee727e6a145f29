"""What folders and files of images and masks are called: the words that tell them apart, and training from test.

role("train_masks/7005.png")     # "mask"
division("valid/1_sat.jpg")      # "validation"
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Literal

Role = Literal["image", "mask"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


IMAGES = _words(
    "image images img imgs im sat satellite rgb rgbn irrg photo photos picture pictures ortho orthos orthophoto input "
    "inputs scene scenes mosaic mosaics msi ms pan multispectral"
)
MASKS = _words(
    "mask masks label labels lbl lbls gt gts truth groundtruth annotation annotations annot anno ann seg segs "
    "segmentation segmentations cls target targets"
)
LETTERS = {"x": "image", "m": "mask", "y": "mask"}
"""Letters that are words only at a name's end: `12_m.png`."""

DIVISIONS = {
    "train": _words("train training trn"),
    "validation": _words("val valid validation validate dev"),
    "test": _words("test testing tst tests"),
}

PREFERRED = ("rgb", "image", "images", "sat", "img", "ortho", "s2")
"""Which of several images of one place is taken, the first before the others."""

_PART = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")


def parts(text: str) -> list[str]:
    """The words and numbers of a name, in small letters: `Track1-RGB` has track, 1, rgb."""
    return [part.lower() for part in _PART.findall(text)]


def word_role(text: str) -> Role | None:
    """What a folder's name, or a piece of a file's name, says; a mask's word is stronger than an image's."""
    found = set(parts(text))
    return "mask" if found & MASKS else "image" if found & IMAGES else None


def role(path: PurePosixPath) -> Role | None:
    """What a file is by its own name's ends, else by the nearest folder that says so; masks' words are stronger."""
    pieces = split_stem(path.stem)
    ends = [word_role(piece) for piece in {pieces[0], pieces[-1]}] if len(pieces) > 1 else [word_role(path.stem)]
    ends.append(LETTERS.get(pieces[-1]) if len(pieces) > 1 else None)
    folders = [said for part in reversed(path.parts[:-1]) if (said := word_role(part))]
    if "mask" in ends or folders[:1] == ["mask"]:
        return "mask"
    return "image" if "image" in ends else next(iter(folders), None)


def division(path: PurePosixPath) -> str | None:
    """train, validation or test, by the nearest folder that says so."""
    for part in reversed(path.parts[:-1]):
        words = set(parts(part))
        for name, known in DIVISIONS.items():
            if words & known:
                return name
    return None


def split_stem(stem: str) -> list[str]:
    """The pieces of a name between underscores, hyphens, points and blanks."""
    return [piece for piece in re.split(r"[_\-. ]+", stem) if piece] or [stem]


def without_role(stem: str) -> tuple[str, str, str]:
    """A name as what stands before its core, the core, what stands behind: `12_mask` is ("", "12", "_mask")."""
    for pattern, at in ((r"(?:^|[_\-. ]+)[^_\-. ]+$", "end"), (r"^[^_\-. ]+(?:[_\-. ]+|$)", "start")):
        found = re.search(pattern, stem)
        piece = found[0].strip("_-. ") if found else ""
        letter = at == "end" and piece in LETTERS and len(found[0]) > 1
        if found and (word_role(piece) or letter):
            return ("", stem[: found.start()], found[0]) if at == "end" else (found[0], stem[found.end() :], "")
    return "", stem, ""


def without_last(stem: str) -> tuple[str, str, str]:
    """A name without its last piece."""
    found = re.search(r"[_\-. ]+[^_\-. ]+$", stem)
    return ("", stem[: found.start()], found[0]) if found and found.start() else ("", stem, "")


def without_words(folder: str) -> str:
    """A folder's name without the words that say what it holds: `train_masks` and `train_images` are both train."""
    return "_".join(part for part in parts(folder) if part not in IMAGES | MASKS)
