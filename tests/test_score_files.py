"""Files and folders scored against truths of every kind, where their errors are, and the page that shows it."""

import json
import re

import cv2
import numpy as np
import pytest

from lib import files
from lib.competitions import load
from lib.errors import DataError, UsageError
from lib.rasters.instances import components
from lib.reporting.gallery import Gallery
from lib.reporting.score_page import page
from lib.scoring import take
from lib.scoring.breakdown import Breakdown, border_distance
from lib.submissions import expected, write
from lib.submissions.report import score_lines
from lib.submissions.scored import score_place, write_score
from lib.submissions.truth import score_document, score_masks, truth_in
from tests.oracles import painted


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels)


def sized(name, size):
    """A preset whose file holds masks of another size."""
    competition = load(name)
    return competition.model_copy(update={"submission": competition.submission.model_copy(update={"size": size})})


@pytest.fixture
def steel(tmp_path):
    """Severstal with masks of 12x16: a folder of truth, label maps of predictions, their file."""
    competition = sized("severstal", (12, 16))
    rng = np.random.default_rng(0)
    predictions = {}
    for image in ("a", "b", "c"):
        truth = cv2.resize(rng.integers(0, 5, (3, 4)).astype(np.uint8), (16, 12), interpolation=cv2.INTER_NEAREST)
        predictions[image] = np.where(rng.random(truth.shape) < 0.2, 0, truth).astype(np.uint8)
        save(tmp_path / "truth" / f"{image}.png", truth)
        save(tmp_path / "masks" / f"{image}.png", predictions[image])
    layout = expected(competition, dict.fromkeys(predictions, (12, 16)))
    write(predictions.get, competition, layout, tmp_path / "file.csv")
    return competition, tmp_path, layout


def test_a_folder_scores_as_its_file_and_a_file_may_be_the_truth(steel):
    competition, folder, layout = steel
    scored, pictures = score_place(folder / "file.csv", folder / "truth", competition)
    assert 0.5 < scored["score"] < 1
    assert scored["interval"][0] <= scored["score"] <= scored["interval"][1]
    from_folder, _ = score_place(folder / "masks", folder / "truth", competition)
    assert from_folder == scored
    right = {image: cv2.imread(str(folder / "truth" / f"{image}.png"), cv2.IMREAD_UNCHANGED) for image in layout.images}
    write(right.get, competition, layout, folder / "train.csv")
    from_csv, _ = score_place(folder / "file.csv", folder / "train.csv", competition)
    assert from_csv == scored
    assert [picture.kind for picture in pictures] == ["worst", "worst", "best"]
    save(folder / "images" / "a.jpg", np.zeros((12, 16, 3), np.uint8))
    _, pictures = score_place(folder / "file.csv", folder / "truth", competition, data=folder / "images")
    assert {picture.image: len(picture.panels) for picture in pictures} == {"a": 4, "b": 3, "c": 3}
    with pytest.raises(UsageError, match="no folder"):
        score_place(folder / "file.csv", folder / "truth", competition, data=folder / "nowhere")
    assert sum(row["truth"] for row in scored["classes"]) == sum(map(sum, scored["table"]["pixels"])) == 3 * 12 * 16


def test_what_does_not_fit_is_said(steel):
    competition, folder, _ = steel
    (folder / "masks" / "b.png").unlink()
    some, _ = score_place(folder / "masks", folder / "truth", competition)
    assert (list(some["images"]), some["left_out"]) == (["a", "c"], ["b"])
    assert "1 images of the truth have no mask here, and do not count: b" in "\n".join(score_lines(some))
    (folder / "truth" / "c.png").rename(folder / "c.png")
    some, _ = score_place(folder / "masks", folder / "truth", competition)
    assert (list(some["images"]), some["left_out"], some["no_truth"]) == (["a"], ["b"], ["c"])
    assert "1 masks have no truth, and do not count: c" in "\n".join(score_lines(some))
    (folder / "c.png").rename(folder / "truth" / "c.png")
    rows = (folder / "file.csv").read_text().splitlines(keepends=True)
    (folder / "short.csv").write_text("".join(row for row in rows if not row.startswith("b.jpg")))
    with pytest.raises(DataError, match="b"):
        score_place(folder / "short.csv", folder / "truth", competition)
    save(folder / "masks" / "b.png", np.zeros((12, 15), np.uint8))
    with pytest.raises(DataError, match="mask of b is 15x12, and the file needs 16x12"):
        score_place(folder / "masks", folder / "truth", competition)


