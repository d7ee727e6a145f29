"""Folders of masks in every form: what their pictures mean, and which folders are the competition's file itself."""

import cv2
import numpy as np
import pytest
from scipy import ndimage

from lib.competitions import load
from lib.errors import DataError, UsageError
from lib.rasters import masks_in
from lib.rasters.instances import components
from lib.submissions import check, expected, read, write
from lib.submissions.scored import score_place
from lib.submissions.truth import truth_in
from tests.oracles import painted


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.asarray(pixels))


def changed(name, **change):
    """A preset with another submission."""
    own = load(name)
    return own.model_copy(update={"submission": own.submission.model_copy(update=change)})


NUCLEI = np.zeros((9, 12), np.uint8)
NUCLEI[1:3, 1:4], NUCLEI[3:5, 4:6], NUCLEI[7, :] = 5, 200, 2
"""Three, of which two touch at a corner."""


@pytest.mark.parametrize(
    ("place", "pixels", "count"),
    [
        ("", NUCLEI, 3),
        ("", NUCLEI.astype(np.uint16), 3),
        ("", NUCLEI > 0, 2),
        ("", np.where(NUCLEI, 255, 0), 2),
        ("nucleus", NUCLEI, 3),
        ("nucleus", NUCLEI.astype(np.uint16), 3),
        ("nucleus", np.where(NUCLEI, 7, 0), 2),
    ],
)
def test_the_same_instances_as_truth_and_as_prediction(tmp_path, place, pixels, count):
    competition = load("dsb-2018")
    save(tmp_path / place / "im.png", pixels if pixels.dtype == np.uint16 else pixels.astype(np.uint8))
    truth, prediction = truth_in(tmp_path, competition).mask("im", None), masks_in(tmp_path, competition)("im")
    assert len(truth) == len(prediction) == count
    for one, other in zip(truth, prediction, strict=True):
        assert np.array_equal(one.runs, other.runs)
    assert np.array_equal(sum(painted(one, (9, 12)) for one in truth), (NUCLEI > 0).ravel())
    document, _ = score_place(tmp_path, tmp_path, competition)
    assert document["score"] == 1


@pytest.mark.parametrize(("neighbours", "structure"), [(8, np.ones((3, 3))), (4, None)])
def test_components_of_labels_and_of_bits_are_scipys(neighbours, structure):
    labels = np.random.default_rng(4).integers(0, 3, (31, 17)).astype(np.uint8)
    for mask in (labels, np.uint32(1) << labels.astype(np.uint32)):
        found = components(mask, [2], neighbours)
        numbers, count = ndimage.label(labels == 2, structure)
        assert len(found) == count
        for each in found:
            here = painted(each, labels.shape).reshape(labels.shape)
            assert np.array_equal(here, numbers == numbers[here][0])


def test_labels_from_a_folder_for_each_class(tmp_path):
    """Classes that have rows claim their pixels; the others are the background's."""
    competition = changed("severstal", size=(6, 8))
    labels = np.random.default_rng(5).integers(0, 5, (6, 8)).astype(np.uint8)
    for index, name in enumerate(competition.names[1:], start=1):
        save(tmp_path / "m" / name / "a.png", np.where(labels == index, 255, 0))
    masks = masks_in(tmp_path / "m", competition)
    assert np.array_equal(masks("a"), labels)
    assert list(masks.notes) == ["a folder for each class was found; what is not 0 is of the class"]
    write(masks, competition, expected(competition, masks.sizes()), tmp_path / "file.csv")
    document, _ = score_place(tmp_path / "file.csv", tmp_path / "m", competition)
    assert document["score"] == 1
    assert sum(map(sum, document["table"]["pixels"])) == labels.size
    bigger = truth_in(tmp_path / "m", competition).mask("a", (12, 16))
    assert np.array_equal(bigger, labels.repeat(2, 0).repeat(2, 1))


def test_pixels_of_no_class_and_of_two(tmp_path):
    competition = load("landcover-ai")
    save(tmp_path / "water" / "a.png", np.eye(4) * 255)
    save(tmp_path / "road" / "b.png", np.eye(4) * 255)
    masks = masks_in(tmp_path, competition)
    assert masks.images == ["a", "b"]
    assert np.array_equal(masks("a"), np.where(np.eye(4) > 0, 3, 255))
    save(tmp_path / "road" / "a.png", np.fliplr(np.tri(4)))
    with pytest.raises(DataError, match=r"water and road both claim 2 pixels of a \(first at row 2, column 2\)"):
        masks_in(tmp_path, competition)("a")
    save(tmp_path / "road" / "b.png", np.eye(5))
    save(tmp_path / "water" / "b.png", np.eye(4))
    with pytest.raises(DataError, match="the classes' masks of b have different sizes"):
        masks_in(tmp_path, competition)("b")


def test_label_maps_in_the_folder_itself_come_before_folders_of_classes(tmp_path):
    competition = load("landcover-ai")
    save(tmp_path / "water" / "a.png", np.eye(4) * 255)
    save(tmp_path / "a.png", np.full((4, 4), 2))
    assert (masks_in(tmp_path, competition)("a") == 2).all()
    assert (truth_in(tmp_path, competition).mask("a", None) == 2).all()


