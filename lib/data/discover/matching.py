"""Which picture is whose mask, by names alone: the way of shortening names under which most pictures find a partner.

matches, left = matched(pictures, root)    # [Match(image, mask, ...)], pictures without a partner
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lib.data.discover import words
from lib.data.discover.census import runs
from lib.data.discover.words import Role
from lib.errors import DataError
from lib.rasters.headers import read_header
from lib.rasters.packing import codes_of
from lib.rasters.stored import glance

Stem = tuple[str, str, str]
"""What stands before a name's core, the core, what stands behind."""


@dataclass(frozen=True)
class Match:
    """An image, its mask, and how each one's name lies about the core that both share."""

    image: PurePosixPath
    mask: PurePosixPath
    image_stem: Stem
    mask_stem: Stem


def whole(stem: str) -> Stem:
    return "", stem, ""


SHORTENED: tuple[Callable[[str], Stem], ...] = (whole, words.without_role, words.without_last)


def matched(pictures: tuple[PurePosixPath, ...], root: Path) -> tuple[list[Match], list[PurePosixPath]]:
    """Images with their masks, in the order of the images' names, and the pictures that are in no pair.

    Raises `DataError` when nothing looks like masks.
    """
    roles = {path: words.role(path) for path in pictures}
    if "mask" not in roles.values():
        roles |= _by_content(pictures, root)
    masks = [path for path, role in roles.items() if role == "mask"]
    images = [path for path, role in roles.items() if role != "mask"]
    if not masks or not images:
        raise DataError(
            f"nothing under {root} looks like {'images' if masks else 'masks'}, by the names of folders and files",
            "name the folders images/ and masks/, with the same file names in both",
        )
    best: list[Match] = []
    for folders, shorten_image, shorten_mask in itertools.product((True, False), SHORTENED, SHORTENED):
        found = _pairs(images, masks, folders, shorten_image, shorten_mask)
        if len(found) > len(best):
            best = found
    if not best and len(masks) == 1:
        best = [Match(path, masks[0], whole(path.stem), whole(masks[0].stem)) for path in images]
    if not best:
        raise DataError(
            f"no image has a mask of a like name: {images[0]} and {masks[0]} are the first of {len(images)} and "
            f"{len(masks)}",
            "give masks the names of their images, or names that differ in a word such as _mask at the end",
        )
    used = {path for match in best for path in (match.image, match.mask)}
    return sorted(best, key=lambda match: match.image), [path for path in pictures if path not in used]


def _pairs(
    images: list[PurePosixPath],
    masks: list[PurePosixPath],
    folders: bool,
    shorten_image: Callable[[str], Stem],
    shorten_mask: Callable[[str], Stem],
) -> list[Match]:
    """Pairs whose shortened names are the same; a name that several masks have is nobody's."""
    named: dict[tuple, list[PurePosixPath]] = defaultdict(list)
    for path in masks:
        named[_key(path, folders, shorten_mask)].append(path)
    candidates: dict[tuple, list[PurePosixPath]] = defaultdict(list)
    for path in images:
        candidates[_key(path, folders, shorten_image)].append(path)
    found = []
    for key, own in candidates.items():
        if len(named.get(key, ())) == 1 and len({_kind(path) for path in own}) == len(own):
            image, mask = min(own, key=_rank), named[key][0]
            found.append(Match(image, mask, shorten_image(image.stem), shorten_mask(mask.stem)))
    return found


def _key(path: PurePosixPath, folders: bool, shorten: Callable[[str], Stem]) -> tuple:
    own = tuple(short for part in path.parts[:-1] if (short := words.without_words(part))) if folders else ()
    return own, shorten(path.stem)[1]


def _kind(path: PurePosixPath) -> tuple:
    """What tells apart several images of one place, such as RGB and infrared: folder, last piece, ending."""
    return path.parent, words.without_last(path.stem)[2], path.suffix


def _rank(path: PurePosixPath) -> tuple:
    said = [piece.lower() for name in (path.parent.name, path.stem) for piece in words.split_stem(name)]
    places = [place for place, word in enumerate(words.PREFERRED) if any(piece.startswith(word) for piece in said)]
    return min(places, default=len(words.PREFERRED)), path


def _by_content(pictures: tuple[PurePosixPath, ...], root: Path) -> dict[PurePosixPath, Role]:
    """Roles where no name tells: pictures of the same names in two folders, or with two endings, by how few colours."""
    groups: dict[tuple[str, str], list[PurePosixPath]] = defaultdict(list)
    for path in pictures:
        groups[str(path.parent), path.suffix.lower()].append(path)
    for path in pictures:
        last = words.without_last(path.stem)[2]
        if last and path.with_name(path.stem[: -len(last)] + path.suffix) in pictures:
            groups[str(path.parent), last].append(path)
    shared: Counter = Counter()
    for one, other in itertools.combinations(sorted(groups), 2):
        stems = [
            {words.without_last(p.stem)[1] if g[1][:1] != "." else p.stem for p in groups[g]} for g in (one, other)
        ]
        shared[one, other] = len(stems[0] & stems[1])
    if not shared or not shared.most_common(1)[0][1]:
        return {}
    pair = shared.most_common(1)[0][0]
    fewest = min(pair, key=lambda group: _colours(root / groups[group][0]))
    return dict.fromkeys(groups[fewest], "mask")


def _colours(path: Path) -> float:
    """How many different pixels the middle of a picture has; a mask has few."""
    return len(runs(codes_of(glance(path, read_header(path))))[0])
