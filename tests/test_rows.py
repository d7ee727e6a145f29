"""The rows of files that are easy to get wrong, written by hand, and read by other people's decoders."""

import base64
import json
import zipfile
import zlib

import numpy as np
import pytest
from pycocotools import mask as coco

from lib.competitions import IGNORE, load
from lib.rasters import decode_mask
from lib.rasters.instances import Instance, components
from lib.submissions import check, expected, read, write

LABELS = np.uint8([[0, 1, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
"""Two components of class 1: columns 1 and 2 above, the last pixel alone."""


@pytest.fixture
def made(tmp_path):
    """Writes a preset's file for masks of 3x4 pixels; its path."""

    def made(name, masks, extents=None, **change):
        preset = load(name)
        form = preset.submission.model_copy(update={"size": None, **change})
        preset = preset.model_copy(update={"submission": form})
        path = tmp_path / f"{name}{form.suffix}"
        layout = expected(preset, dict.fromkeys(masks, (3, 4)), extents=extents)
        write(masks.__getitem__, preset, layout, path)
        assert check(path, preset, layout, masks.__getitem__) == []
        return path

    return made


def rows(path) -> list[str]:
    return path.read_text().splitlines()[1:]


EMPTY = np.zeros_like(LABELS)
TWO = components(LABELS, [1])


@pytest.mark.parametrize(
    ("name", "full", "empty"),
    [
        ("severstal", ["a.jpg_1,4 2 7 1 12 1", "a.jpg_2,", "a.jpg_3,", "a.jpg_4,"], None),
        ("tgs-salt", ["a,4 2 7 1 12 1"], ["b,"]),
        ("carvana", ["a.jpg,2 2 6 1 12 1"], ["b.jpg,"]),
        ("google-contrails", ["a,4 2 7 1 12 1"], ["b,-"]),
        ("siim-acr", ["a,3 2 1 1 4 1"], ["b,-1"]),
        ("hubmap-kidney", ["a,4 2 7 1 12 1"], ["b,"]),
    ],
)
def test_runs_of_classes(made, name, full, empty):
    masks = {"a": LABELS} | ({"b": EMPTY} if empty else {})
    assert rows(made(name, masks)) == full + (empty or [])


def test_classes_that_overlap_have_a_row_each(made):
    bits = LABELS.astype(np.uint32) * 5  # large_bowel and stomach
    assert rows(made("uw-madison-gi", {"case1_day2_slice_3": bits})) == [
        "case1_day2_slice_3,large_bowel,4 2 7 1 12 1",
        "case1_day2_slice_3,small_bowel,",
        "case1_day2_slice_3,stomach,4 2 7 1 12 1",
    ]
    first = rows(made("understanding-clouds", {"a": LABELS.astype(np.uint32) * 2}))
    assert first == ["a.jpg_Fish,", "a.jpg_Flower,4 2 7 1 12 1", "a.jpg_Gravel,", "a.jpg_Sugar,"]


def test_instances_have_a_row_each_and_empty_images_what_their_scorer_can_read(made):
    masks = {"a": TWO, "b": []}
    assert rows(made("airbus-ship", masks)) == ["a.jpg,4 2 7 1", "a.jpg,12 1", "b.jpg,"]
    assert rows(made("sartorius", masks)) == ["a,2 2 6 1", "a,12 1"]
    assert rows(made("dsb-2018", masks)) == ["a,4 2 7 1", "a,12 1"]


def test_instances_in_one_cell_are_read_by_pycocotools(made):
    found = [Instance(1, TWO[0].runs, 0.5), TWO[1]]
    (row, empty) = rows(made("hubmap-vasculature", {"a": found, "b": []}))
    assert empty == "b,3,4,"
    image, height, width, cell = row.split(",")
    words = cell.split(" ")
    assert (image, height, width, words[0], words[1], words[3], words[4]) == ("a", "3", "4", "0", "0.5", "0", "1")
    for text, instance in zip(words[2::3], found, strict=True):
        counts = zlib.decompress(base64.b64decode(text))
        mask = coco.decode({"size": [3, 4], "counts": counts})
        flat = np.zeros(12, bool)
        for start, end in instance.runs:
            flat[start:end] = True
        assert np.array_equal(mask.astype(bool), flat.reshape(3, 4))


def test_instances_of_nineteen_classes_name_theirs(made):
    found = [Instance(18, TWO[0].runs, 0.25), Instance(0, TWO[0].runs)]
    (row,) = rows(made("openimages-hpa", {"a": found}))
    words = row.split(",")[3].split(" ")
    assert row.startswith("a,4,3,18 0.25 ")
    assert (words[3], words[4], words[2]) == ("0", "1", words[5])


def test_polygons_of_buildings_and_none(made):
    assert rows(made("spacenet", {"a": TWO, "b": []})) == [
        'a,1,"POLYGON ((1 0, 1 2, 2 2, 2 1, 3 1, 3 0, 1 0))",1',
        'a,2,"POLYGON ((3 2, 3 3, 4 3, 4 2, 3 2))",1',
        "b,-1,POLYGON EMPTY,1",
    ]


def test_polygons_in_grid_units(made):
    bits = np.uint32([[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]])
    found = rows(made("dstl", {"6120_2_2": bits}, {"6120_2_2": (16.0, -9.0)}))
    assert found[0] == '6120_2_2,1,"MULTIPOLYGON (((15 -8, 15 -12, 20 -12, 20 -8, 15 -8)))"'
    assert found[1:] == [f"6120_2_2,{number},MULTIPOLYGON EMPTY" for number in range(2, 11)]


def test_patches_that_no_image_has(program, tmp_path):
    for patch in ("001_608_0", "001_0_5"):
        (tmp_path / "f.csv").write_text(f"id,prediction\n001_0_0,1\n{patch},1\n")
        checked = program.json("submit.py", "check", tmp_path / "f.csv", "-c", "epfl-roads", code=1)
        assert "no patch of 001 begins at x" in checked["problems"][0]


def test_patches_go_down_before_they_go_right(tmp_path):
    preset = load("epfl-roads")
    preset = preset.model_copy(update={"submission": preset.submission.model_copy(update={"size": (32, 48)})})
    labels = np.zeros((32, 48), np.uint8)
    labels[:16, 16:20] = 1  # a quarter of its patch: not more
    labels[16:, 32:37] = 1
    layout = expected(preset, {"7": (32, 48)})
    write(lambda image: labels, preset, layout, tmp_path / "file.csv")
    assert rows(tmp_path / "file.csv") == [
        "007_0_0,0", "007_0_16,0", "007_16_0,0", "007_16_16,0", "007_32_0,0", "007_32_16,1",
    ]  # fmt: skip


def pictures(path) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        return {name: decode_mask(archive.read(name), "isprs" in path.name, name) for name in names}


def test_pictures_hold_the_files_own_values(made):
    assert np.array_equal(pictures(made("loveda", {"a": LABELS}))["a.png"], LABELS)
    assert np.array_equal(pictures(made("deepglobe-road", {"a": LABELS}))["a_mask.png"], LABELS * 255)
    codes = np.uint8([2, 5, 6, 9, 17])
    assert np.array_equal(pictures(made("dfc2019-track1", {"a": LABELS + 3}))["a_CLS.tif"], codes[LABELS + 3])
    colour = pictures(made("isprs", {"a": LABELS}))["a.tif"]
    assert (colour[0, 0].tolist(), colour[0, 1].tolist()) == ([255, 255, 255], [0, 0, 255])


def test_two_pictures_an_image(made):
    found = pictures(made("xview2", {"x_1": LABELS * 4}))
    assert list(found) == ["test_damage_x_1_prediction.png", "test_localization_x_1_prediction.png"]
    assert np.array_equal(found["test_damage_x_1_prediction.png"], LABELS * 4)
    assert np.array_equal(found["test_localization_x_1_prediction.png"], LABELS)


def test_results_are_read_by_pycocotools(made):
    found = json.loads(made("coco-results", {"a": TWO, "b": []}).read_text())
    assert [each["image_id"] for each in found] == ["a", "a"]
    assert np.array_equal(sum(coco.decode(each["segmentation"]) for each in found), LABELS)
    assert [each["category_id"] for each in found] == [1, 1]


def test_small_components_are_left_out(made):
    assert rows(made("tgs-salt", {"a": LABELS}, min_area=2)) == ["a,4 2 7 1"]
    assert rows(made("airbus-ship", {"a": TWO}, min_area=2)) == ["a.jpg,4 2 7 1"]


def test_what_has_several_rows_is_united(tmp_path):
    preset = load("siim-acr")
    preset = preset.model_copy(update={"submission": preset.submission.model_copy(update={"size": (3, 4)})})
    path = tmp_path / "file.csv"
    path.write_text("ImageId,EncodedPixels\na,3 2 1 1\nb,-1\na,11 1\n")
    found = dict(read(path, preset, expected(preset, {"a": (3, 4), "b": (3, 4)})))
    assert np.array_equal(found["a"], LABELS)
    assert not found["b"].any()
    assert IGNORE not in found["a"]
