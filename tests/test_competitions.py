"""Competitions: presets and layouts, and what a mistake in a user's own file says."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.competitions import available, find_pairs, load, patterns, presets
from lib.competitions.schema import Source
from lib.errors import DataError, UsageError
from lib.launching.preparing.plan import Request, make_plan
from lib.recipe import Recipe
from lib.training import state

SAMPLE = Path(__file__).parents[1] / "lib" / "competitions" / "sample.toml"


def test_every_preset_describes_a_file_and_a_score():
    assert len(presets()) == 33
    for name in presets():
        preset = load(name)
        assert (preset.name, preset.data.train) == (name, None)
        assert preset.counted
        assert preset.title
        assert preset.metric.label


def test_a_competition_is_laid_over_its_preset_table_by_table(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text('name = "own"\npreset = "severstal"\n[submission]\nsize = [64, 96]\n[submission.csv]\nbase = 0\n')
    own, preset = load(path), load("severstal")
    assert own.submission.size == (64, 96)
    assert own.submission.csv == preset.submission.csv.model_copy(update={"base": 0})
    assert (own.classes, own.metric, own.kaggle) == (preset.classes, preset.metric, preset.kaggle)
    path.write_text('name = "own"\npreset = "uw-madison-gi"\n[submission.coco]\n[metric]\nmeasure = "iou"\n')
    own = load(path)
    assert (own.submission.suffix, own.kind, own.metric.rules[0].measure) == (".json", "instances", "iou")
    assert own.metric.parts == ()


def test_a_preset_without_data_says_what_is_missing(tmp_path):
    said = "nothing says where images and masks lie"
    with pytest.raises(UsageError, match=said):
        find_pairs(load("severstal").data.train, tmp_path)
    with pytest.raises(UsageError, match=f"severstal describes a submission file and its score; {said}"):
        make_plan(Request(competition="severstal", gpu="t4x2"), {})


def test_deepglobe_is_described_as_its_page_describes_it():
    deepglobe = load("deepglobe")
    colours = {label.name: label.rgb for label in (*deepglobe.classes, *deepglobe.ignore)}
    assert colours == {
        "urban": (0, 255, 255), "agriculture": (255, 255, 0), "rangeland": (255, 0, 255), "forest": (0, 255, 0),
        "water": (0, 0, 255), "barren": (255, 255, 255), "unknown": (0, 0, 0),
    }  # fmt: skip
    assert deepglobe.masks.threshold == 128
    assert (deepglobe.metric.measure, deepglobe.metric.pool, len(deepglobe.counted)) == ("iou", "set", 6)
    assert deepglobe.kaggle.datasets == ("balraj98/deepglobe-land-cover-classification-dataset",)
    assert deepglobe.mount == "datasets/balraj98/deepglobe-land-cover-classification-dataset"


@pytest.mark.parametrize(
    ("written", "instead", "said"),
    [
        ('order = "C"', 'order = "X"', "submission.csv.order: found 'X', allowed: 'C' or 'F'"),
        ("base = 1", "base = 2", "submission.csv.base: found 2, allowed: 0 or 1"),
        ('measure = "dice"', 'measuer = "dice"', "metric.measuer: unknown key; did you mean measure?"),
        ("[metric]", "[metrics]", "metrics: unknown key; did you mean metric?"),
        ('name = "sample"\n', "", "name: the key is missing"),
        ('colour = "#00FFFF"', 'colour = "cyan"', "classes.0.colour: found 'cyan': a colour is written '#RRGGBB'"),
        ("#FFFF00", "#00FFFF", "two classes have the colour '#00FFFF'"),
        ('"agriculture"', '"urban"', "two classes have the name 'urban'"),
        ('colour = "#00FFFF"', "", "classes.0: 'urban' has no colour, and masks are coded by colour"),
        ("train/{id}_mask.png", "train/{number}_mask.png", "masks: {number} is not in images"),
        ("train/{id}_sat.png", "/train/{id}_sat.png", "a pattern is a relative path"),
        ("train/{id}_sat.png", "train/../../{id}.png", "a pattern is a relative path"),
        ("train/{id}_sat.png", "train/all.png", "images: the pattern has no {field}"),
        ('id = "{id}_{class}"', 'id = "{id}/{class}"', "an id must not contain a slash"),
        ("built_in = true", "built_in = 7", "data.built_in: found 7: input should be a valid boolean"),
        ('sample = "sample_submission.csv"', 'classes = ["sea"]', "submission.csv.classes: there is no class 'sea'"),
        ("[metric]", "[submission.zip]\n[metric]", "give exactly one of the tables"),
        ('empty = ""', 'unit = "patch"', "patch: it goes with unit"),
        ('empty = ""', 'unit = "image"', "masks stand in one cell, blanks between them, and 'rle' holds blanks itself"),
        ('id = "{id}_{class}"', 'id = "{id}_{x}_{y}"\nunit = "patch"\npatch = 8', "patches are of one class"),
        ('empty = ""', 'cells = ["{class}"]', "one of them holds {mask}"),
        ('empty = ""', 'cells = ["{mask}", "{mask}"]', "columns: 2 names for 3 cells"),
        ('name = "sample"', 'name = "sample"\npreset = "severstale"', "preset: found 'severstale'"),
        ('pool = "set"', "parts = [{weight = 1}]", "with [[metric.parts]] these stand in the parts"),
        ('pool = "set"', 'group = "("', "it is not a regular expression"),
        ('pool = "set"', 'inside = ["sea"]', "metric.inside: there is no class 'sea'"),
        (
            'pool = "set"',
            'classes = ["crop", "crop"]',
            "metric.classes: found ['crop', 'crop']: a class stands there twice",
        ),
        ('pool = "set"', "beta = 2", "metric.beta: dice, pooled by 'set', has no use for it"),
        (
            'pool = "set"',
            'mean = "harmonic"\npool = "image"',
            "metric.mean: dice, pooled by 'image', has no use for it",
        ),
        ('pool = "set"', 'empty = "none"', "metric.empty: found 'none', allowed: 0, 1 or 'skip'"),
        ("[data]", "[data", "is not valid TOML"),
    ],
)
def test_a_mistake_names_file_key_found_and_allowed(tmp_path, written, instead, said):
    text = SAMPLE.read_text()
    assert written in text
    path = tmp_path / "own.toml"
    path.write_text(text.replace(written, instead, 1))
    with pytest.raises(UsageError, match=re.escape(said)) as caught:
        load(path)
    assert str(path) in caught.value.reason


def test_all_mistakes_are_told_at_once(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(SAMPLE.read_text().replace('order = "C"', 'order = "X"').replace("base = 1", "base = 7"))
    with pytest.raises(UsageError) as caught:
        load(path)
    assert "submission.csv.order" in caught.value.reason
    assert "submission.csv.base" in caught.value.reason


@pytest.mark.parametrize(
    ("name", "said", "hint"),
    [("dubia", "there is no competition 'dubia'", "did you mean dubai?"), ("own.toml", "does not exist", "deepglobe")],
)
def test_an_unknown_name(name, said, hint):
    with pytest.raises(UsageError, match=said) as caught:
        load(name)
    assert hint in caught.value.hint


def tree(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def test_pairs_of_a_layout_with_two_holes(tmp_path):
    folder = "Semantic segmentation dataset/Tile {}/{}/image_part_00{}.{}"
    names = [folder.format(tile, kind, part, end) for tile in (1, 2) for part in (1, 2)
             for kind, end in (("images", "jpg"), ("masks", "png"))]  # fmt: skip
    pairs = find_pairs(load("dubai").data.train, tree(tmp_path, *names, "Semantic segmentation dataset/classes.json"))
    assert [pair.id for pair in pairs] == [f"tile{tile}_image_part_00{part}" for tile in (1, 2) for part in (1, 2)]
    assert [pair.group for pair in pairs] == ["1", "1", "2", "2"]
    assert all(pair.mask.stem == pair.image.stem for pair in pairs)
    assert all(pair.mask.parent.parent == pair.image.parent.parent for pair in pairs)


def test_partners_that_are_missing(tmp_path):
    source = load("sample").data.train
    with pytest.raises(DataError, match=r"2_sat.png has no mask: train/2_mask.png is missing"):
        find_pairs(source, tree(tmp_path / "a", "train/1_sat.png", "train/1_mask.png", "train/2_sat.png"))
    with pytest.raises(DataError, match=r"3_mask.png is a mask without an image"):
        find_pairs(source, tree(tmp_path / "b", "train/1_sat.png", "train/1_mask.png", "train/3_mask.png"))


def test_masks_that_the_images_pattern_fits_too(tmp_path):
    source = Source(images="{id}.png", masks="{id}_m.png")
    pairs = find_pairs(source, tree(tmp_path / "a", "1.png", "1_m.png", "2.png", "2_m.png"))
    assert [(pair.id, pair.image.name, pair.mask.name) for pair in pairs] == [
        ("1", "1.png", "1_m.png"),
        ("2", "2.png", "2_m.png"),
    ]
    with pytest.raises(DataError, match=r"2_m.png is a mask without an image"):
        find_pairs(source, tree(tmp_path / "b", "1.png", "1_m.png", "2_m.png"))
    with pytest.raises(DataError, match=r"2.png has no mask: 2_m.png is missing"):
        find_pairs(source, tree(tmp_path / "c", "1.png", "1_m.png", "2.png"))


def test_folders_that_hold_nothing_that_fits(tmp_path):
    source = load("sample").data.train
    with pytest.raises(UsageError, match="does not exist"):
        find_pairs(source, tmp_path / "nowhere")
    with pytest.raises(UsageError, match="holds nothing"):
        find_pairs(source, tmp_path)
    with pytest.raises(UsageError, match=r"the folder holds a.txt, b/"):
        find_pairs(source, tree(tmp_path, "a.txt", "b/c.txt"))


def test_two_images_with_one_id(tmp_path):
    source = load("dubai").data.train.model_copy(update={"id": "{part}"})
    names = [
        f"Semantic segmentation dataset/Tile {t}/{k}/x.{e}"
        for t in (1, 2)
        for k, e in (("images", "jpg"), ("masks", "png"))
    ]
    with pytest.raises(DataError, match="would both have the id 'x'"):
        find_pairs(source, tree(tmp_path, *names))


words = st.text("abcXYZ019_-. ", min_size=1, max_size=8).filter(lambda text: text.strip(". ") == text)


@given(first=words, second=words)
def test_what_fills_a_pattern_is_found_in_it(tmp_path_factory, first, second):
    root = tmp_path_factory.mktemp("tree")
    pattern = "a {one}/b/{two}_x.png"
    path = root / patterns.fill(pattern, {"one": first, "two": second})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    assert list(patterns.find(root, pattern)) == [(path, {"one": first, "two": second})]


def test_a_hole_named_twice_must_hold_the_same(tmp_path):
    tree(tmp_path, "1/1.png", "2/3.png")
    assert [path.name for path, _ in patterns.find(tmp_path, "{id}/{id}.png")] == ["1.png"]


@pytest.mark.parametrize("name", [*available(), *presets()])
def test_a_training_state_fits_the_competition_that_left_it(name):
    """Whatever its rule: of several parts, of volumes, of instances."""
    own = state.identity(load(name), Recipe(), [], [], 1)
    state.must_fit(own, state.identity(load(name), Recipe(), [], [], 1), Path("last.ckpt"))