def test_a_truth_of_which_nothing_counts_is_no_score_of_zero(tmp_path):
    """Index masks, where the competition's are coloured: all of it reads as black, which is ignored."""
    for folder in ("truth", "masks"):
        save(tmp_path / folder / "a.png", np.full((6, 8), 3, np.uint8))
    with pytest.raises(DataError, match="the truth of all 1 images is ignored"):
        score_place(tmp_path / "masks", tmp_path / "truth", load("deepglobe-landcover"))


def test_the_page_says_everything_and_needs_nothing(steel):
    competition, folder, _ = steel
    labels = [competition.classes[0].model_copy(update={"name": "<b>&"}), *competition.classes[1:]]
    named = competition.model_copy(update={"classes": tuple(labels)})
    document, pictures = score_place(folder / "file.csv", folder / "truth", named)
    written = write_score(folder / "out", document, pictures, named, folder / "file.csv")
    assert json.loads(written[0].read_text()) == json.loads(json.dumps(document))
    text = written[1].read_text()
    assert f"{document['score']:.5f}" in text
    assert f"{document['baselines']['empty']:.5f}" in text
    assert "&lt;b&gt;&amp;" in text
    assert "<b>&" not in text
    assert not re.search(r"https?:|src=\"(?!data:)|<link|<script", text)
    assert text.count("data:image/jpeg;base64,") == 3 * 3, "truth, prediction, errors: there is no image"
    files.write_json(folder / "other" / "score.json", {"mine": 1})
    with pytest.raises(UsageError, match="no score of this kit"):
        write_score(folder / "other", document, pictures, named, folder / "file.csv")
    assert files.read_json(folder / "other" / "score.json") == {"mine": 1}


def test_groups_have_every_rule_in_the_lines_and_on_the_page(tmp_path):
    competition, truth = sized("inria-aerial", (8, 8)), np.zeros((8, 8), np.uint8)
    truth[:4] = 255
    for name, right in (("tyrol1", 4), ("tyrol2", 4), ("bellingham1", 2)):
        save(tmp_path / "truth" / f"{name}.tif", truth)
        prediction = truth.copy()
        prediction[right:] = 0
        save(tmp_path / "masks" / f"{name}.tif", prediction)
    document, pictures = score_place(tmp_path / "masks", tmp_path / "truth", competition)
    lines = "\n".join(score_lines(document))
    assert "by group: bellingham 0.500, tyrol 1.000" in lines
    assert f"by group, {document['also'][0]['label']}: bellingham 0.750, tyrol 1.000" in lines
    text = write_score(tmp_path, document, pictures, competition, tmp_path / "masks")[1].read_text()
    row = re.search(r"<td>bellingham</td>.*", text).group(0)
    assert re.findall(r"<td>([\d.]+)</td>", row) == ["0.500", "0.750"]


