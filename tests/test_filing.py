"""`submit.py encode`, `decode` and `check` as a user types them, over masks that came from anywhere."""

import csv
import json

import numpy as np
import pytest
import rasterio
from PIL import Image

from lib.data.scenes import scene

LABELS = np.uint8([[0, 1, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def rows(path):
    with open(path, newline="") as file:
        return list(csv.reader(file))


def sample(path, *lines):
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_file_and_back_through_the_front_door(program, tmp_path):
    """The whole way in processes of their own, with a sample that gives order and columns."""
    big = np.kron(LABELS, np.ones((20, 33), np.uint8))
    for name in ("x", "y"):
        save(tmp_path / "m" / f"{name}.png", big * 2)
    own = tmp_path / "own.toml"
    own.write_text('name = "own"\npreset = "severstal"\n[submission]\nsize = [60, 132]\n')
    ids = [f"{name}.jpg_{number}" for number in (2, 1, 4, 3) for name in ("y", "x")]
    asked = sample(tmp_path / "sample.csv", "Id,Pixels", *(f"{row_id},1 1" for row_id in ids))
    words = ("-c", own, "--sample", asked)
    made = program("submit.py", "encode", tmp_path / "m", *words, "--out", tmp_path / "file.csv")
    assert "the columns are the sample's, Id, Pixels" in made.stderr
    assert [row[0] for row in rows(tmp_path / "file.csv")] == ["Id", *ids]
    checked = program.json("submit.py", "check", tmp_path / "file.csv", *words)
    assert checked["problems"] == []
    assert checked["warnings"] == ["3 classes are never predicted: defect-1, defect-3, defect-4"]
    program("submit.py", "decode", tmp_path / "file.csv", "-c", own, "--out", tmp_path / "back")
    assert np.array_equal(np.array(Image.open(tmp_path / "back" / "y.png")), big * 2)
    program("submit.py", "encode", tmp_path / "back", *words, "--out", tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "file.csv").read_bytes()


def test_square_masks_in_the_wrong_order_are_told_by_their_images(submit, tmp_path):
    """A mirror image has the same borders, but they do not lie on the image's edges."""
    for number in range(4):
        image, labels = scene(number, 128, 128)
        save(tmp_path / "images" / f"{number}.png", image)
        save(tmp_path / "m" / f"{number}.png", labels)
    names = "".join(f'[[classes]]\nname = "c{index}"\n' for index in range(6))
    for order in ("F", "C"):
        text = f'name = "own"\n{names}[submission.csv]\norder = "{order}"\n[metric]\nmeasure = "dice"\n'
        (tmp_path / f"{order}.toml").write_text(text)
    submit("encode", "m", "-c", "C.toml", "--out", "file.csv")
    assert "transposed" not in submit("check", "file.csv", "-c", "C.toml", "--data", "images")
    assert "transposed" not in submit("check", "file.csv", "-c", "F.toml", "--size", "128x128")
    said = submit("check", "file.csv", "-c", "F.toml", "--data", "images", code=1)
    assert "the masks look transposed: mirrored across the diagonal, their borders follow the edges in 4" in said


def test_a_folder_for_each_class_that_overlaps(submit, tmp_path):
    save(tmp_path / "m" / "large_bowel" / "s1.png", LABELS * 255)
    save(tmp_path / "m" / "stomach" / "s1.png", LABELS)
    said = submit("encode", "m", "-c", "uw-madison-gi", "--out", "file.csv")
    assert "a folder for each class was found" in said
    assert [row[2] for row in rows(tmp_path / "file.csv")][1:] == ["4 2 7 1 12 1", "", "4 2 7 1 12 1"]
    assert "give --size HxW" in submit("decode", "file.csv", "-c", "uw-madison-gi", "--out", "back", code=1)
    submit("decode", "file.csv", "-c", "uw-madison-gi", "--out", "back", "--size", "3x4")
    assert np.array_equal(np.array(Image.open(tmp_path / "back" / "stomach" / "s1.png")), LABELS * 255)
    assert not np.array(Image.open(tmp_path / "back" / "small_bowel" / "s1.png")).any()
    said = submit("check", "file.csv", "-c", "uw-madison-gi")
    assert "nothing says which images were asked for" in said
    assert "the sizes of 1 images are not known" in said
    assert "nothing wrong" in submit("check", "file.csv", "-c", "uw-madison-gi", "--masks", "m")


@pytest.mark.parametrize(
    ("pixels", "said", "expected"),
    [
        (np.uint16([[0, 7, 7, 0], [0, 7, 0, 0], [0, 0, 0, 300]]), "read as instance numbers", ["a,2 2 6 1", "a,12 1"]),
        (np.uint16([[3, 3, 1, 0]] * 3), "read as instance numbers", ["a,3 1 7 1 11 1", "a,1 2 5 2 9 2"]),
        (LABELS, "connected components are the instances", ["a,2 2 6 1", "a,12 1"]),
        (LABELS * 255, "masks of 0 and 255 were read as 0 and 1", ["a,2 2 6 1", "a,12 1"]),
    ],
)
def test_instances_from_one_picture(submit, tmp_path, pixels, said, expected):
    save(tmp_path / "m" / "a.png", pixels)
    assert said in submit("encode", "m", "-c", "sartorius", "--out", "file.csv")
    assert (tmp_path / "file.csv").read_text().splitlines()[1:] == expected


def test_instances_that_overlap_keep_their_confidence(submit, tmp_path):
    """Through layers on the disk, to the same bytes."""
    header = "id,height,width,prediction_string"
    save(tmp_path / "m" / "blood_vessel" / "a.png", np.kron(LABELS, np.ones((171, 128), np.uint16))[:512, :512])
    submit("encode", "m", "-c", "hubmap-vasculature", "--out", "file.csv")
    cell = rows(tmp_path / "file.csv")[1][3].split(" ")
    twice = " ".join([*cell[:1], "0.25", cell[2], *cell])
    sample(tmp_path / "file.csv", header, f"a,512,512,{twice}")
    submit("decode", "file.csv", "-c", "hubmap-vasculature", "--out", "back")
    assert (tmp_path / "back" / "blood_vessel~2" / "a.png").is_file()
    submit("encode", "back", "-c", "hubmap-vasculature", "--out", "again.csv")
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "file.csv").read_bytes()


def test_instances_of_another_size_are_refused(submit, tmp_path):
    """Their runs would fit the image, skewed."""
    save(tmp_path / "m" / "a.png", LABELS)
    save(tmp_path / "d" / "a.png", np.zeros((6, 8, 3), np.uint8))
    words = ("encode", "m", "-c", "sartorius", "--out", "f.csv")
    assert "the mask of a is 4x3, and the file needs 8x6" in submit(*words, "--data", "d", code=1)
    assert "and the file needs 768x768" in submit(*words[:3], "airbus-ship", *words[4:], code=1)
    save(tmp_path / "m" / "cell" / "a.jpg", LABELS)
    assert "is a JPEG, which changes the values" in submit(*words, code=1)


def test_sixteen_bits_do_not_say_which_class(submit, tmp_path):
    save(tmp_path / "m" / "a.png", LABELS.astype(np.uint16))
    assert "does not say which of 19 classes" in submit("encode", "m", "-c", "openimages-hpa", "--out", "f.csv", code=1)


def test_masks_named_like_the_files_own_pictures(submit, tmp_path):
    for name, value in (("damage", 3), ("localization", 1)):
        pixels = np.kron(LABELS * value, np.ones((342, 256), np.uint8))[:1024]
        save(tmp_path / "m" / f"test_{name}_socal_7_prediction.png", pixels)
    submit("encode", "m", "-c", "xview2", "--out", "file.zip")
    submit("decode", "file.zip", "-c", "xview2", "--out", "back")
    assert [path.name for path in sorted((tmp_path / "back").glob("*.png"))] == ["socal_7.png"]
    assert "nothing wrong" in submit("check", "file.zip", "-c", "xview2", "--masks", "m")


def test_a_mask_keeps_its_place_on_the_earth(submit, tmp_path):
    place = {"crs": "EPSG:32631", "transform": rasterio.Affine(10, 0, 399960, 0, -10, 4600020)}
    (tmp_path / "m").mkdir()
    profile = {"driver": "GTiff", "height": 3, "width": 4, "count": 1, "dtype": "uint8", "nodata": 0, **place}
    with rasterio.open(tmp_path / "m" / "scene.tif", "w", **profile) as file:
        file.write(LABELS * 11 + 1, 1)
    submit("encode", "m", "-c", "catalonia-s2", "--out", "sent")
    submit("decode", "sent", "-c", "catalonia-s2", "--out", "back")
    for folder in ("sent", "back"):
        with rasterio.open(tmp_path / folder / "scene.tif") as file:
            assert (file.crs.to_epsg(), file.transform, file.nodata) == (32631, place["transform"], 0)
            assert np.array_equal(file.read(1), LABELS * 11 + 1)
    (tmp_path / "sent" / "mine.txt").write_text("my own")
    assert "choose a new folder" in submit("encode", "m", "-c", "catalonia-s2", "--out", "sent", code=2)
    assert (tmp_path / "sent" / "mine.txt").read_text() == "my own"


def test_label_maps_are_resized_where_the_competition_does_it(submit, tmp_path):
    """Harvey's own file was made so; others refuse."""
    save(tmp_path / "m" / "6413.png", np.kron(LABELS, np.ones((500, 500), np.uint8)))
    submit("encode", "m", "-c", "centralesupelec-harvey", "--out", "file.csv")
    assert "nothing wrong" in submit("check", "file.csv", "-c", "centralesupelec-harvey", "--masks", "m")
    submit("decode", "file.csv", "-c", "centralesupelec-harvey", "--out", "back")
    assert np.array(Image.open(tmp_path / "back" / "6413.png")).shape == (1024, 1024)
    assert "labels are never resized" in submit("encode", "m", "-c", "severstal", "--out", "no.csv", code=1)


def test_a_folder_of_data_that_nobody_described(submit, tmp_path):
    """Sample, grid units and sizes come from it."""
    save(tmp_path / "d" / "three_band" / "6120_2_2.png", LABELS)
    sample(tmp_path / "d" / "grid_sizes.csv", ",Xmax,Ymin", "6120_2_2,16.0,-9.0")
    lines = [f"6120_2_2,{number},MULTIPOLYGON EMPTY" for number in range(10, 0, -1)]
    sample(tmp_path / "d" / "sample_submission.csv", "ImageId,ClassType,MultipolygonWKT", *lines)
    save(tmp_path / "m" / "buildings" / "6120_2_2.png", LABELS)
    submit("encode", "m", "-c", "dstl", "--data", "d", "--out", "file.csv")
    assert [row[1] for row in rows(tmp_path / "file.csv")] == ["ClassType", *map(str, range(10, 0, -1))]
    assert (
        json.loads(submit("check", "file.csv", "-c", "dstl", "--data", "d", "--json").split("next:")[0])["problems"]
        == []
    )
    submit("decode", "file.csv", "-c", "dstl", "--data", "d", "--out", "back")
    assert np.array_equal(np.array(Image.open(tmp_path / "back" / "buildings" / "6120_2_2.png")), LABELS * 255)
    assert "give --data DIR" in submit("encode", "m", "-c", "dstl", "--out", "no.csv", code=1)


@pytest.mark.parametrize(
    ("ids", "hint"),
    [
        (["6413_7", "6413_8"], "submission.csv.id = '{id}_{class}' would fit"),
        (["6413.png_7", "6414.png_8"], "submission.csv.id = '{id}.png_{class}' would fit"),
        (["6413.tif-7"], "submission.csv.id = '{id}.tif-{class}' would fit"),
    ],
)
def test_ids_of_a_sample_that_do_not_fit_name_the_template_that_would(submit, tmp_path, ids, hint):
    (tmp_path / "own.toml").write_text(
        'name = "own"\npreset = "centralesupelec-harvey"\n[submission.csv]\nid = "{id}.jpg_{class}"\n'
    )
    asked = sample(tmp_path / "sample.csv", "ImageClassId,rle_mask", *(f"{row_id}," for row_id in ids))
    said = submit("check", asked, "-c", "own.toml", "--sample", asked, code=1)
    assert f"the id {ids[0]!r} does not fit '{{id}}.jpg_{{class}}'" in said
    assert hint in said


@pytest.mark.parametrize("words", [("--size", "12"), ("--size", "0x5"), ("--size", "axb")])
def test_sizes_that_are_none(submit, words):
    submit("check", "file.csv", "-c", "uw-madison-gi", *words, code=2)
