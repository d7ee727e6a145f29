"""What a competition would refuse, or score as nothing, found before it costs a submission.

    found = inspect(path, competition, layout, masks)      # findings: sentence, severity, cost
    problems = check(path, competition, layout, masks)     # the problems' sentences; [] when the file is right

The file is decoded again, and compared pixel for pixel with the masks that it was made from when they are at hand: a
mask written in the wrong order has the right area and a Dice of 0.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from lib.competitions import Competition
from lib.errors import DataError, Refused, SwathError, first
from lib.rasters.instances import overlapping
from lib.rasters.mask_names import INDEX
from lib.submissions.checking import check_rows, compare
from lib.submissions.checking.findings import Finding, Findings
from lib.submissions.checking.image_order import ImageEvidence
from lib.submissions.checking.orientation import Evidence
from lib.submissions.containers.container import opened, weight
from lib.submissions.containers.decoding import must_not_overlap
from lib.submissions.containers.pictures import Album
from lib.submissions.containers.sent import as_sent, same
from lib.submissions.containers.table import Table
from lib.submissions.layout import Layout, Mask, Masks, Size
from lib.submissions.payloads.payload import Payload


def check(path: Path, competition: Competition, layout: Layout, masks: Masks | None = None) -> list[str]:
    """Sentences that say what is wrong with a file, an empty list when nothing is.

    With `masks` every image is decoded and compared with its mask.
    """
    return [each.sentence for each in inspect(path, competition, layout, masks) if each.severity == "problem"]


def inspect(
    path: Path,
    competition: Competition,
    layout: Layout,
    masks: Masks | None = None,
    images: Mapping[str, Path] | None = None,
) -> list[Finding]:
    """Everything that is wrong or strange in a file; with `masks` it is also compared with them, and with `images`, the
    images' files by id, square masks with the edges in them."""
    found = Findings(competition)
    if competition.submission.folder and (path / INDEX).is_file():
        found.problem(f"{path} holds masks, as {INDEX} says, and not yet the file: encode them", found.refused)
        return found.close()
    _limit(path, competition, found)
    try:
        with opened(path, competition, layout) as file:
            _names(file, competition, layout, found)
            if not found.problems:
                _Contents(file, competition, layout, found, images or {}).look(masks)
    except (DataError, Refused) as error:
        found.problem(error.reason, found.refused)
    return found.close()


def must_pass(path: Path, competition: Competition, layout: Layout) -> None:
    """Raise `Refused` with everything that is wrong with a file."""
    problems = check(path, competition, layout)
    if problems:
        raise Refused(f"{path} would be wasted: {'; '.join(problems)}", f"python submit.py check {path}")


def _limit(path: Path, competition: Competition, found: Findings) -> None:
    limit = competition.submission.max_megabytes
    size = weight(path) / 1e6 if limit and path.exists() else 0
    if limit and size > limit:
        found.problem(f"{path} is {size:.1f} MB, and the competition takes {limit:g} MB", found.refused)


def _names(file, competition: Competition, layout: Layout, found: Findings) -> None:
    if isinstance(file, Table):
        check_rows.columns(file.index, competition, layout, found)
        if len(file.index.columns) == len(competition.submission.csv.columns):
            check_rows.rows(file.index, competition, layout, found)
    elif isinstance(file, Album):
        check_rows.names(file.names, [row.id for row in layout.rows], found)
    else:
        check_rows.names(list(file.objects.places), layout.images, found, all_of_them=False)
    if not layout.asked:
        found.warning("nothing says which images were asked for", "ids are not compared: give --sample or --data")


