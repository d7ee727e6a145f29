"""A folder of images and masks looked at: the patterns, the coding, the classes, and the file that is written."""

import os
import pty
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from lib.competitions import find_pairs, parse
from lib.data.discover import answered, discover, draft
from lib.data.discover.census import runs, sampled
from lib.errors import DataError, UsageError
from lib.rasters import stored
from lib.rasters.headers import read_header
from tests.programs import PROJECT
from tests.twins import MAKERS, north_up, picture, raster, twin

REAL = PROJECT.parent / "shared" / "data"


def described(root, file):
    """The competition that a folder is taken for, through its TOML file."""
    file.write_text(draft(discover(root), "own"))
    return parse(file)


def coded(competition):
    """Class and ignored colours, or values."""
    colours = competition.masks.coding == "colour"
    return [
        {label.colour if colours else label.value for label in labels}
        for labels in (competition.classes, competition.ignore)
    ]


def files(pairs):
    return {(pair.image, pair.mask) for pair in pairs}


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_every_twin_is_recognised(tmp_path, name):
    made = twin(name, tmp_path / "data")
    own, true = described(made.root, tmp_path / "own.toml"), made.competition
    assert files(find_pairs(own.data.train, made.root)) == files(find_pairs(true.data.train, made.root))
    assert own.masks.coding == true.masks.coding
    assert own.masks.threshold == (None if name == "sample" else true.masks.threshold)  # the sample's are pure
    assert own.masks.resample == true.masks.resample
    assert own.images.bands == true.images.bands
    classes, ignore = coded(own)
    filled = true.model_copy(
        update={
            "classes": tuple(
                label.model_copy(update={"value": value})
                for label, value in zip(true.classes, true.values, strict=True)
            )
        }
    )
    true_classes, true_ignore = coded(filled)
    assert classes | ignore == true_classes | true_ignore
    if name != "sample":  # where nothing says what its black means
        assert ignore == true_ignore
    assert (own.data.test is None) == (true.data.test is None)
    if own.data.test:
        tests = [find_pairs(each.data.test, made.root, masks=False) for each in (own, true)]
        assert {pair.image for pair in tests[0]} == {pair.image for pair in tests[1]}


def test_groups_ids_and_lists_of_the_twins(tmp_path):
    found = {name: described(twin(name, tmp_path / name).root, tmp_path / f"{name}.toml") for name in MAKERS}
    assert found["dubai"].data.train.group == "{tile}"
    assert found["dubai"].data.train.id == "{tile}_{id}"
    groups = {pair.id: pair.group for pair in find_pairs(found["dfc2019"].data.train, tmp_path / "dfc2019")}
    assert groups["JAX_004_006"] == groups["JAX_004_010"] == "JAX_004"
    assert {pair.group for pair in find_pairs(found["catalonia"].data.train, tmp_path / "catalonia")} == {"all"}
    lists = found["landcoverai"].data.lists
    assert (lists.train, lists.validation, lists.test, lists.tile) == ("train.txt", "val.txt", "test.txt", 512)
    assert found["harvey"].submission.csv.id == "{id}_{class}"
    assert found["harvey"].sent == tuple(range(1, 25))
    assert found["deepglobe"].names[:2] == ("urban_land", "agriculture_land")
    assert found["dfc2019"].names == ("ground", "trees", "buildings", "water", "bridge")


