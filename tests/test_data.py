"""From pairs to crops: the split, the joint augmentation, the shares of ranks, the check of every file."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.competitions import IGNORE, Pair, find_pairs, load
from lib.data.augment import training_transform
from lib.data.checks import check
from lib.data.datasets import EpochShare, ImageShare, TrainingCrops, WholeImages, to_working_size
from lib.data.roots import find_root
from lib.data.splits import split
from lib.errors import DataError
from lib.folders import Folders
from lib.rasters import encode_png, read_labels
from lib.recipe import resolve


def pairs_named(*names: str, group=lambda name: name) -> list[Pair]:
    return [Pair(name, None, None, group(name)) for name in names]


@given(st.lists(st.text("abcdef", min_size=1, max_size=4), min_size=2, max_size=40, unique=True), st.randoms())
def test_a_split_depends_on_names_alone(names, shuffler):
    pairs = pairs_named(*sorted(names))
    mixed = list(pairs)
    shuffler.shuffle(mixed)
    training, held_out = split(pairs, 0.2, seed=0)
    again = split(mixed, 0.2, seed=0)
    assert {pair.id for pair in training} == {pair.id for pair in again[0]}
    assert [pair.id for pair in held_out] == [pair.id for pair in again[1]]
    assert training
    assert held_out
    assert sorted(pair.id for pair in training + held_out) == sorted(names)


def test_groups_stay_whole_and_the_share_is_near():
    pairs = pairs_named(*[f"{tile}{part}" for tile in "abcdef" for part in "123456789"], group=lambda name: name[0])
    training, held_out = split(pairs, 0.2, seed=0)
    assert len(held_out) == 9
    assert not {pair.group for pair in training} & {pair.group for pair in held_out}
    assert {split(pairs, 0.2, seed)[1][0].group for seed in range(20)} > {held_out[0].group}


def test_one_group_cannot_be_split():
    with pytest.raises(DataError, match="in one group cannot be split"):
        split(pairs_named("a", "b", group=lambda name: "x"), 0.2, seed=0)


@pytest.mark.parametrize("policy", ["none", "flips", "aerial"])
def test_image_and_mask_move_together(policy):
    """An image that shows its own labels still does after every geometric change."""
    transform = training_transform(policy, crop=48)
    still = [
        step
        for step in transform.transforms
        if type(step).__name__ in ("RandomBrightnessContrast", "HueSaturationValue")
    ]
    for step in still:
        step.p = 0.0
    rng = np.random.default_rng(0)
    agreed = []
    for seed in range(60):
        labels = np.kron(rng.integers(0, 6, (6, 8)), np.ones((17, 13))).astype(np.uint8)
        transform.set_random_seed(seed)
        drawn = transform(image=np.dstack([labels * 40] * 3), mask=labels)
        assert drawn["image"].shape == (48, 48, 3)
        agreed.append(np.mean(np.abs(drawn["image"][..., 0] / 40 - drawn["mask"]) < 0.5))
    assert np.mean(agreed) > 0.97
    assert min(agreed) > 0.9


def test_an_image_smaller_than_the_crop_is_padded():
    transform = training_transform("aerial", crop=64)
    drawn = transform(image=np.zeros((21, 35, 3), np.uint8), mask=np.ones((21, 35), np.uint8))
    assert drawn["image"].shape == (64, 64, 3)
    assert (drawn["mask"] == 1).all()


@pytest.fixture(scope="module")
def crops(scenes, competition):
    recipe, _ = resolve([("sample", competition.recipe), ("--set", {"data.crop": 64, "data.scale": 0.5})])
    return TrainingCrops(find_pairs(competition.data.train, scenes), competition, recipe)


def test_a_crop_depends_on_epoch_and_number_alone(crops):
    order = [(epoch, number) for epoch in range(2) for number in range(12)]
    first = {item: crops[item] for item in order}
    random.Random(0).shuffle(order)
    for item in order:
        assert all((one == other).all() for one, other in zip(first[item], crops[item], strict=True))
    images = [first[item][0].numpy().tobytes() for item in order]
    assert len(set(images)) == len(images)
    image, labels = first[0, 0]
    assert (image.shape, str(image.dtype)) == ((3, 64, 64), "torch.uint8")
    assert (labels.shape, str(labels.dtype)) == ((64, 64), "torch.int64")


def test_an_epoch_sees_about_all_pixels(crops):
    recipe = crops.recipe
    seen = crops.steps() * recipe.train.batch * recipe.data.crop**2
    assert 0.9 < seen / crops.pixels < 1.1


@given(st.integers(1, 5), st.integers(1, 4), st.integers(1, 4), st.integers(0, 9))
def test_ranks_share_an_epoch_without_gap_or_repeat(steps, ranks, each, epoch):
    shares = []
    for rank in range(ranks):
        share = EpochShare(steps, ranks * each, rank, ranks)
        share.set_epoch(epoch)
        assert len(share) == len(list(share)) == steps * each
        shares.append(list(share))
    assert sorted(item for share in shares for item in share) == [(epoch, n) for n in range(steps * ranks * each)]
    step = sorted(item for share in shares for item in share[:each])
    assert step == [(epoch, n) for n in range(ranks * each)], "a step is the same crops for any number of ranks"


@given(st.integers(0, 30), st.integers(1, 6))
def test_validation_images_are_shared_without_repeat(images, ranks):
    shares = [list(ImageShare(images, rank, ranks)) for rank in range(ranks)]
    assert sorted(number for share in shares for number in share) == list(range(images))


def test_validation_sees_the_original(scenes, competition):
    pairs = find_pairs(competition.data.train, scenes)
    number, image, labels = WholeImages(pairs, competition)[3]
    assert number == 3
    assert image.shape[:2] == labels.shape
    assert np.array_equal(labels, read_labels(pairs[3].mask, competition))


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([0.25, 0.5, 1.0, 1.7]))
def test_working_size(height, width, scale):
    resized = to_working_size(np.full((height, width, 3), 77, np.uint8), scale)
    assert resized.shape[:2] == (max(1, round(height * scale)), max(1, round(width * scale)))
    assert (resized == 77).all()


def folder_with(tmp_path, competition, *, image=None, mask=None):
    good = np.zeros((8, 9, 3), np.uint8)
    for number in range(3):
        path = tmp_path / "train" / f"{number}_sat.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(encode_png(good))
        (tmp_path / "train" / f"{number}_mask.png").write_bytes(encode_png(good))
    if image is not None:
        (tmp_path / "train" / "1_sat.png").write_bytes(image)
    if mask is not None:
        (tmp_path / "train" / "1_mask.png").write_bytes(mask)
    return find_pairs(competition.data.train, tmp_path)


def test_a_good_folder_passes_the_check(tmp_path, competition):
    ticks = []
    check(folder_with(tmp_path, competition), competition, ticks.append)
    assert ticks == [1, 2, 3]


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"mask": encode_png(np.zeros((8, 10, 3), np.uint8))}, r"1_sat.png is 9x8 .*, its mask 1_mask.png is 10x8"),
        ({"image": b"broken"}, "1_sat.png is not a readable image"),
        (
            {"image": encode_png(np.random.default_rng(0).integers(0, 255, (8, 9, 3)).astype(np.uint8))[:-40]},
            "cut short",
        ),
    ],
)
def test_a_bad_file_is_named(tmp_path, competition, bad, said):
    with pytest.raises(DataError, match=said):
        check(folder_with(tmp_path, competition, **bad), competition)


def test_a_strange_colour_is_named(tmp_path):
    dubai = load("dubai").model_copy(update={"data": load("sample").data})
    picture = np.full((8, 9, 3), dubai.classes[0].rgb, np.uint8)
    picture[2, 5] = (9, 9, 9)
    pairs = folder_with(tmp_path, dubai, mask=encode_png(picture))
    with pytest.raises(DataError, match=r"1_mask.png: colour #090909 is no class's .* row 2, column 5"):
        check(pairs, dubai)


@pytest.mark.parametrize(
    "place",
    [
        "datasets/humansintheloop/semantic-segmentation-of-aerial-imagery",
        "semantic-segmentation-of-aerial-imagery",
        "datasets/somebody/a-copy-of-it/inside",
        "somewhere",
    ],
)
def test_the_data_root_is_found_under_both_layouts_and_by_search(tmp_path, place):
    dubai = load("dubai")
    folders = Folders(tmp_path, tmp_path)
    image = tmp_path / "input" / place / "Semantic segmentation dataset/Tile 1/images/image_part_001.jpg"
    image.parent.mkdir(parents=True)
    image.touch()
    assert find_root(dubai, folders) == tmp_path / "input" / place


def test_no_data_root_shows_the_tree(tmp_path):
    (tmp_path / "input" / "datasets" / "me" / "other").mkdir(parents=True)
    with pytest.raises(DataError, match=r"(?s)no folder under .*input holds images like .*datasets/me/"):
        find_root(load("dubai"), Folders(tmp_path, tmp_path))
    with pytest.raises(DataError, match=r"mounted are:\n    nothing"):
        find_root(load("dubai"), Folders(tmp_path / "empty", tmp_path))


def test_ignored_pixels_stay_ignored_in_crops(crops):
    assert any((crops[0, number][1] == IGNORE).any() for number in range(200))
