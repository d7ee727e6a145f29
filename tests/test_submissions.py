"""The competition's file: there and back in every container, and everything wrong with one told in sentences."""

import csv
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.competitions import IGNORE, load
from lib.competitions.formats import Csv, Pictures, Submission
from lib.errors import DataError, UsageError
from lib.submissions import check, expected, read, write
from lib.submissions.containers import container
from lib.submissions.layout import parse_row_id

CSV = {"columns": ("ImageClassId", "rle_mask"), "id": "{id}_{class}"}

FORMS = {
    "csv C": Submission(csv=Csv(**CSV, order="C")),
    "csv F": Submission(csv=Csv(**CSV, order="F")),
    "csv from zero": Submission(csv=Csv(**CSV, base=0)),
    "csv with a word for empty": Submission(csv=Csv(**CSV, empty="-")),
    "csv of some classes": Submission(csv=Csv(**CSV, classes=("water", "urban"))),
    "csv without a background": Submission(
        csv=Csv(**CSV, classes=("urban", "agriculture", "rangeland", "water", "barren"))
    ),
    "csv by name": Submission(csv=Csv(columns=("id", "rle"), id="{name}-{id}")),
    "zip of indices": Submission(zip=Pictures(pixels="index", member="masks/{id}.png")),
    "zip of colours": Submission(zip=Pictures(pixels="colour", member="{id}_mask.png")),
}


def competition_with(form: str):
    return load("sample").model_copy(update={"submission": FORMS[form]})


def some_masks(seed: int, sizes) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    masks = {}
    for number, size in enumerate(sizes):
        labels = rng.integers(0, 7, size).astype(np.uint8)
        labels[labels == 6] = IGNORE
        masks[f"im_{number}"] = labels
    return masks


@settings(max_examples=15, deadline=None)
@pytest.mark.parametrize("form", FORMS)
@given(
    sizes=st.lists(st.tuples(st.integers(1, 15), st.integers(1, 15)), min_size=1, max_size=4), seed=st.integers(0, 9999)
)
def test_there_and_back(tmp_path_factory, form, sizes, seed):
    competition, masks = competition_with(form), some_masks(seed, sizes)
    layout = expected(competition, {image: labels.shape for image, labels in masks.items()})
    path = tmp_path_factory.mktemp("made") / f"file{container.suffix(competition)}"
    write(masks.__getitem__, competition, layout, path)
    found = dict(read(path, competition, layout))
    assert list(found) == sorted(masks)
    for image, labels in masks.items():
        sent = np.isin(labels, competition.sent)
        background = 3 if form == "csv without a background" else IGNORE  # 3: forest, the one class without rows
        assert np.array_equal(found[image], np.where(sent, labels, background))
    assert check(path, competition, layout, masks.__getitem__) == []
    content = path.read_bytes()
    write(masks.__getitem__, competition, layout, path)
    assert path.read_bytes() == content, "the same masks give the same bytes"


@pytest.fixture
def made(tmp_path):
    """A right file of two images, its competition, layout and masks."""
    competition, masks = competition_with("csv C"), some_masks(0, [(4, 5), (3, 7)])
    layout = expected(competition, {image: labels.shape for image, labels in masks.items()})
    path = tmp_path / "submission.csv"
    write(masks.__getitem__, competition, layout, path)
    return path, competition, layout, masks


def test_the_file_is_plain_csv_that_others_can_read(made):
    path, _, _, masks = made
    with open(path, newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["ImageClassId", "rle_mask"]
    assert [row[0] for row in rows] == [f"im_{image}_{number}" for image in (0, 1) for number in range(6)]
    flat = np.zeros(20, bool)
    for start, length in zip(*[iter(map(int, rows[2][1].split()))] * 2, strict=True):
        flat[start - 1 : start - 1 + length] = True
    assert np.array_equal(flat.reshape(4, 5), masks["im_0"] == 2)


def edit(path, change):
    with open(path, newline="") as file:
        rows = list(csv.reader(file))
    change(rows)
    with open(path, "w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def swap(rows):
    rows[1], rows[2] = rows[2], rows[1]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: rows.pop(3), "1 ids missing: im_0_2"),
        (lambda rows: rows.append(["im_9_0", ""]), "1 ids that nobody asked for: im_9_0"),
        (lambda rows: rows.append(list(rows[1])), "1 ids that stand more than once: im_0_0"),
        (swap, "the ids are in another order: row 1 is im_0_1, expected im_0_0"),
        (lambda rows: rows[0].__setitem__(1, "rle"), "the columns are ImageClassId, rle; the competition wants"),
        (lambda rows: rows[1].append("more"), "line 2 has 3 fields instead of 2"),
        (lambda rows: rows[1].__setitem__(1, "1 2 3"), "im_0_0: '1 2 3' has 3 numbers"),
        (lambda rows: rows[1].__setitem__(1, "19 3"), "im_0_0: '19 3' ends at pixel 21 of an image of 20 pixels"),
        (lambda rows: rows[1].__setitem__(1, "1 20"), "both claim pixels of im_0"),
        (lambda rows: rows[1].__setitem__(1, ""), "pixels decode to another class than the mask has"),
        (lambda rows: rows.clear(), "the columns are missing"),
    ],
)
def test_what_is_wrong_is_told(made, change, said):
    path, competition, layout, masks = made
    edit(path, change)
    problems = check(path, competition, layout, masks.__getitem__)
    assert problems
    assert said in " | ".join(problems)


