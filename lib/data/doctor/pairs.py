"""Which image belongs to which mask, told even where something is missing: by a competition's patterns, or guessed.

found = by_patterns(competition, root)       # Found(records, findings)
found = guessed(root)                        # from folders such as images/ and masks/, endings such as _mask
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lib.competitions import Competition, Pair
from lib.competitions.layout import find_images
from lib.competitions.patterns import fields, fill, find
from lib.competitions.schema import Source
from lib.data.doctor.findings import Example, Finding, relative, several
from lib.data.doctor.guessing import pairs_of, part_of
from lib.data.doctor.records import Mask, Picture, Record
from lib.errors import DataError, UsageError
from lib.rasters import header_size


@dataclass(frozen=True)
class Found:
    """What lies under a data root."""

    records: list[Record]
    findings: list[Finding]
    """Strays, masks without an image, are among them."""


def by_patterns(competition: Competition, root: Path, divided: Callable[[list[Pair]], dict[str, str]]) -> Found:
    """Pairs as a competition's patterns say, with everything that does not fit told instead of raised.

    `divided`: from pairs to the part of each id. Raises `UsageError` where no image fits at all.
    """
    source = competition.data.train
    images = [(path, found, source.identity(found)) for path, found in find_images(source, root)]
    if not images:
        raise UsageError(
            f"no image under {root} fits the pattern {source.images!r}", "give the data root with --data DIR"
        )
    records, findings, expected = [], [], {}
    lonely, pairs = [], []
    for path, found, identity in images:
        mask = root / fill(source.masks, found)
        expected[mask] = identity
        group = fill(source.group, found) if source.group else identity
        if mask.is_file():
            records.append(Record(identity, group, Picture(path), Mask(mask)))
            pairs.append(Pair(identity, path, mask, group))
        else:
            lonely.append((path, mask))
            records.append(Record(identity, group, Picture(path)))
    strays = [path for path, _ in find(root, source.masks) if path not in expected]
    findings += _partners(root, lonely, strays, len(images))
    findings += _colliding(source, images)
    findings += _stems({path: identity for path, _, identity in images}, root, source)
    if len({pair.id for pair in pairs}) == len(pairs):
        parts = divided(pairs)
        for record in records:
            record.part = parts.get(record.id)
    records += _tests(competition, root, {record.image.path for record in records})
    records += _strays(strays, root)
    return Found(sorted(records, key=lambda record: record.id), findings)


def _tests(competition: Competition, root: Path, known: set[Path]) -> list[Record]:
    """The images of the test set, which need no masks."""
    source = competition.data.test
    if source is None:
        return []
    records = []
    for path, found in find_images(source, root):
        if path not in known:
            mask = root / fill(source.masks, found) if source.masks else None
            identity = f"test:{source.identity(found)}"
            own = Mask(mask) if mask and mask.is_file() else None
            records.append(Record(identity, identity, Picture(path), own, "test"))
    return records


def guessed(root: Path) -> Found:
    """Pairs without a competition: what `pairs_of` finds, and what it finds no partner for."""
    pairs, lonely, strays = pairs_of(root)
    if not pairs:
        raise UsageError(
            f"no pairs of images and masks were found under {root}",
            "put them into folders such as images/ and masks/, or describe them: -c FILE.toml",
        )
    records = []
    for image, mask in [*pairs, *((path, None) for path in lonely)]:
        identity = relative(image, root)
        part = part_of(image, root)
        records.append(Record(identity, identity, Picture(image), Mask(mask) if mask else None, part))
    tests = [path for path in lonely if part_of(path, root) == "test"]
    findings = _partners(root, [(path, None) for path in lonely if path not in tests], strays, len(records))
    findings += _stems({image: "" for image, _ in pairs}, root, None)
    records += _strays(strays, root)
    return Found(sorted(records, key=lambda record: record.id), findings)


def _strays(paths: list[Path], root: Path) -> list[Record]:
    """Masks without an image, whose values are looked at too."""
    ids = [f"mask:{relative(path, root)}" for path in paths]
    return [Record(name, name, Picture(path), Mask(path), stray=True) for name, path in zip(ids, paths, strict=True)]


def sizes(records: Sequence[Record], competition: Competition | None) -> list[Finding]:
    """Masks that do not have their image's size."""
    known = [record for record in records if record.mask and record.mask.head and record.image.head]
    wrong = [record for record in known if not _fits(record, competition)]
    if not wrong:
        return []
    resampled = bool(competition and competition.masks.resample)
    turned = [record for record in wrong if record.image.head.shape == record.mask.head.shape[::-1]]
    tagged = [record for record in turned if record.image.head.orientation >= 5]
    first = (tagged or turned or wrong)[0]
    image, mask = first.image.head.shape, first.mask.head.shape
    how = f"the image is {image[1]}x{image[0]}, its mask {mask[1]}x{mask[0]} (width x height)"
    fix = "bring the right files, or say how labels come onto the image's grid: masks.resample"
    if tagged:
        how += "; the camera's orientation tag says that the image is to be turned"
        fix = 'set images.orientation = "exif"'
    elif turned:
        how += "; rows and columns are swapped"
        fix = "transpose the masks"
    what = f"{several(len(wrong), 'mask')} of another size than the image: {how}"
    paths = tuple(record.mask.path for record in wrong)
    example = Example(first.image.path, first.mask.path)
    level = "note" if resampled else "error"
    return [Finding(level, "sizes", what, paths, len(wrong) / len(known), None if resampled else fix, example)]


