"""Which image belongs to which mask: a competition's patterns laid over a folder.

    pairs = find_pairs(competition.data.train, root)     # [Pair(id="271_sat", image=..., mask=..., group=...)]

Only names are read here, no pixels.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

from lib.competitions.patterns import fill, find
from lib.competitions.schema import Source
from lib.errors import DataError, UsageError, first

Window = tuple[int, int, int, int]
"""Top, bottom, left, right, in pixels; bottom and right are not part of it."""


@dataclass(frozen=True)
class Pair:
    """An image or a part of it, its mask where there is one, and the group that a split must keep together."""

    id: str
    image: Path
    mask: Path | None
    group: str
    window: Window | None = None
    """The part: rows [top, bottom) and columns [left, right) of the image at its own size. None: all of it."""


def find_pairs(source: Source | None, root: Path, masks: bool = True) -> list[Pair]:
    """Every image of `source` under `root` with its partner, sorted by id.

    Raises `UsageError` when the folder is missing or holds nothing that fits, `DataError` when an image has no
    mask (unless `masks` is False), when a mask has no image or when two images would get the same id.
    """
    if source is None:
        raise without_layout("this competition")
    root = Path(root)
    if not root.is_dir():
        raise UsageError(f"the data folder {root} does not exist", "give it with --data DIR")
    pairs = [_pair(source, root, path, found, masks) for path, found in find_images(source, root)]
    if not pairs:
        raise UsageError(
            f"no image under {root} fits the pattern {source.images!r}; the folder holds {_glimpse(root)}",
            "give the folder that the pattern starts from with --data DIR",
        )
    pairs.sort(key=lambda pair: pair.id)
    for one, other in itertools.pairwise(pairs):
        if one.id == other.id:
            raise DataError(
                f"{one.image} and {other.image} would both have the id {one.id!r}",
                "write the competition's data id so that it tells them apart, for example id = '{folder}_{name}'",
            )
    if masks and source.masks:
        _all_have_partners(source, root, pairs)
    return pairs


def find_images(source: Source, root: Path) -> list[tuple[Path, dict[str, str]]]:
    """Every file that fits the images' pattern, with the text of each hole, in the order of names.

    A file that is another one's mask is none of them: `{id}.png` fits the masks `{id}_mask.png` as well.
    """
    found = list(find(root, source.images))
    if not source.masks:
        return found
    masks = {mask for path, values in found if (mask := root / fill(source.masks, values)) != path}
    return [(path, values) for path, values in found if path not in masks]


def without_layout(name: str) -> UsageError:
    """The error of a competition that describes a file and its score, and no data."""
    return UsageError(
        f"{name} describes a submission file and its score; nothing says where images and masks lie",
        "write a file NAME.toml with [data.train] and preset = '…' for the rest, and give it with -c",
    )


def holds(source: Source | None, root: Path) -> bool:
    """Whether any image of `source` lies under `root`."""
    return source is not None and next(find(root, source.images), None) is not None


def _pair(source: Source, root: Path, path: Path, found: dict[str, str], masks: bool) -> Pair:
    identity = source.identity(found)
    mask = root / fill(source.masks, found) if masks and source.masks else None
    return Pair(identity, path, mask, fill(source.group, found) if source.group else identity)


def _all_have_partners(source: Source, root: Path, pairs: list[Pair]) -> None:
    masks = dict.fromkeys(path for path, _ in find(root, source.masks))
    lonely = [pair for pair in pairs if not pair.mask.is_file() and pair.image not in masks]
    if lonely:
        more = f" ({len(lonely)} images of {len(pairs)} have none)" if len(lonely) > 1 else ""
        raise DataError(
            f"{lonely[0].image} has no mask: {lonely[0].mask.relative_to(root)} is missing{more}",
            "bring the missing files, or move images without a mask out of the training folder",
        )
    known = {pair.mask for pair in pairs}
    strays = [path for path in masks if path not in known]
    if strays:
        more = f" ({len(strays)} masks have none)" if len(strays) > 1 else ""
        raise DataError(f"{strays[0]} is a mask without an image{more}", "bring the missing images, or move it away")


def _glimpse(root: Path, most: int = 6) -> str:
    names = sorted(entry.name + ("/" if entry.is_dir() else "") for entry in root.iterdir())
    if not names:
        return "nothing"
    return first(names, most)
