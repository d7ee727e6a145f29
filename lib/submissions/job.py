"""A submission's job: which images it is for, where their truth and the sample submission lie, and the file made.

    job = find_job(competition, root, held_out=["1007", …])
    result = make_file(job, masks, folder)

The images are the competition's test images when it has any under the data root; otherwise the validation images that
a run held out, which at least have a truth.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from lib import files
from lib.competitions import Competition, Pair, find_pairs
from lib.competitions.layout import holds
from lib.data.roots import home_root
from lib.errors import UsageError
from lib.folders import cache_folder
from lib.rasters import header_size
from lib.submissions.check import check
from lib.submissions.container import suffix, write
from lib.submissions.layout import Layout, Masks, expected
from lib.submissions.truth import score_file, truths


@dataclass(frozen=True)
class Job:
    """Images to predict, and what is known about the file that they go into."""

    competition: Competition
    images: list[Pair]
    which: str
    truth: dict[str, Path]
    """Truth masks by image id; empty when the truth is the competition's secret."""
    sample: Path | None

    def layout(self, sample: Path | None = None) -> Layout:
        """The rows or members of the file, with every mask's size; `sample` instead of the data root's."""
        sizes = {pair.id: header_size(pair.image) for pair in self.images}
        return expected(self.competition, sizes, sample or self.sample)


def find_job(competition: Competition, root: Path, held_out: list[str] | None = None) -> Job:
    """The job under a data root; `held_out` are the ids of a run's validation images."""
    test = competition.data.test
    if test and holds(test, root):
        images = find_pairs(test, root, masks=False)
        return Job(competition, images, "test", _truth_of_test(competition, root, images), _sample(competition, root))
    pairs = {pair.id: pair for pair in find_pairs(competition.data.train, root)}
    if held_out is None:
        raise UsageError(
            f"{competition.name} has no test images under {root}",
            "name the run whose validation images are meant: --run RUN",
        )
    lost = [image for image in held_out if image not in pairs]
    if lost:
        raise UsageError(
            f"{root} does not hold {len(lost)} of the run's {len(held_out)} validation images: {', '.join(lost[:3])}",
            "give the data root that the run was trained on with --data DIR",
        )
    images = [pairs[image] for image in held_out]
    return Job(competition, images, "validation", {pair.id: pair.mask for pair in images}, None)


class Trained(Protocol):
    """What a job needs of a run: the data root it was started with, the images it held out."""

    @property
    def data(self) -> Path | None: ...

    @property
    def held_out(self) -> list[str]: ...


def job_for(competition: Competition, data: Path | None, run: Trained | None = None) -> Job:
    """The images under the data root that was given, or else the run's."""
    root = home_root(competition, data or (run.data if run else None), cache_folder())
    return find_job(competition, root, run.held_out if run else None)


def layout_for(
    competition: Competition,
    data: Path | None,
    sample: Path | None,
    run: Trained | None = None,
    images: list[str] | None = None,
) -> Layout:
    """What a file must hold: from the data root where it is known, else from the sample or the masks at hand."""
    if competition.data.built_in or data or (run and run.data):
        return job_for(competition, data, run).layout(sample)
    return expected(competition, dict.fromkeys(images) if images else None, sample)


def make_file(job: Job, masks: Masks, folder: Path) -> dict[str, Any]:
    """Write `folder/submission.csv` (or .zip), decode it again and compare, score it where there is a truth.

    Returns what happened: `file`, `sha256`, `bytes`, `rows`, `images`, `which`, `problems`, `score` (None without a
    truth or with problems).
    """
    layout, path = job.layout(), folder / f"submission{suffix(job.competition)}"
    write(masks, job.competition, layout, path)
    problems = check(path, job.competition, layout, masks)
    scored = (
        score_document(job.competition, *score_file(path, job.competition, layout, job.truth))
        if job.truth and not problems
        else None
    )
    return {
        "file": str(path),
        "sha256": files.sha256(path),
        "bytes": path.stat().st_size,
        "rows": len(layout.rows),
        "images": len(layout.images),
        "which": job.which,
        "sample": str(job.sample) if job.sample else None,
        "problems": problems,
        "score": scored,
    }


def score_document(competition: Competition, total, each: dict[str, float]) -> dict[str, Any]:
    """A score as `--json` prints it."""
    return {
        "competition": competition.name,
        "score": total.value,
        "rule": competition.metric.label,
        "baselines": total.baselines,
        "per_class": total.per_class,
        "images": each,
    }


def _sample(competition: Competition, root: Path) -> Path | None:
    csv = competition.submission.csv
    path = root / csv.sample if csv and csv.sample else None
    return path if path and path.is_file() else None


def _truth_of_test(competition: Competition, root: Path, images: list[Pair]) -> dict[str, Path]:
    if competition.data.test.masks is None:
        return {}
    wanted = {pair.id for pair in images}
    found = {image: path for image, path in truths(competition, root).items() if image in wanted}
    return found if len(found) == len(wanted) else {}