def _fits(record: Record, competition: Competition | None) -> bool:
    shape = record.image.head.shape
    if competition and competition.images.orientation == "exif" and record.image.head.orientation >= 5:
        shape = shape[::-1]
    return shape == record.mask.head.shape


def _partners(root: Path, lonely: list, strays: list[Path], images: int) -> list[Finding]:
    found = []
    if lonely:
        path, mask = lonely[0]
        missing = f" ({relative(mask, root)} is missing)" if mask else ""
        what = f"{several(len(lonely), 'image')} without a mask{missing}"
        fix = "bring the missing files, or move images without a mask out of the training folder"
        paths = tuple(image for image, _ in lonely)
        found.append(Finding("error", "pairs", what, paths, len(lonely) / images, fix, Example(path)))
    if strays:
        what = f"{several(len(strays), 'mask')} without an image"
        fix = "bring the missing images, or move the masks away"
        found.append(Finding("error", "pairs", what, tuple(strays), None, fix, Example(mask=strays[0])))
    return found


def _colliding(source: Source, images: list) -> list[Finding]:
    """Ids that two images would both get."""
    paths = defaultdict(list)
    for path, _, identity in images:
        paths[identity].append(path)
    twins = {identity: every for identity, every in paths.items() if len(every) > 1}
    if not twins:
        return []
    identity, every = next(iter(twins.items()))
    what = f"{several(len(twins), 'id')} that several images would have, such as {identity!r} ({len(every)} images)"
    holes = "_".join(f"{{{name}}}" for name in fields(source.images))
    fix = f'write data.train.id so that it tells them apart, such as id = "{holes}"'
    where = tuple(path for each in twins.values() for path in each)
    return [Finding("error", "ids", what, where, len(where) / len(images), fix, Example(every[0], other=every[1]))]


def _stems(images: Mapping[Path, str], root: Path, source: Source | None) -> list[Finding]:
    """The same file name in several folders: an id of the name alone would not tell them apart. `images`: with the ids
    that `source` gives them."""
    paths = defaultdict(list)
    for path in images:
        paths[path.stem].append(path)
    twins = {stem: every for stem, every in paths.items() if len(every) > 1}
    if not twins:
        return []
    stem, every = max(twins.items(), key=lambda item: len(item[1]))
    where = tuple(path for each in twins.values() for path in each)
    what = f"{several(len(twins), 'file name')} in several folders each, such as {stem!r} in {len(every)} folders"
    example = Example(every[0], other=every[1])
    folder = os.path.commonpath([relative(path, root) for path in every])
    if source is None:
        fix = "let ids name the folder too, in the competition's file: data.train.id"
        return [Finding("warning", "ids", what, where, len(where) / len(images), fix, example)]
    if len({images[path] for path in every}) < len(every):  # told as colliding ids
        return []
    pattern = source.id or "_".join(f"{{{name}}}" for name in fields(source.images))
    what += f" below {folder or root.name}; ids tell them apart ({pattern})"
    return [Finding("note", "ids", what, where, len(where) / len(images), None, example)]


def split_parts(competition: Competition, pairs: list[Pair], root: Path) -> dict[str, str]:
    """Which part training would put each id into, as far as whole images are divided."""
    from lib.data import lists
    from lib.data.splits import split

    official = competition.data.lists
    try:
        if official is None:
            training, held_out = split(pairs, 0.2, 0)
        elif official.tile:
            return {}
        else:
            named = lists.read(pairs, competition, root, lambda pair: header_size(pair.image))
            training, held_out = named.train, named.validation
    except DataError:
        return {}
    return {pair.id: "training" for pair in training} | {pair.id: "validation" for pair in held_out}
