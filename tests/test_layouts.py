"""Which rows a file must have: from samples of every kind, from images, from the file itself; and COCO's JSON."""

import json

import numpy as np
import pytest

from lib.competitions import load
from lib.errors import DataError, UsageError
from lib.rasters import masks_in
from lib.rasters.instances import components
from lib.rasters.mask_names import folder_name
from lib.submissions import check, expected, read, write
from lib.submissions.asked import asked


def lines(path, *rows):
    path.write_text("\n".join(rows) + "\n")
    return path


def with_size(name, size):
    own = load(name)
    return own.model_copy(update={"submission": own.submission.model_copy(update={"size": size})})


def test_a_sample_of_instances_repeats_its_ids(tmp_path):
    for name, header in (("airbus-ship", "ImageId,EncodedPixels"), ("siim-acr", "ImageId,EncodedPixels")):
        ending = ".jpg" if name == "airbus-ship" else ""
        sample = lines(tmp_path / "s.csv", header, *(f"{row}{ending},1 1" for row in "babcb"))
        layout = expected(load(name), None, sample)
        assert layout.images == ("b", "a", "c")
        assert [row.id for row in layout.rows] == [f"{row}{ending}" for row in "bac"]


def test_sizes_stand_in_the_sample_where_it_has_such_cells(tmp_path):
    hpa = load("openimages-hpa")
    sample = lines(tmp_path / "s.csv", "ID,ImageWidth,ImageHeight,PredictionString", "a,40,30,", "b,50,20,")
    layout = expected(hpa, None, sample)
    assert dict(layout.sizes) == {"a": (30, 40), "b": (20, 50)}
    assert layout.columns == ("ID", "ImageWidth", "ImageHeight", "PredictionString")
    assert "the columns are the sample's" in layout.notes[0]
    lines(tmp_path / "f.csv", *sample.read_text().splitlines()[:2], "b,20,50,")
    assert "b says 20x50, and the image has 50x20" in " | ".join(check(tmp_path / "f.csv", hpa, layout))


def test_numbers_are_padded_as_the_template_says(tmp_path):
    roads = with_size("epfl-roads", (16, 32))
    sample = lines(tmp_path / "s.csv", "id,prediction", "002_16_0,0", "002_0_0,0", "001_0_0,0", "001_16_0,0")
    layout = expected(roads, {"1": (16, 32), "2": (16, 32)}, sample)
    masks = {"1": np.ones((16, 32), np.uint8), "2": np.zeros((16, 32), np.uint8)}
    write(masks.__getitem__, roads, layout, tmp_path / "f.csv")
    wanted = ["id,prediction", "002_16_0,0", "002_0_0,0", "001_0_0,1", "001_16_0,1"]
    assert (tmp_path / "f.csv").read_text().splitlines() == wanted
    assert check(tmp_path / "f.csv", roads, layout, masks.__getitem__) == []
    assert [image for image, _ in read(tmp_path / "f.csv", roads, expected(roads, None, sample))] == ["002", "001"]


def test_images_that_stand_mixed_in_the_sample_are_asked_for_once(tmp_path):
    clouds = with_size("severstal", (3, 4))
    sizes = dict.fromkeys("abc", (3, 4))
    ids = [f"{name}.jpg_{number}" for number in (3, 1, 4, 2) for name in "cab"]
    sample = lines(tmp_path / "s.csv", "ImageId_ClassId,EncodedPixels", *(f"{row}," for row in ids))
    seen = []

    def mask(image):
        seen.append(image)
        return np.full((3, 4), "abc".index(image) + 1, np.uint8)

    write(mask, clouds, expected(clouds, sizes, sample), tmp_path / "f.csv")
    assert sorted(seen) == ["a", "b", "c"]
    full = {"a.jpg_1", "b.jpg_2", "c.jpg_3"}
    wanted = [f"{row},{'1 12' if row in full else ''}" for row in ids]
    assert (tmp_path / "f.csv").read_text().splitlines()[1:] == wanted


def test_a_mask_too_many_and_one_too_few(tmp_path):
    salt = with_size("tgs-salt", (3, 4))
    sample = lines(tmp_path / "s.csv", "id,rle_mask", "a,", "b,")
    with pytest.raises(DataError, match=r"1 asked for without an image \(b\); 1 not asked for \(c\)"):
        expected(salt, {"a": (3, 4), "c": (3, 4)}, sample)


def test_a_file_says_itself_what_it_is_for_when_nobody_else_does(tmp_path):
    steel = with_size("severstal", (3, 4))
    path = lines(tmp_path / "f.csv", "ImageId_ClassId,EncodedPixels", "b.jpg_1,1 2", "b.jpg_2,", "b.jpg_3,", "a.jpg_1,")
    layout = asked(steel, file=path)
    assert (layout.images, layout.asked) == (("b", "a"), False)
    problems = " | ".join(check(path, steel, layout))
    assert "4 ids missing: b.jpg_4, a.jpg_2, a.jpg_3 and 1 more" in problems
    with pytest.raises(UsageError, match="nobody said which images"):
        asked(steel)