def test_the_wrong_order_of_pixels_is_noticed(made):
    """The areas are the same, so no count of pixels would tell."""
    path, competition, layout, masks = made
    write(masks.__getitem__, competition_with("csv F"), layout, path)
    problems = check(path, competition, layout, masks.__getitem__)
    assert len(problems) == 1 or all("pixels decode to another class" in problem for problem in problems)
    assert problems


def test_a_file_over_the_limit(made):
    path, competition, layout, masks = made
    form = competition.submission.model_copy(update={"max_megabytes": 0.0001})
    small = competition.model_copy(update={"submission": form})
    assert "the competition takes 0.0001 MB" in check(path, small, layout, masks.__getitem__)[0]


def test_a_long_text_is_no_problem(tmp_path):
    """The csv module's own limit is 131,072 characters a field."""
    competition = competition_with("csv C")
    labels = (np.add.outer(np.arange(400), np.arange(400)) % 2).astype(np.uint8)
    layout = expected(competition, {"im": labels.shape})
    write(lambda image: labels, competition, layout, tmp_path / "file.csv")
    assert max(map(len, (tmp_path / "file.csv").read_text().splitlines())) > 500_000
    assert check(tmp_path / "file.csv", competition, layout, lambda image: labels) == []


def test_labels_are_never_resized(tmp_path):
    competition = competition_with("csv C")
    layout = expected(competition, {"im": (4, 5)})
    with pytest.raises(DataError, match="the mask of im is 6x4, and the file needs 5x4"):
        write(lambda image: np.zeros((4, 6), np.uint8), competition, layout, tmp_path / "file.csv")
    assert list(tmp_path.iterdir()) == [], "nothing half-written"


def write_sample(path, *ids, header=("ImageClassId", "rle_mask")):
    path.write_text("\n".join([",".join(header), *[f"{row_id},1 1" for row_id in ids]]) + "\n")
    return path


def test_ids_and_order_come_from_the_sample(tmp_path):
    competition, masks = competition_with("csv C"), some_masks(0, [(4, 5), (3, 7)])
    sizes = {image: labels.shape for image, labels in masks.items()}
    ids = [f"im_{image}_{number}" for number in (5, 0, 3, 1, 2, 4) for image in (1, 0)]
    layout = expected(competition, sizes, write_sample(tmp_path / "sample.csv", *ids))
    write(masks.__getitem__, competition, layout, tmp_path / "file.csv")
    with open(tmp_path / "file.csv", newline="") as file:
        assert [row[0] for row in csv.reader(file)][1:] == ids
    assert check(tmp_path / "file.csv", competition, layout, masks.__getitem__) == []
    alone = expected(competition, None, tmp_path / "sample.csv")
    assert alone.rows == layout.rows
    assert check(tmp_path / "file.csv", competition, alone) == []


@pytest.mark.parametrize(
    ("ids", "header", "said"),
    [
        (["im_0_0"], ("id", "class", "rle"), "the columns are"),
        (["im_0_0"], ("rle_mask", "ImageClassId"), "the columns are"),
        (["im_0_0", "im_0_0"], ("ImageClassId", "rle_mask"), "'im_0_0' stands twice"),
        (["im_0_0", "im_7_0"], ("ImageClassId", "rle_mask"), "1 asked for without an image (im_7_0); 5 not asked for"),
    ],
)
def test_a_sample_that_does_not_belong(tmp_path, ids, header, said):
    with pytest.raises(DataError) as caught:
        expected(
            competition_with("csv C"), {"im_0": (4, 5)}, write_sample(tmp_path / "sample.csv", *ids, header=header)
        )
    assert said in caught.value.reason


def test_row_ids_are_read_back():
    assert parse_row_id(competition_with("csv C"), "a_b_3", "x").image == "a_b"
    assert parse_row_id(competition_with("csv by name"), "water-17", "x").index == 4
    for wrong in ("a_b", "a_6", "17", "a_water"):
        with pytest.raises(DataError, match="does not fit"):
            parse_row_id(competition_with("csv C"), wrong, "x")


def test_nobody_said_which_images():
    with pytest.raises(UsageError, match="nobody said which images"):
        expected(competition_with("csv C"))


@pytest.fixture
def zipped(tmp_path):
    competition, masks = competition_with("zip of indices"), some_masks(0, [(4, 5), (3, 7)])
    layout = expected(competition, {image: labels.shape for image, labels in masks.items()})
    path = tmp_path / "submission.zip"
    write(masks.__getitem__, competition, layout, path)
    return path, competition, layout, masks


def test_wrong_members_are_told(zipped):
    path, competition, layout, masks = zipped
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("masks/im_9.png", b"x")
    assert check(path, competition, layout, masks.__getitem__) == ["1 ids that nobody asked for: masks/im_9.png"]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("masks/im_0.png", b"no picture")
        archive.writestr("masks/im_1.png", b"")
    assert "masks/im_0.png is not a PNG" in check(path, competition, layout, masks.__getitem__)[0]
    path.write_bytes(b"PK no zip")
    assert "is not a readable zip file" in check(path, competition, layout, masks.__getitem__)[0]


def test_pictures_of_another_size_or_value(zipped):
    path, competition, layout, _ = zipped
    other = expected(competition, {"im_0": (5, 4), "im_1": (3, 7)})
    assert "masks/im_0.png is 5x4, not 4x5" in check(path, competition, other)[0]
    fewer = competition.model_copy(update={"classes": competition.classes[:3]})
    assert "is no class's" in check(path, fewer, layout)[0]