def grid(seed=0, values=(0, 1, 2), size=(40, 48)):
    """(H, W) uint8: blocks of values, each of which stands somewhere."""
    rng = np.random.default_rng(seed)
    blocks = rng.choice(values, (size[0] // 8, size[1] // 8))
    blocks.flat[: len(values)] = values
    return np.kron(blocks, np.ones((8, 8))).astype(np.uint8)


def noise(seed=0, size=(40, 48)):
    return np.random.default_rng(seed).integers(0, 255, (*size, 3), np.uint8)


def pair_at(root, image, mask, seed=0, labels=None):
    picture(root / image, noise(seed))
    picture(root / mask, grid(seed) if labels is None else labels)


@pytest.mark.parametrize(
    ("image", "mask", "others"),
    [
        ("images/{}.jpg", "masks/{}.png", ()),
        ("img/train/{}.png", "ann/train/{}.png", ()),
        ("out/{}.jpg", "out/{}_m.png", ()),
        ("out/{}.png", "out/{}_m.png", ()),
        ("{}.tif", "{}_labels.tif", ()),
        ("{}/image.png", "{}/mask.png", ()),
        ("train/{}.png", "train_labels/{}.png", ()),
        ("2_Ortho_RGB/top_{}_RGB.tif", "5_Labels_all/top_{}_label.tif", ()),
        ("Train/images_png/{}.png", "Train/masks_png/{}.png", ("Val/images_png/9.png", "Val/masks_png/9.png")),
        ("one/{}.png", "two/{}.png", ()),
        ("a/{}.jpg", "a/{}.png", ()),
        ("x/{}_pic.png", "x/{}_gt.png", ("readme.txt",)),
        ("s2/{}_S2Hand.tif", "lab/{}_LabelHand.tif", ("s1/7_S1Hand.tif", "s1/12_S1Hand.tif")),
        ("patch_{}/images/p.png", "patch_{}/groundtruth/p.png", ()),
    ],
)
def test_ways_to_name_files(tmp_path, image, mask, others):
    root = tmp_path / "data"
    names = ["7", "12", "105"]
    for seed, name in enumerate(names):
        pair_at(root, image.format(name), mask.format(name), seed)
    for other in others:
        if other.endswith(".txt"):
            (root / other).write_text("words")
        else:
            picture(root / other, grid(5) if "mask" in other else noise(5))
    own = described(root, tmp_path / "own.toml")
    wanted = {(root / image.format(name), root / mask.format(name)) for name in names}
    assert files(find_pairs(own.data.train, root)) == wanted
    assert coded(own) == [{0, 1, 2}, set()]


def test_validation_pairs_are_not_trained_on_and_stand_as_test_images(tmp_path):
    for seed, part in enumerate(("train", "train", "val")):
        pair_at(tmp_path, f"{part}/images/{seed}.png", f"{part}/labels/{seed}.png", seed)
    found = discover(tmp_path)
    assert found.table["data"]["train"]["images"] == "train/images/{id}.png"
    assert found.table["data"]["test"] == {"images": "val/images/{id}.png", "masks": "val/labels/{id}.png"}


def test_a_mask_without_an_image_is_told(tmp_path):
    pair_at(tmp_path, "images/1.png", "masks/1.png")
    pair_at(tmp_path, "images/2.png", "masks/2.png", 1)
    picture(tmp_path / "masks/3.png", grid(3))
    assert any("masks/3.png" in note for note in discover(tmp_path).notes)


@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_soft_masks_of_0_and_255_get_a_threshold(tmp_path, ending):
    for seed in range(3):
        labels = np.kron(grid(seed, (0, 255)), np.ones((4, 4))).astype(np.uint8)
        soft = np.asarray(Image.fromarray(labels).resize((96, 80), Image.Resampling.BICUBIC))
        soft = np.asarray(Image.fromarray(soft).resize(labels.shape[::-1], Image.Resampling.BILINEAR))
        picture(tmp_path / f"images/{seed}.png", noise(seed, labels.shape))
        picture(tmp_path / f"masks/{seed}.{ending}", soft)
    table = discover(tmp_path).table
    assert table["masks"] == {"coding": "index", "threshold": 128}
    assert [(each["value"], each["name"]) for each in table["classes"]] == [(0, "background"), (255, "foreground")]


def test_colours_of_jpeg_masks_are_told_by_how_near_they_are(tmp_path):
    colours = np.uint8([(60, 16, 152), (132, 41, 246), (226, 169, 41)])
    for seed in range(3):
        labels = np.kron(grid(seed), np.ones((8, 8))).astype(np.uint8)
        picture(tmp_path / f"images/{seed}.png", noise(seed, labels.shape))
        picture(tmp_path / f"masks/{seed}.jpg", colours[labels], quality=97, subsampling=0)
    found = discover(tmp_path)
    masks = found.table["masks"]
    assert masks["coding"] == "colour"
    assert 4 <= masks["tolerance"] <= 48
    assert len(found.table["classes"]) == 3
    for each in found.table["classes"]:
        rgb = np.array([int(each["colour"][at : at + 2], 16) for at in (1, 3, 5)])
        assert np.abs(colours.astype(int) - rgb).max(axis=1).min() <= 4
    assert any("JPEG" in note for note in found.notes)


def test_palettes_that_disagree_are_read_as_colours(tmp_path):
    colours = np.uint8([(255, 0, 0), (0, 120, 0), (10, 0, 255)])
    for seed, order in enumerate(([0, 1, 2], [2, 0, 1])):
        labels = grid(seed)
        numbered = Image.fromarray(np.argsort(order).astype(np.uint8)[labels])
        numbered.putpalette(colours[order].tobytes())
        picture(tmp_path / f"images/{seed}.png", noise(seed))
        (tmp_path / "masks").mkdir(exist_ok=True)
        numbered.save(tmp_path / f"masks/{seed}.png")
    table = discover(tmp_path).table
    assert table["masks"]["coding"] == "colour"
    assert {each["colour"] for each in table["classes"]} == {"#FF0000", "#007800", "#0A00FF"}


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("classes.csv", "id,name\n0,soil\n1,crop\n2,tree\n"),
        ("labels.json", '{"0": "soil", "1": "crop", "2": "tree"}'),
        ("meta.json", '{"classes": [{"id": 0, "name": "soil"}, {"id": 1, "name": "crop"}, {"id": 2, "name": "tree"}]}'),
        ("classes.json", '["soil", "crop", "tree"]'),
        ("classes.txt", "soil\ncrop\ntree\n"),
        ("class_dict.csv", "name,r,g,b\nsoil,1,2,3\ncrop,4,5,6\ntree,7,8,9\n"),
    ],
)
def test_names_of_index_masks(tmp_path, file, text):
    for seed in range(2):
        pair_at(tmp_path, f"images/{seed}.png", f"masks/{seed}.png", seed)
    (tmp_path / file).write_text(text)
    found = discover(tmp_path)
    assert [each["name"] for each in found.table["classes"]] == ["soil", "crop", "tree"]
    assert not any(question.key.startswith("classes") for question in found.questions)
    assert file in found.why["classes.0"]