@pytest.fixture
def tiles(tmp_path):
    """LandCover.ai as if its file had values of its own, which mean other classes among the masks': its folders."""
    own = load("landcover-ai")
    table = own.submission.folder.model_copy(update={"values": (4, 3, 2, 1, 0)})
    competition = changed("landcover-ai", folder=table)
    rng = np.random.default_rng(6)
    masks = {name: rng.integers(0, 5, (6, 8)).astype(np.uint8) for name in "ab"}
    for name, labels in masks.items():
        save(tmp_path / "truth" / f"{name}.png", labels)
    return competition, masks, tmp_path


def test_a_folder_that_is_the_file_is_read_in_the_files_values(tiles):
    competition, masks, folder = tiles
    layout = expected(competition, dict.fromkeys(masks, (6, 8)))
    write(masks_in(folder / "truth", competition), competition, layout, folder / "file")
    stored = cv2.imread(str(folder / "file" / "a.png"), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(stored, 4 - masks["a"])
    assert check(folder / "file", competition, layout, masks.__getitem__) == []
    document, _ = score_place(folder / "file", folder / "truth", competition)
    assert document["score"] == 1
    save(folder / "file" / "more.png", stored)
    assert score_place(folder / "file", folder / "truth", competition)[0] == document, "further images score nothing"


def test_a_folder_of_masks_is_read_in_the_classes_values(tiles):
    """It is one where the kit says so, and where no file of it is called like a member."""
    from lib.rasters import mask_folder

    competition, masks, folder = tiles
    mask_folder.write(folder / "masks", competition, list(masks), masks.items(), {})
    document, _ = score_place(folder / "masks", folder / "truth", competition)
    assert document["score"] == 1
    (problem,) = check(folder / "masks", competition, expected(competition, dict.fromkeys(masks, (6, 8))))
    assert "holds masks, as predictions.json says, and not yet the file" in problem
    for name, labels in masks.items():
        save(folder / "elsewhere" / f"{name}.tif", labels)
    assert score_place(folder / "elsewhere", folder / "truth", competition)[0]["score"] == 1
    swapped, _ = score_place(folder / "truth", folder / "truth", competition)
    assert swapped["score"] < 0.5, "unmarked PNGs are the file: 4 is its background"


def test_a_folder_of_masks_scores_as_the_file_made_of_it(tmp_path):
    """Small components are gone, and masks come to the file's size where the competition resizes them."""
    competition = changed("centralesupelec-harvey", size=(20, 30), min_area=30)
    rng = np.random.default_rng(7)
    for name in ("1", "2"):
        labels = cv2.resize(rng.integers(0, 25, (6, 9)).astype(np.uint8), (90, 60), interpolation=cv2.INTER_NEAREST)
        save(tmp_path / "truth" / f"{name}.png", labels)
        labels[5:9, 5:9] = 3
        save(tmp_path / "masks" / f"{name}.png", labels)
    masks = masks_in(tmp_path / "masks", competition)
    layout = expected(competition, masks.sizes())
    write(masks, competition, layout, tmp_path / "file.csv")
    assert all(mask.shape == (20, 30) for _, mask in read(tmp_path / "file.csv", competition, layout))
    of_file, _ = score_place(tmp_path / "file.csv", tmp_path / "truth", competition)
    assert score_place(tmp_path / "masks", tmp_path / "truth", competition)[0] == of_file
    assert 0 < of_file["score"] < 1


def test_a_truth_lies_beside_its_images(tmp_path):
    save(tmp_path / "a.png", np.zeros((4, 5)))
    save(tmp_path / "a.jpg", np.zeros((4, 5)))
    competition = load("landcover-ai")
    assert truth_in(tmp_path, competition).sizes == {"a": (4, 5)}
    (tmp_path / "a.png").unlink()
    with pytest.raises(UsageError, match="holds no masks"):
        truth_in(tmp_path, competition)


def test_a_folder_that_may_be_an_unpacked_file_of_other_values_is_told(tmp_path, submit):
    """In LoveDA's file a class is one less than in its masks, where 0 is no data."""
    labels = np.repeat(np.arange(1, 8, dtype=np.uint8), 4).reshape(4, 7)
    big = cv2.resize(labels, (1024, 1024), interpolation=cv2.INTER_NEAREST)
    save(tmp_path / "truth" / "im.png", big)
    save(tmp_path / "masks" / "im.png", big)
    save(tmp_path / "unpacked" / "im.png", big - 1)
    note = "value 0 was read as 'no-data', which has no class; in the competition's own file it is 'background'"
    said = submit("encode", "masks", "-c", "loveda", "--out", "good.zip")
    assert note not in said + submit("check", "good.zip", "-c", "loveda", "--masks", "masks")
    assert note in submit("score", "unpacked", "--truth", "truth", "-c", "loveda")
    assert note in submit("encode", "unpacked", "-c", "loveda", "--out", "bad.zip")
    assert note in submit("check", "good.zip", "-c", "loveda", "--masks", "unpacked", code=1)
