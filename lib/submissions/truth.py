"""Scores predictions against truth masks by the competition's own rule: a submitted file, or a folder of masks.

truth = truth_at(place, competition)
total, each = score_file(path, competition, expected(competition, truth.sizes), truth)

A folder is taken for the competition's file where that is a folder (`container.is_file_of`), else for masks, and
scores what a file made of them scores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from lib.competitions import Competition, Pair
from lib.competitions.patterns import fields, find
from lib.competitions.schema import Source
from lib.errors import DataError, UsageError
from lib.rasters import header_size, masks_in
from lib.rasters.mask_reading import unheard
from lib.rasters.truth_masks import TruthFolder, read_truth, truth_of_pair
from lib.scoring import Score, Tally, image_scores, interval, score, take
from lib.scoring.breakdown import Breakdown
from lib.scoring.tally import Mask
from lib.submissions.checking.compare import wanted
from lib.submissions.containers.container import is_file_of, opened, read
from lib.submissions.layout import Layout, Size, expected

MOST_PIXELS = 100_000_000
"""Of a set whose errors are broken down by borders and sizes without being asked for."""


See = Callable[[str, Mask, Mask, Size, float | None], None]


@dataclass(frozen=True)
class Truth:
    """The truth of a set of images: each one's size where it is known, and its mask at a size."""

    sizes: Mapping[str, Size | None]
    mask: Callable[[str, Size | None], Mask]
    layout: Layout | None = None
    """Of a file's rows; predictions in its order need no mask to be kept."""


def truth_at(
    place: Path,
    competition: Competition,
    images: Mapping[str, Size] | None = None,
    extents: Mapping[str, tuple[float, float]] | None = None,
) -> Truth:
    """The truth in a folder of masks, or in a file of the submission's own kind, such as a train.csv of run lengths.

    `images`: sizes of images, which a file's masks may need; `extents`: theirs in grid units. Raises
    `UsageError` when there is nothing.
    """
    if not place.is_file():
        return truth_in(place, competition)
    csv = competition.submission.csv
    if not csv and not images:
        raise UsageError(
            f"nobody said which images {place} holds the truth of", "unpack it into a folder, or give --data DIR"
        )
    layout = expected(competition, None if csv else images, place if csv else None, extents)
    sizes = {image: size or (images or {}).get(image) for image, size in layout.sizes.items()}
    layout = replace(layout, sizes=sizes)
    ahead, kept = read(place, competition, layout), {}

    def mask(image: str, size: Size | None) -> Mask:
        while image not in kept:
            kept.update([next(ahead)])
        return kept.pop(image)

    return Truth(sizes, mask, layout)


def of_paths(paths: Mapping[str, Path], competition: Competition) -> Truth:
    """The truth of images whose masks lie at these paths."""
    return Truth(sizes_of(paths), lambda image, size: read_truth(paths[image], competition, size))


def of_pairs(pairs: Iterable[Pair], competition: Competition) -> Truth:
    """The truth of images whose pairs are known: parts of images too, and labels on another grid than their image's."""
    known = {pair.id: pair for pair in pairs if pair.mask is not None}
    sizes = {image: size_of(pair, competition) for image, pair in known.items()}
    return Truth(sizes, lambda image, size: truth_of_pair(known[image], competition, size))


def size_of(pair: Pair, competition: Competition) -> Size:
    """Height and width of an image as it is read, or of the part that a pair is of it."""
    if pair.window is None:
        return header_size(pair.image, competition.images)
    top, bottom, left, right = pair.window
    return bottom - top, right - left


def truth_in(folder: Path, competition: Competition) -> Truth:
    """The truth masks in a folder: laid out like the data root, or flat, or simply `{id}.png`, or `CLASS/{id}.png`."""
    if not folder.is_dir():
        raise UsageError(f"the truth folder {folder} does not exist", "give it with --truth DIR")
    for source in (competition.data.test, competition.data.train):
        for pattern in (source.masks, PurePosixPath(source.masks).name) if source and source.masks else ():
            found = masks_by_id(source, pattern, folder)
            if found:
                return of_paths(found, competition)
    masks = TruthFolder(folder, competition)
    return Truth(masks.sizes(), masks)


def masks_by_id(source: Source, pattern: str, folder: Path) -> dict[str, Path]:
    """The files under `folder` that fit a pattern of masks, by image id; empty when the pattern cannot tell an id."""
    wanted = set(fields(source.id or source.images))
    found = find(folder, pattern) if wanted <= set(fields(pattern)) else ()
    return {source.identity(values): path for path, values in found}