def test_what_is_no_class(tmp_path):
    for seed in range(2):
        labels = grid(seed, (0, 1, 2, 255)).astype(np.int16)
        labels[labels == 255] = -1
        pixels = noise(seed).astype(np.float32)
        pixels[:9, :9] = -9999
        raster(tmp_path / f"images/{seed}.tif", pixels)
        raster(tmp_path / f"masks/{seed}.tif", labels)
    own = described(tmp_path, tmp_path / "own.toml")
    assert coded(own) == [{0, 1, 2}, {-1}]
    assert (own.images.bands, own.images.nodata) == ((1, 2, 3), -9999)
    for seed in range(2):
        raster(tmp_path / f"masks/{seed}.tif", grid(seed, (0, 1, 2, 255)), nodata=0)
    assert coded(described(tmp_path, tmp_path / "own.toml")) == [{1, 2}, {0, 255}]


@pytest.mark.parametrize(("turned", "orientation"), [(True, "exif"), (False, None)])
def test_a_cameras_orientation_is_taken_where_only_it_fits(tmp_path, turned, orientation):
    exif = Image.Exif()
    exif[0x0112] = 6
    for seed in range(2):
        labels = grid(seed)
        picture(tmp_path / f"images/{seed}.jpg", noise(seed), exif=exif)
        picture(tmp_path / f"masks/{seed}.png", np.rot90(labels, -1) if turned else labels)
    found = discover(tmp_path)
    assert found.table.get("images", {}).get("orientation") == orientation
    assert "resample" not in found.table["masks"]


def test_coarser_labels_are_brought_to_the_images(tmp_path):
    raster(tmp_path / "images/a.tif", noise(0), crs="EPSG:32631", transform=north_up(0, 480, 10))
    raster(tmp_path / "masks/a.tif", grid(0, size=(16, 24)), crs="EPSG:32631", transform=north_up(0, 480, 25))
    assert discover(tmp_path).table["masks"]["resample"] == "nearest"


@pytest.mark.parametrize(
    ("header", "rows", "wanted"),
    [
        ("ImageId_ClassId,EncodedPixels", ["{}.jpg_1,", "{}.jpg_2,"], {"id": "{id}.jpg_{class}", "classes": [1, 2]}),
        ("Image_Label,EncodedPixels", ["{}.jpg_crop,-"], {"id": "{id}.jpg_{name}", "classes": [1], "empty": "-"}),
        ("id,class,predicted", ["{},1,"], {"id": "{id}", "cells": ["{class}", "{mask}"]}),
        ("img,rle_mask", ["{},"], {"id": "{id}", "classes": [2]}),
    ],
)
def test_a_sample_submission_says_what_is_sent(tmp_path, header, rows, wanted):
    for seed in range(2):
        pair_at(tmp_path, f"train/images/{seed}.jpg", f"train/masks/{seed}.png", seed)
        picture(tmp_path / f"test/images/t{seed}.jpg", noise(seed))
    (tmp_path / "classes.csv").write_text("id,name\n0,soil\n1,crop\n2,tree\n")
    lines = [row.format(name) for name in ("t0", "t1") for row in rows]
    (tmp_path / "sample_submission.csv").write_text("\n".join([header, *lines]) + "\n")
    own = described(tmp_path, tmp_path / "own.toml").submission.csv
    assert own.columns == tuple(header.split(","))
    assert own.sample == "sample_submission.csv"
    names = ("soil", "crop", "tree")
    if "classes" in wanted:
        assert own.classes == tuple(names[place] for place in wanted.pop("classes"))
    for key, value in wanted.items():
        assert getattr(own, key) == (tuple(value) if isinstance(value, list) else value)


