"""Images that stand in for a competition's hidden test set: others than the kernel has seen, under other names.

root = hidden_root(competition, data, folder, count=6, seed=0)      # laid out like the data root, with its own sample
"""

from __future__ import annotations

import random
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from lib import files
from lib.competitions import Competition, find_pairs
from lib.competitions.layout import find_images, holds
from lib.competitions.patterns import fields, fill
from lib.competitions.schema import Source
from lib.data.scenes import scene
from lib.errors import SwathError, UsageError
from lib.rasters import encode_png
from lib.rasters.masks import empty_mask
from lib.submissions.containers import container
from lib.submissions.layout import expected
from lib.submissions.truth import size_of

SCENES = 900
"""The first of the built-in scenes that neither training nor the visible test set holds."""

SIZES = [(263, 389), (347, 251), (299, 413), (241, 355), (371, 309), (287, 443)]


def hidden_root(competition: Competition, data: Path | None, folder: Path, count: int, seed: int = 0) -> Path:
    """Fill `folder` with `count` test images and a sample submission for them; returns it.

    The built-in competition gets scenes of its own; any other a random choice of the images under `data`, test images
    where there are some, each under a name that no image has, in another order. Raises `UsageError` without images.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if competition.data.built_in:
        _draw(competition.data.test, folder, count, seed)
    else:
        _choose(competition, data, folder, count, seed)
    _write_sample(competition, folder)
    return folder


def _draw(test: Source, folder: Path, count: int, seed: int) -> None:
    for number in range(count):
        image, _ = scene(SCENES + 1000 * seed + number, *SIZES[number % len(SIZES)])
        files.write(folder / fill(test.images, {"id": f"{8000 + 3 * number}"}), encode_png(image))


def _choose(competition: Competition, data: Path | None, folder: Path, count: int, seed: int) -> None:
    test = competition.data.test
    if data is None:
        raise UsageError(f"where are the images of {competition.name}?", "give the data root with --data DIR")
    source = test if holds(test, data) or competition.data.train is None else competition.data.train
    known = find_images(source, data)
    if not known:
        raise UsageError(f"no image under {data} fits the pattern {source.images!r}", "give the data root with --data")
    rng = random.Random(seed)
    chosen = rng.sample(known, min(count, len(known)))
    chosen += rng.choices(known, k=count - len(chosen))
    taken = {value for _, found in known for value in found.values()}
    hole = _hole(test)
    for number, (path, found) in enumerate(chosen):
        values = {name: found.get(name, next(iter(found.values()))) for name in fields(test.images)}
        values[hole] = _other_name(values[hole], number, taken)
        place = folder / fill(test.images, values)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(path.resolve())


def _hole(source: Source) -> str:
    """The field of a pattern that tells one image from the next: the last of its id, or of its own."""
    named = fields(source.id or "") or fields(source.images)
    suffixes = [name for name in named if f".{{{name}}}" in source.images]
    return [name for name in named if name not in suffixes][-1]


def _other_name(old: str, number: int, taken: set[str]) -> str:
    """A name that is not `taken`, all digits where the old one is."""
    while True:
        name = str(10 ** max(len(old), 4) - 1 - number) if old.isdecimal() else f"hidden{number:04}"
        if name not in taken:
            taken.add(name)
            return name
        number += 1


def _write_sample(competition: Competition, folder: Path) -> None:
    """A sample submission: empty masks for every image, the images in an order that is not theirs."""
    form = competition.submission.csv
    if not form or not form.sample:
        return
    pairs = find_pairs(competition.data.test, folder, masks=False)
    layout = expected(competition, {pair.id: size_of(pair, competition) for pair in pairs})
    shuffled = replace(layout, rows=layout.rows.by_images(layout.images[::-1]))

    def empty(image: str) -> np.ndarray | list:
        return empty_mask(competition, layout.sizes[image])

    with suppress(SwathError):  # a form whose empty file is none has no sample to write
        container.write(empty, competition, shuffled, folder / form.sample)
