"""Which of the pictures are for training, which are test images, and what must stay together in a split.

parts = divided(matches, left)      # .train, .test: layouts; .notes
group_of(layout)                    # ("{tile}", "4 folders of 2 images and more", layout)
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from lib.data.discover import words
from lib.data.discover.matching import Match
from lib.data.discover.patterns import Layout, laid_out, of_images
from lib.errors import first

GROUPS, EACH = 3, 1.5
"""Groups that a proposal needs at least, and images in each of them on average."""


@dataclass(frozen=True)
class Parts:
    """The layouts of training and test images."""

    train: Layout
    test: Layout | None
    why_test: str
    notes: tuple[str, ...]


def divided(matches: list[Match], left: list[PurePosixPath]) -> Parts:
    """Pairs outside folders of validation and test are for training; test images are in a folder that says so."""
    by_division: dict[str, list[Match]] = defaultdict(list)
    for match in matches:
        by_division[words.division(match.image) or "train"].append(match)
    train = by_division.pop("train", None) or max(by_division.values(), key=len)
    layout, notes = laid_out(train), []
    odd = [match.image for match in train if match.image not in layout.found]
    if odd:
        notes.append(
            f"{len(odd)} more pairs have other names or endings and are left out: {first(list(map(str, odd)), 3)}"
        )
    held = {name: own for name, own in by_division.items() if own is not train}
    test, why = None, ""
    if "test" in held or "validation" in held:
        name = "test" if "test" in held else "validation"
        test, why = laid_out(held.pop(name)), f"pair(s) of a folder of {name}, never trained on"
    for name, own in held.items():
        notes.append(
            f"{len(own)} pairs lie in a folder of {name}, as {own[0].image}: not trained on; to hold them out instead, "
            "bring all pairs into one folder and name them in [data.lists]"
        )
    cores = {match.image_stem[1] for match in matches}
    same = [path for path in left if words.role(path) != "mask" and _cores(path) & cores and not _is_held(path)]
    images = [path for path in left if words.role(path) != "mask" and path not in set(same)]
    if test is None and images:
        chosen, others = _unlabelled(images, layout)
        if chosen:
            stem = train[0].image_stem
            test, why = of_images(chosen, (stem[0], stem[2]), train[0].image.suffix), "image(s) without masks"
        images = others
    strays = [path for path in left if words.role(path) == "mask"]
    alone = [] if test and test.masks else images
    for said, paths in (
        ("image(s) without a mask in no part", alone),
        ("mask(s) or other rasters without an image", strays),
    ):
        if paths:
            notes.append(f"{len(paths)} {said}: {first([str(path) for path in paths], 3)}")
    return Parts(layout, test, why, tuple(notes))


def _cores(path: PurePosixPath) -> set[str]:
    """What may be the name of the place that an image shows."""
    return {path.stem, words.without_role(path.stem)[1], words.without_last(path.stem)[1]}


def _is_held(path: PurePosixPath) -> bool:
    return words.division(path) in ("test", "validation")


def _unlabelled(images: list[PurePosixPath], train: Layout) -> tuple[list[PurePosixPath], list[PurePosixPath]]:
    """Test images and the rest: those of a folder that says so, else of the largest folder without training images."""
    used = {path.parent for path in train.found}
    by_folder: dict[tuple, list[PurePosixPath]] = defaultdict(list)
    for path in images:
        if path.parent not in used:
            by_folder[
                words.division(path) or "other", path.parent, words.without_last(path.stem)[2], path.suffix
            ].append(path)
    if not by_folder:
        return [], images
    order = {"test": 0, "validation": 1, "other": 2, "train": 3}
    suffix = next(iter(train.found)).suffix
    best = min(by_folder, key=lambda key: (order[key[0]], key[3] != suffix, -len(by_folder[key]), key[1]))
    alike = best[0] == "test"
    chosen = [
        path
        for key, own in by_folder.items()
        for path in own
        if key == best or (alike and key[0] == "test" and key[1].parent == best[1].parent and key[3] == best[3])
    ]
    if len({len(path.parts) for path in chosen}) > 1:
        chosen = by_folder[best]
    return sorted(chosen), sorted(set(images) - set(chosen))


def group_of(layout: Layout) -> tuple[str, str, Layout] | None:
    """A pattern for what must not be divided, what it rests on, and the layout with the holes it needs.

    Images that share a mask show one place; then folders of several images; then ids of pieces, such as city_tile_view,
    whose first ones repeat. None where nothing repeats.
    """
    masks = set(layout.partners.values())
    if len(layout.partners) > 1 and len(masks) == 1:
        return "all", "all images share one mask, so they show the same ground", layout
    for hole in layout.holes:
        values = Counter(found[hole] for found in layout.found.values())
        if hole != "id" and len(values) >= GROUPS and len(layout.found) >= 2 * len(values):
            return f"{{{hole}}}", f"{len(values)} folders of several images: neighbours look alike", layout
    ids = [found["id"].split("_") for found in layout.found.values() if "id" in found]
    if not ids or len({len(pieces) for pieces in ids}) > 1 or not 2 <= len(ids[0]) <= 6 or not all(map(all, ids)):
        return None
    for length in range(1, len(ids[0])):
        groups = {tuple(pieces[:length]) for pieces in ids}
        if len(groups) >= GROUPS and len(ids) >= EACH * len(groups):
            holes = [f"part_{chr(97 + place)}" for place in range(len(ids[0]))]
            pattern = "_".join(f"{{{hole}}}" for hole in holes[:length])
            why = f"ids such as {'_'.join(ids[0])} begin alike: {len(groups)} beginnings, taken for places"
            return pattern, why, split_up(layout, holes)
    return None


def split_up(layout: Layout, holes: list[str]) -> Layout:
    """The layout with a hole for each piece of the id; itself where an id has another number of pieces."""
    found = {}
    for path, texts in layout.found.items():
        pieces = texts["id"].split("_")
        if len(pieces) != len(holes) or not all(pieces):
            return layout
        found[path] = {key: text for key, text in texts.items() if key != "id"} | dict(zip(holes, pieces, strict=True))
    joined = "_".join(f"{{{hole}}}" for hole in holes)
    masks = layout.masks and layout.masks.replace("{id}", joined)
    return replace(layout, images=layout.images.replace("{id}", joined), masks=masks, found=found)
