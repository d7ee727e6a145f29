"""A submission's job: which images it is for, where their truth and the sample submission lie.

    job = find_job(competition, root, run)
    layout = job.layout()

The images are the competition's test images when it has any under the data root; otherwise the validation images that
a run held out, which at least have a truth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from lib.competitions import Competition, Pair, find_pairs
from lib.competitions.layout import holds
from lib.data.lists import ShapeOf, pair_named
from lib.data.lists import read as read_lists
from lib.data.roots import home_root
from lib.errors import Refused, UsageError
from lib.folders import cache_folder
from lib.rasters import BroughtMasks, header_size
from lib.submissions.asked import asked, extents_of, sample_under
from lib.submissions.layout import Layout, Size, expected
from lib.submissions.truth import Truth, masks_by_id, of_pairs, size_of


@dataclass(frozen=True)
class Job:
    """Images to predict, and what is known about the file that they go into."""

    competition: Competition
    images: list[Pair]
    which: str
    truth: dict[str, Path]
    """Truth masks by image id; empty when the truth is the competition's secret."""
    sample: Path | None
    extents: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Xmax and Ymin of images whose polygons are written in grid units."""

    def layout(self, sample: Path | None = None) -> Layout:
        """The rows or members of the file, with every mask's size; `sample` instead of the data root's."""
        sizes = {pair.id: size_of(pair, self.competition) for pair in self.images}
        return expected(self.competition, sizes, sample or self.sample, self.extents)

    @property
    def right(self) -> Truth:
        """The truth that the file is scored against."""
        own = {pair.id: pair for pair in self.images}
        return of_pairs([replace(own[image], mask=path) for image, path in self.truth.items()], self.competition)


class Trained(Protocol):
    """What a job needs of a run: the data root it was started with, the ids of the images it held out."""

    @property
    def data(self) -> Path | None: ...

    @property
    def held_out(self) -> list[str]: ...


def find_job(competition: Competition, root: Path, run: Trained | None = None) -> Job:
    """The job under a data root; without test images there, the images that `run` held out."""
    test = competition.data.test
    if test and holds(test, root):
        images = find_pairs(test, root, masks=False)
        truth, sample = _truth_of_test(competition, root, images), sample_under(competition, root)
        return Job(competition, images, "test", truth, sample, extents_of(competition, root))
    listed = _listed_for_test(competition, root)
    if listed:
        truth, sample = {pair.id: pair.mask for pair in listed}, sample_under(competition, root)
        return Job(competition, listed, "test", truth, sample, extents_of(competition, root))
    if run is None:
        raise UsageError(
            f"{competition.name} has no test images under {root}",
            "say which images the file is for: --sample CSV, or --data DIR with test images",
        )
    images = held_out_among(find_pairs(competition.data.train, root), root, competition, run)
    truth = {pair.id: pair.mask for pair in images}
    return Job(competition, images, "validation", truth, None, extents_of(competition, root))


def held_out_pairs(competition: Competition, data: Path | None, run: Trained) -> list[Pair]:
    """The images, or parts of them, that a run held out, under the data root that was given, or else the run's."""
    root = home_root(competition, data or run.data, cache_folder())
    return held_out_among(find_pairs(competition.data.train, root), root, competition, run)


def held_out_among(pairs: list[Pair], root: Path, competition: Competition, run: Trained) -> list[Pair]:
    """Those of a data root's pairs, or the parts of them, that a run held out; `UsageError` when it lacks any."""
    known, held_out = {pair.id: pair for pair in pairs}, run.held_out
    found = {image: pair_named(image, known, competition, shapes(competition)) for image in held_out}
    lost = [image for image, pair in found.items() if pair is None]
    if lost:
        raise UsageError(
            f"{root} does not hold {len(lost)} of the run's {len(held_out)} validation images: {', '.join(lost[:3])}",
            "give the data root that the run was trained on with --data DIR",
        )
    return [found[image] for image in held_out]


def _listed_for_test(competition: Competition, root: Path) -> list[Pair]:
    """The images, or parts of them, that an official list of the training folder keeps for the test."""
    source, lists = competition.data.train, competition.data.lists
    if not (source and lists and lists.test and holds(source, root)):
        return []
    pairs = find_pairs(source, root)
    known = {pair.id: pair for pair in pairs}
    named = read_lists(pairs, competition, root, shapes(competition)).test
    found = [pair_named(name, known, competition, shapes(competition)) for name in named]
    return [pair for pair in found if pair is not None]


def shapes(competition: Competition) -> ShapeOf:
    """Height and width of a pair's whole image, as it is read."""
    return lambda pair: header_size(pair.image, competition.images)


def job_for(competition: Competition, data: Path | None, run: Trained | None = None) -> Job:
    """The images under the data root that was given, or else the run's."""
    root = home_root(competition, data or (run.data if run else None), cache_folder())
    return find_job(competition, root, run)


def layout_for(
    competition: Competition,
    data: Path | None,
    sample: Path | None,
    run: Trained | None = None,
    masks: BroughtMasks | None = None,
    file: Path | None = None,
    size: Size | None = None,
) -> Layout:
    """What a file must hold: from the data root where it is known, else from the sample, the masks at hand, or both;
    where none of them says it, from the `file` itself. `size` is that of images whose size nobody else knows."""
    described = competition.data.built_in or competition.data.train or competition.data.test
    if described and (competition.data.built_in or data or (run and run.data)):
        layout = job_for(competition, data, run).layout(sample)
        if masks:
            masks.must_fit(layout.sizes)
        return layout
    return asked(competition, data, sample, masks, file, size)


def layout_to_send(competition: Competition, data: Path | None, sample: Path | None, run: Trained) -> Layout:
    """What a file for the leaderboard must hold; `Refused` when only a run's validation images are at hand."""
    if sample is None and (competition.data.built_in or data or run.data):
        job = job_for(competition, data, run)
        if job.which != "test":
            raise Refused(
                f"the file is for images that the run held out, and {competition.name} scores its test images",
                "predict those first: python submit.py --data DIR, where DIR holds them",
            )
        return job.layout()
    return layout_for(competition, data, sample, run)


def _truth_of_test(competition: Competition, root: Path, images: list[Pair]) -> dict[str, Path]:
    """The test images' masks under the data root; empty unless all of them are there."""
    test = competition.data.test
    found = masks_by_id(test, test.masks, root) if test.masks else {}
    truth = {pair.id: found[pair.id] for pair in images if pair.id in found}
    return truth if len(truth) == len(images) else {}