def test_pictures_show_the_images_that_are_at_hand(tmp_path):
    competition = load("landcover-ai")
    gallery, rng = Gallery(competition, most=2), np.random.default_rng(1)
    for number in range(9):
        truth = np.zeros((30, 900), np.uint8)
        prediction = truth.copy()
        prediction[:, : number * 50] = 1
        gallery.see(str(number), truth, prediction, truth.shape, 1 - number / 10)
    gallery.see("ignored", truth, prediction, truth.shape, None)
    save(tmp_path / "8.jpg", rng.integers(0, 255, (30, 900, 3)).astype(np.uint8))
    pictures = gallery.pictures({"8": tmp_path / "8.jpg"})
    assert [(one.image, one.kind) for one in pictures] == [("8", "worst"), ("7", "worst"), ("0", "best"), ("1", "best")]
    assert [name for name, _ in pictures[0].panels] == ["image", "truth", "prediction", "errors"]
    assert [name for name, _ in pictures[1].panels] == ["truth", "prediction", "errors"]
    errors = cv2.imdecode(np.frombuffer(pictures[0].panels[3][1], np.uint8), cv2.IMREAD_COLOR)
    assert errors.shape == (14, 420, 3)
    red = (errors[..., 2].astype(int) - errors[..., 1] > 90).mean()
    assert red == pytest.approx(400 / 900, abs=0.02)


def test_classes_that_overlap_have_a_folder_each(tmp_path):
    competition = sized("understanding-clouds", (6, 8))
    truth = np.random.default_rng(2).integers(0, 16, (6, 8)).astype(np.uint32)
    for index, name in enumerate(competition.names):
        if index != 2:
            save(tmp_path / name / "sky.png", np.where(truth >> np.uint32(index) & 1, 255, 0).astype(np.uint8))
    truth &= ~np.uint32(4)
    right = truth_in(tmp_path, competition)
    assert np.array_equal(right.mask("sky", None), truth)
    bigger = right.mask("sky", (12, 16))
    assert np.array_equal(bigger, truth.repeat(2, 0).repeat(2, 1))
    prediction = np.random.default_rng(3).integers(0, 16, (6, 8)).astype(np.uint32)
    total, each = score_masks([("sky", prediction)], right, competition, {}, details=True)
    shared = [np.count_nonzero(truth & prediction & 1 << index) for index in range(4)]
    sums = [np.count_nonzero(side & 1 << index) for side in (truth, prediction) for index in range(4)]
    dices = [2 * shared[index] / (sums[index] + sums[4 + index]) for index in range(4)]
    assert total.value == pytest.approx(np.mean(dices)) == each["sky"]
    html = page(score_document(competition, total, each), [], competition)
    assert "Fish" in html


def test_instances_are_found_missed_and_sized(tmp_path):
    """Three nuclei, of which one is predicted."""
    competition = load("dsb-2018")
    numbers = np.zeros((9, 12), np.uint16)
    numbers[1:3, 1:4], numbers[3:5, 4:6], numbers[7, :] = 5, 900, 2
    save(tmp_path / "im.png", numbers)
    right = truth_in(tmp_path, competition)
    found = right.mask("im", None)
    assert right.sizes == {"im": (9, 12)}
    assert len(found) == 3
    assert np.array_equal(sum(painted(one, (9, 12)) for one in found), (numbers > 0).ravel())
    prediction = found[:1]
    total, _ = score_masks([("im", prediction)], right, competition, {"im": (9, 12)}, details=True)
    assert total.value == pytest.approx(1 / len(found))
    assert total.classes[1]["instances"] == {"hits": 1, "truth": len(found), "predicted": 1}
    assert total.details["size"][0]["found"] == 1