def test_classes_with_slashes_have_folders(tmp_path):
    assert folder_name("Trees / Shrubs") == "Trees _ Shrubs"
    assert folder_name("../..") not in ("", ".", "..")
    names = [folder_name(name) for name in load("centralesupelec-harvey").names]
    assert len(set(names)) == 25


RESULT = {"image_id": "a", "category_id": 1, "segmentation": {"size": [3, 4], "counts": "32"}, "score": 0.5}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"category_id": 7}, "category_id 7 is no class's"),
        ({"category_id": [1]}, "category_id [1] is no class's"),
        ({"score": 2}, "the score 2 is not between 0 and 1"),
        ({"image_id": "z"}, "1 ids that nobody asked for: z"),
        ({"image_id": None}, "object 1 has no image_id"),
        ({"image_id": ""}, "object 1 has no image_id"),
        ({"image_id": True}, "object 1 has no image_id"),
        ({"image_id": "\ud800"}, "object 1 has no image_id"),
        ({"score": True}, "the score True is not between 0 and 1"),
        ({"segmentation": [[1, 2, 3, 4, 5, 6]]}, "or no segmentation with a size"),
        ({"segmentation": {"size": [900_000, 900_000], "counts": "32"}}, "or no segmentation with a size"),
        ({"segmentation": {"size": [3, 4], "counts": [3, 9]}}, "counts is not a text"),
        ({"segmentation": {"size": [4, 3], "counts": "32"}}, "an object is of 3x4, and the image has 4x3"),
        ({"segmentation": {"size": [3, 4], "counts": "31"}}, "counts 4 pixels, and the image has 12"),
    ],
)
def test_wrong_objects(tmp_path, change, said):
    path = lines(tmp_path / "f.json", json.dumps([RESULT | change]))
    coco = load("coco-results")
    assert said in " | ".join(check(path, coco, expected(coco, {"a": (3, 4)})))


WHOLE = {"size": [3, 4], "counts": "0<"}
"""All pixels of an image."""

ONE = json.dumps(RESULT | {"segmentation": WHOLE})


@pytest.mark.parametrize(
    "text",
    [
        *("", "{}", "[1]", '[{"image_id": ', "[{}}", "null", "[" + "[" * 5000, "[" + '{"a":' * 100_000, "[]x"),
        *(f"[{ONE} {ONE}]", f"[{ONE},,{ONE}]", f"[{ONE},]", f"[,{ONE}]", f"[{ONE}", f"[{ONE}] {ONE}"),
    ],
)
def test_what_is_no_list_of_results(tmp_path, text):
    coco = load("coco-results")
    assert check(lines(tmp_path / "f.json", f"[{ONE}]"), coco, expected(coco, {"a": (3, 4)})) == []
    assert check(lines(tmp_path / "f.json", text), coco, expected(coco, {"a": (3, 4)}))


def test_objects_over_many_chunks_and_in_any_order(tmp_path, monkeypatch):
    """Names beyond ASCII, blanks between objects, and chunks that end inside of them."""
    monkeypatch.setattr("lib.submissions.containers.coco_file.CHUNK", 7)
    coco, labels = load("coco-results"), np.uint8([[0, 1, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
    masks = {"ä€": components(labels, [1]), "b": components(1 - labels, [1])}
    layout = expected(coco, dict.fromkeys(masks, (3, 4)))
    write(masks.__getitem__, coco, layout, tmp_path / "f.json")
    objects = json.loads((tmp_path / "f.json").read_text())
    for ascii_only in (False, True):
        lines(tmp_path / "f.json", json.dumps(objects[::-1], indent=3, ensure_ascii=ascii_only))
        assert check(tmp_path / "f.json", coco, layout, masks.__getitem__) == []


def test_an_id_that_no_file_can_have(program, tmp_path):
    for image in ("a\0", "x" * 300, "../a"):
        lines(tmp_path / "f.json", json.dumps([RESULT | {"image_id": image, "segmentation": WHOLE}]))
        done = program(
            "submit.py", "decode", tmp_path / "f.json", "-c", "coco-results", "--out", tmp_path / "m", code=1
        )
        assert "refused" in done.stderr
        assert not [path for path in (tmp_path / "m").rglob("*") if path.is_file()]


def test_a_folder_without_any_mask(tmp_path):
    for name in ("severstal", "sartorius", "uw-madison-gi"):
        with pytest.raises(UsageError, match="holds no masks"):
            masks_in(tmp_path, load(name))
