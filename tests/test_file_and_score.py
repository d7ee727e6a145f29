"""One file from masks to its page: what it leaves out, what it may weigh, how it is read again, what it scores."""

import json
import re

import cv2
import numpy as np
import pytest
from scipy import ndimage

from lib import files
from lib.competitions import load, parse
from lib.rasters import masks_in, write_labels
from lib.rasters.bits import plane
from lib.submissions import check, expected, inspect, read, report, write
from lib.submissions.job import find_job
from lib.submissions.pipeline import make_file
from lib.submissions.truth import score_file
from tests.ready import TOML, field

SIZE = (24, 31)


def preset(name, **change):
    own = load(name)
    return own.model_copy(update={"submission": own.submission.model_copy(update={"size": SIZE, **change})})


@pytest.fixture
def made(tmp_path):
    """A file of masks that are right but for one row of pixels: what was made, the job, the folder."""
    (tmp_path / "field.toml").write_text(TOML)
    competition = parse(tmp_path / "field.toml")
    job = find_job(competition, field(tmp_path / "data"))
    for image, path in job.truth.items():
        labels = masks_in(path.parent, competition)(image)
        labels[5] = 1 - labels[5]
        write_labels(tmp_path / "masks" / f"{image}.png", labels, competition)

    def make(folder):
        folder.mkdir(exist_ok=True)
        return make_file(job, masks_in(tmp_path / "masks", competition), folder)

    return make, job, tmp_path / "run"


def test_a_made_file_has_its_score_on_a_page_with_pictures(made):
    make, job, folder = made
    said = make(folder)
    assert said["score_files"] == [str(folder / "score.json"), str(folder / "score.html")]
    assert files.read_json(folder / "score.json") == json.loads(json.dumps(said["score"]))
    total, each = score_file(folder / "submission.csv", job.competition, job.layout(), job.truth)
    assert (said["score"]["score"], said["score"]["images"]) == (total.value, each)
    text = (folder / "score.html").read_text()
    assert text.count("data:image/jpeg;base64,") == 4 * len(job.images), "image, truth, prediction, errors"
    assert f"  page: {folder / 'score.html'}" in report.made_lines(said)
    assert len(report.made_lines(said)) <= 25


def test_a_page_that_cannot_be_written_costs_no_score(made):
    make, _, folder = made
    files.write_json(folder / "score.json", {"mine": 1})
    said = make(folder)
    assert (said["score"] is not None, said["score_files"]) == (True, [])
    assert "no score of this kit's" in report.made_lines(said)[-1]
    assert files.read_json(folder / "score.json") == {"mine": 1}
    assert not (folder / "score.html").exists()


def test_a_tiff_is_shown_without_reading_all_of_it(tmp_path, monkeypatch):
    """A mosaic is averaged down by windows, to a view of the size that the page shows."""
    from lib.competitions.pixels import Images
    from lib.rasters import raster, resize
    from lib.rasters.visible import look

    pixels = np.random.default_rng(8).integers(0, 255, (200, 300, 3)).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "a.tif"), pixels)
    monkeypatch.setattr(resize, "NUMBERS", 20_000)
    read, pixels_of = [], raster.Raster.pixels
    monkeypatch.setattr(
        raster.Raster, "pixels", lambda self, *window: (read.append(window), pixels_of(self, *window))[1]
    )
    seen = look(tmp_path / "a.tif", Images(), (20, 30))
    assert len(read) > 1
    assert max((bottom - top) * (right - left) * 3 for top, bottom, left, right in read) <= 20_000
    mean = pixels[..., ::-1].reshape(20, 10, 30, 10, 3).mean(axis=(1, 3))
    assert np.abs(seen - mean).max() <= 1.5


@pytest.mark.parametrize("name", ["severstal", "understanding-clouds", "floodnet"])
def test_small_components_are_left_out_and_said_where_they_are_not(tmp_path, name):
    competition, careless = preset(name, min_area=6), preset(name)
    rng = np.random.default_rng(9)
    labels = (rng.random(SIZE) < 0.4).astype(np.uint8) * 3
    mask = np.uint32(1) << labels.astype(np.uint32) if competition.kind == "bits" else labels
    layout = expected(competition, {"a": SIZE})
    for number, writer in enumerate((competition, careless)):
        write(lambda image: mask, writer, layout, tmp_path / f"{number}{competition.submission.suffix}")
    paths = [tmp_path / f"{number}{competition.submission.suffix}" for number in (0, 1)]
    ((_, found),) = read(paths[0], competition, layout)
    numbers, count = ndimage.label(labels == 3, np.ones((3, 3)))
    sizes = ndimage.sum_labels(labels == 3, numbers, range(1, count + 1))
    large = np.isin(numbers, 1 + np.flatnonzero(sizes >= 6))
    assert 0 < large.sum() < (labels == 3).sum()
    assert np.array_equal(plane(found, 3) if competition.kind == "bits" else found == 3, large)
    warned = [[each.sentence for each in inspect(path, competition, layout) if "6 pixels" in each.sentence]
              for path in paths]  # fmt: skip
    assert warned == [[], ["1 images have components of fewer than 6 pixels"]]


def test_a_folder_over_the_limit(tmp_path):
    competition = preset("landcover-ai", max_megabytes=0.0001)
    labels = np.random.default_rng(0).integers(0, 5, SIZE).astype(np.uint8)
    layout = expected(competition, dict.fromkeys("ab", SIZE))
    write(lambda image: labels, competition, layout, tmp_path / "sent")
    weight = sum(path.stat().st_size for path in (tmp_path / "sent").iterdir()) / 1e6
    for limit, wrong in ((weight - 1e-6, True), (weight, False)):
        problems = check(tmp_path / "sent", preset("landcover-ai", max_megabytes=limit), layout)
        assert bool(problems) == wrong
        assert not wrong or re.search(r"is 0\.0 MB, and the competition takes", problems[0])


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "\ufeff" + text.replace("\n", "\r\n"),
        lambda text: text.removesuffix("\n"),
        lambda text: "".join(",".join(f'"{cell}"' for cell in line.split(",")) + "\n" for line in text.splitlines()),
    ],
    ids=["BOM", "CRLF", "BOM and CRLF", "no last line end", "quotes"],
)
def test_a_csv_that_others_wrote_holds_the_same_masks(tmp_path, change):
    competition, rng = preset("severstal"), np.random.default_rng(10)
    masks = {name: rng.integers(0, 5, SIZE).astype(np.uint8) for name in "ab"}
    layout, path = expected(competition, dict.fromkeys(masks, SIZE)), tmp_path / "file.csv"
    write(masks.__getitem__, competition, layout, path)
    path.write_text(change(path.read_text()), newline="", encoding="utf-8")
    assert check(path, competition, layout, masks.__getitem__) == []
    for image, mask in read(path, competition, layout):
        assert np.array_equal(mask, masks[image])


def test_semicolons_are_no_csv_here(tmp_path):
    competition, path = preset("severstal"), tmp_path / "file.csv"
    path.write_text("ImageId_ClassId;EncodedPixels\n" + "".join(f"a.jpg_{number};1 2\n" for number in range(1, 5)))
    assert "parted by semicolons" in check(path, competition, expected(competition, {"a": SIZE}))[0]


def test_a_distance_is_of_volumes():
    assert load("uw-madison-gi").metric.label == (
        "0.4 mean Dice over images and classes + 0.6 mean (1 - normalised 3-D Hausdorff) over volumes and classes"
    )