def sizes_of(paths: Mapping[str, Path]) -> dict[str, tuple[int, int]]:
    """Height and width of each image's file, from its header."""
    return {image: header_size(path) for image, path in paths.items()}


def score_file(
    path: Path,
    competition: Competition,
    layout: Layout,
    paths: Mapping[str, Path] | Truth,
    details: bool | None = None,
    see: See | None = None,
    note: Callable[[str], None] = unheard,
) -> tuple[Score, dict[str, float | None]]:
    """The score of a file, or of a folder of masks, over every image of the layout, and each image's own.

    An image of which nothing counts has None. Where the file has a fixed size, the truth is brought to it by nearest
    neighbour. `details`: whether errors are broken down; None: unless there are very many pixels. `see` is shown every
    image: its id, truth, prediction, size and own score. `note` is told how a folder's masks were read.
    """
    truth = paths if isinstance(paths, Truth) else of_paths(paths, competition)
    missing = [image for image in layout.images if image not in truth.sizes]
    if missing:
        raise DataError(
            f"{len(missing)} images have no truth mask: {', '.join(missing[:3])}", "give the right --truth DIR"
        )
    if details is None:
        details = sum(size[0] * size[1] for size in layout.sizes.values() if size) <= MOST_PIXELS
    predictions = _of_folder(path, competition, layout, note) if path.is_dir() else read(path, competition, layout)
    return score_masks(predictions, truth, competition, layout.sizes, details, see)


def score_masks(
    predictions: Iterable[tuple[str, Mask]],
    truth: Truth,
    competition: Competition,
    sizes: Mapping[str, Size | None],
    details: bool = False,
    see: See | None = None,
) -> tuple[Score, dict[str, float | None]]:
    """The score of masks as they come, pairs of id and mask, and each image's own; no mask is kept."""
    counts, images, breakdown = [], [], Breakdown(competition)
    for image, mask in predictions:
        size = mask.shape if hasattr(mask, "shape") else sizes.get(image) or truth.sizes[image]
        right = truth.mask(image, size)
        _must_fit(image, right, size)
        counts.append(take(right, mask, competition, size))
        if details:
            breakdown.add(right, mask, size)
        images.append(image)
        if see:
            (own,) = image_scores(Tally.of(counts[-1:], competition), competition)
            see(image, right, mask, size, own)
    if not images:
        raise DataError("there is no image to score", "give the right --truth DIR")
    tally = Tally.of(counts, competition, images)
    if not tally.pixels.any():
        raise DataError(
            f"nothing can be scored: the truth of all {len(images)} images is ignored, every pixel of it",
            "give masks in the competition's own colours or values: --truth DIR",
        )
    total = replace(
        score(tally, competition),
        interval=interval(tally, competition),
        table=None if tally.tables is None else tally.tables.sum(axis=0).tolist(),
        details=breakdown.document() if details else None,
    )
    return total, dict(zip(images, image_scores(tally, competition), strict=True))


def score_document(competition: Competition, total: Score, each: dict[str, float | None]) -> dict[str, Any]:
    """A score as `--json` prints it and score.json holds it."""
    return {
        "competition": competition.name,
        "score": total.value,
        "rule": competition.metric.label,
        "interval": total.interval,
        "baselines": total.baselines,
        "parts": total.parts,
        "also": total.also,
        "groups": total.groups,
        "per_class": total.per_class,
        "classes": total.classes,
        "table": total.table and {"rows": "truth", "classes": [*competition.names, "none"], "pixels": total.table},
        "details": total.details,
        "images": each,
    }


def _of_folder(
    folder: Path, competition: Competition, layout: Layout, note: Callable[[str], None]
) -> Iterator[tuple[str, Mask]]:
    """What a folder gives for each image: the competition's file, or masks, as a file made of them would hold them."""
    if is_file_of(folder, competition):
        with opened(folder, competition, layout) as album:
            yield from ((image, album.mask(image)) for image in layout.images)
        return
    masks = masks_in(folder, competition)
    masks.must_fit(layout.sizes)
    for image in layout.images:
        yield image, wanted(masks(image), image, competition, layout, layout.sizes[image])
    for sentence in masks.notes:
        note(sentence)


def _must_fit(image: str, truth: Mask, size: Size) -> None:
    if hasattr(truth, "shape") and truth.shape != tuple(size):
        raise DataError(
            f"the truth of {image} is {truth.shape[1]}x{truth.shape[0]}, and its mask {size[1]}x{size[0]}",
            "give masks of one size",
        )