@pytest.mark.parametrize("name", ["airbus-ship", "spacenet", "hubmap-vasculature", "uw-madison-gi", "siim-acr", "dstl"])
def test_the_truth_may_be_a_file_of_the_submissions_kind(tmp_path, name):
    """Squares, the predicted ones two rows down: IoU 2/3 of things that stand alone."""
    competition, size = load(name), (40, 50)
    if competition.submission.size:
        competition = sized(name, size)
    truth = np.zeros(size, np.uint8)
    truth[4:14, 5:15] = truth[20:30, 25:45] = 1
    save(tmp_path / "images" / "case1_day1_slice_1.png", np.zeros((*size, 3), np.uint8))
    files.write(tmp_path / "images" / "grid_sizes.csv", "ImageId,Xmax,Ymin\ncase1_day1_slice_1,0.009,-0.009\n")
    layout = expected(competition, {"case1_day1_slice_1": size}, extents={"case1_day1_slice_1": (0.009, -0.009)})
    for place, mask in (("truth", truth), ("file", np.roll(truth, 2, 0))):
        made = {"labels": mask, "bits": mask.astype(np.uint32), "instances": components(mask, [1])}[competition.kind]
        write(lambda image, made=made: made, competition, layout, tmp_path / f"{place}.csv")
    document, pictures = score_place(tmp_path / "file.csv", tmp_path / "truth.csv", competition, tmp_path / "images")
    known = {"airbus-ship": 4 / 10, "spacenet": 1, "hubmap-vasculature": 1, "siim-acr": 4 / 5, "dstl": 2 / 3}
    distance = 2 / np.sqrt(1 + 40**2 + 50**2)
    assert document["score"] == pytest.approx(known.get(name, 0.4 * 4 / 5 + 0.6 * (1 - distance)))
    assert len(pictures[0].panels) == 4


def test_a_label_map_stands_for_its_components():
    """As in validation, where a model gives label maps."""
    competition = load("airbus-ship")
    labels = np.zeros((20, 30), np.uint8)
    labels[2:5, 3:9] = labels[10:14, 20:28] = 1
    count = take(labels, labels, competition)
    assert (count.found[1].truth, count.found[1].pairs.iou.tolist()) == (2, [1, 1])
    assert count.table.sum() == 600


def test_errors_by_borders_and_sizes():
    """A disc's border is worn away; of two small squares one is lost."""
    competition = load("landcover-ai")
    truth = np.zeros((200, 260), np.uint8)
    truth[20:180, 20:180] = 1
    truth[50:58, 220:228] = truth[100:109, 220:229] = 2
    prediction = truth.copy()
    prediction[20:22, 20:180] = 0
    prediction[50:58, 220:228] = 0
    prediction[100, 100] = 3
    truth[190:] = 255
    details = Breakdown(competition)
    details.add(truth, prediction)
    document = details.document()
    near, few, some, far = document["boundary"]
    assert near["wrong"] == 2 * 160 + 64 - 16, "the square's inner 4x4 is more than two pixels away"
    assert (few["wrong"], some["wrong"], far["wrong"]) == (16, 0, 1)
    assert sum(band["pixels"] for band in document["boundary"]) == 190 * 260
    cells = {(cell["class"], cell["from"]): cell for cell in document["size"]}
    assert cells["building", 10000]["recall"] == pytest.approx((158 * 160 - 1) / (160 * 160))
    assert (cells["woodland", 1]["components"], cells["woodland", 1]["found"]) == (2, 1)
    assert cells["woodland", 1]["recall"] == pytest.approx(81 / (81 + 64))
    assert border_distance(truth)[100, 20] == 1
    assert np.isinf(border_distance(np.zeros((4, 5), np.uint8))).all()


def test_through_the_front_door(tmp_path, program):
    """A folder of masks, in patches of 16 as EPFL counts them; score.json and score.html beside it."""
    truth = np.zeros((608, 608), np.uint8)
    truth[:, 10:20] = 255
    save(tmp_path / "truth" / "7.png", truth)
    truth[:304] = 0
    save(tmp_path / "given" / "7.png", truth)
    words = ("submit.py", "score", tmp_path / "given", "--truth", tmp_path / "truth", "-c", "epfl-roads")
    assert "score.html" in program(*words, "--no-details").stdout
    scored = program.json(*words, "--out", tmp_path / "page")
    # Six of a patch's 16 columns are road, four of the next: that is not more than a quarter. 38 patches, 19 found.
    assert scored["score"] == pytest.approx(2 * 19 / (38 + 19))
    assert [path.name for path in sorted((tmp_path / "page").iterdir())] == ["score.html", "score.json"]
    assert files.read_json(tmp_path / "page" / "score.json")["classes"][1]["truth"] == 38
    assert (tmp_path / "score.json").is_file()
