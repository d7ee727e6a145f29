"""Whose truth a file is scored against, and which images it is for."""

from pathlib import Path

import numpy as np
import pytest

from lib.competitions import load
from lib.competitions.formats import Csv, Submission
from lib.errors import UsageError
from lib.rasters import write_colours
from lib.submissions import expected, write
from lib.submissions.job import find_job
from lib.submissions.truth import score_file, truth_in


@pytest.mark.parametrize("place", ["{}_mask.png", "truth/{}_mask.png", "{}.png"])
def test_truth_is_found_flat_or_laid_out(tmp_path, place):
    competition = load("sample")
    for image in ("3", "17"):
        write_colours(tmp_path / "t" / place.format(image), np.zeros((4, 5), np.uint8), competition)
    assert set(truth_in(tmp_path / "t", competition).sizes) == {"3", "17"}


def test_no_truth():
    with pytest.raises(UsageError, match="does not exist"):
        truth_in(Path("/nowhere/at/all"), load("sample"))


def test_a_file_of_fixed_size_is_scored_at_that_size(tmp_path):
    """The truth is brought to the file's size; a background that has no rows is not counted."""
    form = Submission(csv=Csv(columns=("ImageClassId", "rle_mask"), classes=("agriculture",)), size=(4, 4))
    competition = load("sample").model_copy(update={"submission": form})
    truth = np.zeros((8, 8), np.uint8)
    truth[:4] = 1
    write_colours(tmp_path / "t" / "im.png", truth, competition)
    right = truth_in(tmp_path / "t", competition)
    layout = expected(competition, right.sizes)
    prediction = np.zeros((4, 4), np.uint8)
    prediction[:3] = 1
    write(lambda image: prediction, competition, layout, tmp_path / "file.csv")
    total, each = score_file(tmp_path / "file.csv", competition, layout, right)
    assert total.value == pytest.approx(2 * 8 / (8 + 12))
    assert each == {"im": total.value}
    assert list(total.per_class) == ["agriculture"]


def root_with(tmp_path, **folders: list[str]):
    """A data root in the sample's layout, with pictures of these names."""
    sample = load("sample")
    for folder, names in folders.items():
        for name in names:
            write_colours(tmp_path / "root" / folder / f"{name}.png", np.zeros((4, 5), np.uint8), sample)
    return tmp_path / "root"


def test_the_truth_of_test_images_is_never_that_of_training_images(tmp_path):
    """The same ids stand in both, and only the training images have masks here."""
    root = root_with(tmp_path, train=["1_sat", "1_mask"], test=["1_sat"])
    job = find_job(load("sample"), root)
    assert (job.which, job.truth) == ("test", {})
    root_with(tmp_path, truth=["1_mask"])
    assert find_job(load("sample"), root).truth == {"1": root / "truth" / "1_mask.png"}


def test_without_test_images_a_run_names_its_own(tmp_path):
    class Run:
        data, held_out = None, ["2"]

    root = root_with(tmp_path, train=["1_sat", "1_mask", "2_sat", "2_mask"])
    job = find_job(load("sample"), root, Run())
    assert (job.which, [pair.id for pair in job.images]) == ("validation", ["2"])
    with pytest.raises(UsageError, match="has no test images"):
        find_job(load("sample"), root)