def test_lists_of_images(tmp_path):
    for seed in range(3):
        pair_at(tmp_path, f"images/i{seed}.png", f"masks/i{seed}.png", seed)
    (tmp_path / "train.txt").write_text("i0.png\ni1.png\n")
    (tmp_path / "val.txt").write_text("i2.png\n")
    assert discover(tmp_path).table["data"]["lists"] == {"train": "train.txt", "validation": "val.txt"}


def test_folders_that_are_no_data_set(tmp_path):
    with pytest.raises(UsageError, match="holds no picture"):
        discover(tmp_path)
    picture(tmp_path / "photos/1.jpg", noise())
    with pytest.raises(DataError, match="looks like masks"):
        discover(tmp_path)
    picture(tmp_path / "masks/1.png", np.zeros((40, 48), np.uint8))
    with pytest.raises(DataError, match="one class only: 0"):
        discover(tmp_path)
    raster(tmp_path / "masks/1.png", np.arange(40 * 48, dtype=np.uint16).reshape(40, 48))
    with pytest.raises(DataError, match="1920 different values, which are no classes"):
        discover(tmp_path)


@given(arrays.arrays(np.int16, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.integers(-2, 3)))
def test_values_are_counted_as_numpy_counts_them(labels):
    values, counts, edges = runs(labels)
    wanted, amounts = np.unique(labels, return_counts=True)
    assert (values.tolist(), counts.tolist()) == (wanted.tolist(), amounts.tolist())
    ring = np.ones(labels.shape, bool)
    ring[2:-2, 2:-2] = False
    assert edges.tolist() == [int(np.count_nonzero(ring & (labels == value))) for value in wanted]


def test_of_big_rasters_a_part_is_read(tmp_path, monkeypatch):
    labels = np.random.default_rng(0).integers(0, 99, (90, 70)).astype(np.uint8)
    raster(tmp_path / "a.tif", labels)
    head = read_header(tmp_path / "a.tif")
    assert np.array_equal(stored.glance(tmp_path / "a.tif", head)[..., 0], labels)
    monkeypatch.setattr(stored, "MOST_PIXELS", 1600)
    every_other = stored.glance(tmp_path / "a.tif", head)[..., 0]
    assert every_other.shape == (45, 35)
    assert set(np.unique(every_other)) <= set(np.unique(labels))
    monkeypatch.setattr(stored, "HUGE", 1600)
    windows = stored.glance(tmp_path / "a.tif", head)[..., 0]
    assert windows.shape == (40, 40)
    assert np.array_equal(windows[:10, :10], labels[:10, :10])
    assert np.array_equal(windows[-10:, -10:], labels[-10:, -10:])


@given(st.integers(0, 900), st.integers(2, 200))
def test_a_sample_is_spread_evenly_and_has_both_ends(count, most):
    chosen = sampled(list(range(count)), most)
    assert len(chosen) == len(set(chosen)) == min(count, most)
    assert not count or (chosen[0], chosen[-1]) == (0, count - 1)


def test_an_answer_takes_its_place_everywhere(tmp_path):
    found = discover(twin("harvey", tmp_path).root)
    said = {"classes.1.name": "roof", "metric.measure": "dice", "kaggle.competition": "flood", "metric.pool": ""}
    table = answered(found.table, said)
    assert table["classes"][1]["name"] == table["submission"]["csv"]["classes"][0] == "roof"
    assert (table["metric"], table["kaggle"]) == ({"measure": "dice", "pool": "set"}, {"competition": "flood"})
    with pytest.raises(UsageError, match="two classes would be called 'roof'"):
        answered(found.table, {"classes.1.name": "roof", "classes.2.name": "roof"})
    with pytest.raises(UsageError, match=r"metric\.measure: found 'iuo'"):
        answered(found.table, {"metric.measure": "iuo"})


# The command


def test_new_writes_a_file_that_loads_and_pairs(program, tmp_path):
    root = twin("deepglobe", tmp_path / "data").root
    file = program.folder / "land.toml"
    done = program("launch.py", "competitions", "new", "land", "--data", root, "--out", file)
    competition = parse(file)
    assert len(find_pairs(competition.data.train, root)) == 3
    assert done.stdout.strip() == f"{file}: 3 pair(s), 6 classes"
    text = file.read_text()
    assert "threshold = 128" in text
    assert "named in class_dict.csv" in text
    assert 'measure = "iou"  # fill in: ' in text
    assert f"next: python launch.py doctor -c {file} --data {root}" in done.stderr
    assert f"python launch.py -c {file} --data {root}" in done.stderr