class _Contents:
    """Looks at every mask of a file once."""

    def __init__(
        self, file, competition: Competition, layout: Layout, found: Findings, images: Mapping[str, Path]
    ) -> None:
        self.file, self.competition, self.layout, self.found = file, competition, layout, found
        self.order = None if isinstance(file, Album) else Payload.of(competition).order
        form = competition.submission.csv
        by_runs = self.order and not (form and (form.payload == "wkt" or form.unit == "patch"))
        self.evidence = Evidence(self.order) if by_runs else None
        self.beside = ImageEvidence(images)
        self.pixels = np.zeros(len(competition.classes), np.int64)
        self.small = self.unsized = 0
        self.whole = True

    def look(self, masks: Masks | None) -> None:
        """Decode image by image; what one image has wrong hides no other's."""
        for image in self.layout.images:
            try:
                if isinstance(self.file, Table) and not self.file.measured(image):
                    self.unsized += 1
                    must = self.file.parts(image)
                    if self.competition.kind == "labels" and not self.competition.submission.csv.repeats:
                        must_not_overlap(must, image, self.file.path)
                    continue
                mask = self.file.mask(image)
                self._one(image, mask)
                if masks is not None:
                    self._compare(image, mask, masks(image))
            except SwathError as error:
                self.whole = False
                self.found.of_image("do not decode", error.reason, f"{self.found.refused}, or {image} scores 0")
        self._sum_up()

    def _one(self, image: str, mask: Mask) -> None:
        form, size = self.competition.submission, self._size(image, mask)
        array = compare.as_array(mask, size)
        if self.evidence:
            self.evidence.add(array)
            self.beside.add(image, array)
        counts = compare.pixels(mask, len(self.competition.classes))
        self.pixels += counts
        if form.csv and not form.csv.allow_empty:
            for index in self.competition.sent:
                if not counts[index]:
                    name = self.competition.names[index]
                    self.found.of_image(
                        "are empty",
                        f"{image} has no {name}, and the scorer fails on an empty mask",
                        "no score at all",
                    )
        if self.competition.kind == "instances" and not form.overlap and (pair := overlapping(mask)):
            self.found.of_image(
                "have instances that overlap",
                f"{image}: instances {pair[0] + 1} and {pair[1] + 1} share pixels",
                self.found.refused,
            )
        if form.min_area and not same(as_sent(mask, self.competition, size), mask):
            self.small += 1

    def _compare(self, image: str, mask: Mask, given: Mask) -> None:
        size = self._size(image, mask)
        wanted = compare.wanted(given, image, self.competition, self.layout, size)
        told = compare.difference(mask, wanted, size, self.order)
        if told:
            self.found.of_image("differ from their masks", f"{image}: {told[0]}", told[1])

    def _size(self, image: str, mask: Mask) -> Size:
        if isinstance(mask, np.ndarray):
            return mask.shape
        return self.layout.sizes[image] or self.file.size(image)

    def _sum_up(self) -> None:
        form, found, sent = self.competition.submission, self.found, list(self.competition.sent)
        if self.unsized:
            grid = form.csv.grid
            found.warning(
                f"the sizes of {self.unsized} images are not known"
                + (f", or their units, which {grid} says" if grid else ""),
                "whether masks end inside their images, and their order, is not checked: give "
                + (f"--data DIR, the folder with the images and {grid}" if grid else "--size, --data or --masks"),
            )
            return
        if self.evidence and self.evidence.transposed:
            one, other = compare.ORDERS[self.order], compare.ORDERS[self.evidence.other]
            found.problem(
                f"the masks look transposed: read {one}, as the competition does, their borders are "
                f"{self.evidence.here / max(1, self.evidence.there):.1f} times as long as read {other}",
                f"most of the score: encode with order = {self.order!r}",
            )
        if self.beside.transposed:
            found.problem(
                f"the masks look transposed: mirrored across the diagonal, their borders follow the edges in "
                f"{len(self.beside.gains)} of the images much better",
                f"most of the score: encode with order = {self.order!r}",
            )
        if isinstance(self.file, Table) and self.file.touching:
            found.warning(
                f"{self.file.touching} masks have runs that touch, and could be one",
                "nothing with most scorers; some refuse them",
            )
        if isinstance(self.file, Table) and self.file.contradicted:
            found.warning(
                f"{first(self.file.contradicted, 3)}: a row for an empty mask stands beside another of the same image",
                "a scorer may count it as a false object, or fail on it",
            )
        if self.small:
            found.warning(
                f"{self.small} images have components of fewer than {form.min_area} pixels",
                "what the competition's min_area leaves out counts as false",
            )
        background = {self.competition.unclaimed} if form.rows else set()
        absent = [self.competition.names[index] for index in sent if not self.pixels[index] and index not in background]
        if not self.layout.images:
            found.problem(f"{self.file.path} holds no masks", "it scores 0")
        elif not self.whole:
            return
        elif len(absent) == len(sent):
            found.warning("every mask is empty", compare.price_of_nothing(self.competition))
        elif absent and not found.problems:
            found.warning(
                f"{len(absent)} classes are never predicted: {first(absent, 3)}",
                "each scores 0 where the truth has it",
            )
