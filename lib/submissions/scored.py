"""Truth and predictions brought together, as `submit.py` and `submit.py score` do it; score.json and score.html.

document, pictures = score_place(path, truth, competition)
written = write_score(folder, document, pictures, competition, path)
document, written, why_not = score_job(path, job, layout, folder)
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from lib import files
from lib.competitions import Competition, find_pairs
from lib.competitions.layout import holds
from lib.data.roots import home_root
from lib.errors import Failed, SwathError, UsageError
from lib.folders import cache_folder
from lib.rasters import header_size, masks_in
from lib.reporting.gallery import Gallery, Picture
from lib.reporting.score_page import page
from lib.submissions.asked import extents_of
from lib.submissions.containers.container import is_file_of
from lib.submissions.job import Job
from lib.submissions.layout import Layout, expected
from lib.submissions.truth import score_document, score_file, truth_at

DOCUMENT, PAGE = "score.json", "score.html"

IMAGES = (".jpg", ".jpeg", ".png", ".tif", ".tiff")

OURS = {"competition", "score", "rule", "images"}
"""Keys by which a score.json is known to be one of these."""


def score_place(
    path: Path, truth: Path, competition: Competition, data: Path | None = None, details: bool | None = None
) -> tuple[dict[str, Any], list[Picture]]:
    """Score a file or a folder of masks: the document, and pictures of the worst and the best images.

    `truth`: a folder of masks, or a file in the submission's own form. `data`: the data root, whose images the pictures
    show, and whose sizes a file of run lengths may need. A folder may hold masks of some of the truth's images, and of
    others: the document names those without a mask as `left_out`, those without a truth as `no_truth`. Raises
    `DataError` where predictions and truth do not fit.
    """
    images = images_under(competition, data)
    sizes = {image: header_size(file, competition.images) for image, file in images.items()} if truth.is_file() else {}
    extents = extents_of(competition, data) if data else {}
    right = truth_at(truth, competition, sizes, extents)
    gallery = Gallery(competition)
    layout = right.layout or expected(competition, right.sizes, extents=extents)
    one_sided = _on_one_side(path, competition, layout)
    if absent := one_sided.get("left_out"):
        there = {image: size for image, size in layout.sizes.items() if image not in absent}
        layout = expected(competition, there, extents=extents)
    notes: list[str] = []
    total, each = score_file(path, competition, layout, right, details, gallery.see, notes.append)
    document = score_document(competition, total, each) | one_sided | ({"notes": notes} if notes else {})
    return document, gallery.pictures(images, each)


def _on_one_side(path: Path, competition: Competition, layout: Layout) -> dict[str, list[str]]:
    """The images that either a folder of masks or the truth lacks, when they share some; a file must hold all."""
    if not path.is_dir() or is_file_of(path, competition):
        return {}
    known, true = {*masks_in(path, competition).images}, {*layout.images}
    lacking = {"left_out": true - known, "no_truth": known - true} if known & true else {}
    return {key: sorted(images) for key, images in lacking.items() if images}


def images_under(competition: Competition, data: Path | None) -> dict[str, Path]:
    """The images of a data root by their ids; of a folder that is no data root, its images by their names' stems.

    None when no root was given and the competition has none of its own.
    """
    if data is None and not competition.data.built_in:
        return {}
    root = home_root(competition, data, cache_folder())
    sources = [source for source in (competition.data.train, competition.data.test) if holds(source, root)]
    if sources:
        return {pair.id: pair.image for source in sources for pair in find_pairs(source, root, masks=False)}
    if not root.is_dir():
        raise UsageError(f"{root} is no folder", "give the images with --data DIR")
    return {path.stem: path for path in sorted(root.iterdir()) if path.suffix.lower() in IMAGES}


def score_job(path: Path, job: Job, layout: Layout, folder: Path) -> tuple[dict[str, Any], list[Path], str | None]:
    """Score the file of a job whose truth is at hand: the document, what was written into `folder`, or why not."""
    gallery = Gallery(job.competition)
    total, each = score_file(path, job.competition, layout, job.right, see=gallery.see)
    document = score_document(job.competition, total, each)
    pictures = gallery.pictures({pair.id: pair.image for pair in job.images}, each)
    return document, *written_or_why(folder, document, pictures, job.competition, path)


def written_or_why(
    folder: Path, document: dict[str, Any], pictures: list[Picture], competition: Competition, scored: Path
) -> tuple[list[Path], str | None]:
    """What `write_score` wrote, or else why it wrote nothing: a score does not hang on its page."""
    try:
        return write_score(folder, document, pictures, competition, scored), None
    except SwathError as error:
        return [], error.reason


def write_score(
    folder: Path, document: dict[str, Any], pictures: list[Picture], competition: Competition, scored: Path
) -> list[Path]:
    """Write score.json and score.html into a folder; their paths.

    Raises `UsageError` when a score.json stands there that is none of these, `Failed` where nothing can be written.
    """
    target = folder / DOCUMENT
    if target.exists():
        content = None
        with suppress(Failed):
            content = files.read_json(target)
        if not isinstance(content, dict) or not set(content) >= OURS:
            raise UsageError(f"{target} is there, and no score of this kit's", "choose another folder with --out DIR")
    files.write(folder / PAGE, page(document, pictures, competition, scored.name))
    files.write_json(target, document)
    return [target, folder / PAGE]