def test_new_leaves_a_file_alone_without_force(launch, tmp_path):
    root, file = twin("sample", tmp_path / "data").root, tmp_path / "own.toml"
    file.write_text("mine")
    command = ("competitions", "new", "own", "--data", root, "--out", file)
    said = launch(*command, "-y", code=2)
    assert "own.toml is there already" in said.stderr
    assert file.read_text() == "mine"
    document = launch.json(*command, "--force")
    assert document["pairs"] == 3
    assert parse(file).model_dump(mode="json", exclude_defaults=True) == document["found"]
    assert {"classes.0.name", "metric.measure"} <= {each["key"] for each in document["fill_in"]}
    said = launch("competitions", "new", "Own_Name", "--data", root, code=2)
    assert "is no name of a competition" in said.stderr


def test_a_terminal_is_asked(tmp_path):
    root = tmp_path / "data"
    for seed in range(2):
        pair_at(root, f"images/{seed}.png", f"masks/{seed}.png", seed)
    main, side = pty.openpty()
    answers = ["soil", "crop", "", "cvs", "csv", "dice", "pairs", "me/field", ""]
    os.write(main, "".join(f"{answer}\n" for answer in answers).encode())
    words = [sys.executable, PROJECT / "launch.py", "competitions", "new", "field", "--data", root]
    done = subprocess.run(words, cwd=tmp_path, stdin=side, stdout=subprocess.PIPE, stderr=side, timeout=60)
    os.close(side)
    os.close(main)
    assert done.returncode == 0
    field = parse(tmp_path / "field.toml")
    assert field.names == ("soil", "crop", "class-2")
    assert (field.metric.measure, field.metric.pool) == ("dice", "pairs")
    assert field.submission.csv is not None
    assert field.kaggle.datasets == ("me/field",)


def test_all_are_listed_and_each_is_shown(launch, tmp_path):
    rows = {row["name"]: row for row in launch.json("competitions")}
    assert launch.json("competitions", "list") == list(rows.values())
    assert set(MAKERS) <= set(rows)
    assert len(rows) == len(MAKERS) + 33
    assert rows["landcoverai"]["data"] == "on Kaggle: adrianboguszewski/landcoverai"
    assert rows["severstal"]["data"] == "none: a file and its score"
    lines = launch("competitions").stdout.splitlines()
    assert lines[0].split()[0] == "catalonia"
    file = tmp_path / "own.toml"
    file.write_text(launch("competitions", "show", "catalonia").stdout)
    shown = launch.json("competitions", "show", file)
    assert shown == launch.json("competitions", "show", "catalonia")
    assert shown["masks"]["resample"] == "majority"
    assert "did you mean dubai?" in launch("competitions", "show", "dubia", code=2).stderr


# Real data


def real(folder):
    if not (REAL / folder).is_dir():
        pytest.skip(f"the real samples of {folder} are not on this machine")
    return REAL / folder


def test_real_dubai(tmp_path):
    root = real("dubai")
    found = discover(root)
    (tmp_path / "own.toml").write_text(draft(found, "own"))
    own = parse(tmp_path / "own.toml")
    assert len(find_pairs(own.data.train, root)) == 54
    assert (own.data.train.group, own.masks.coding) == ("{tile}", "colour")
    assert coded(own) == [{"#3C1098", "#8429F6", "#6EC1E4", "#FEDD3A", "#E2A929"}, {"#9B9B9B", "#000000"}]
    assert any("classes.json" in note for note in found.notes)


def test_real_harvey(tmp_path):
    found = discover(real("harvey"))
    assert found.table["data"]["train"] == {"images": "train_images/{id}.jpg", "masks": "train_masks/{id}.png"}
    assert found.table["masks"] == {"coding": "index"}
    assert {each["value"] for each in found.table["classes"]} == {0, 1, 2, 3, 4, 5, 6, 8, 10, 14}
    assert any("train_masks/6965.png" in note for note in found.notes)


def test_real_sentinel_2_over_spain(tmp_path):
    own = described(real("sen1floods11"), tmp_path / "own.toml")
    assert own.data.train.images == "S2/{id}_S2Hand.tif"
    assert (own.images.channels, own.data.test) == (13, None)
    assert coded(own) == [{0, 1}, {-1}]
