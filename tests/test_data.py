"""From pairs to crops: the joint augmentation, the shares of ranks, the check of every file."""

import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from lib.competitions import IGNORE, Pair, find_pairs, load
from lib.data.checks import check
from lib.data.datasets import EpochShare, ImageShare, TrainingCrops, WholeImages, to_working_size
from lib.data.roots import find_root
from lib.errors import DataError
from lib.folders import Folders
from lib.rasters import encode_png, read_labels, write_colours
from lib.recipe import resolve


@pytest.fixture(scope="module")
def crops(scenes, competition):
    recipe, _ = resolve([("sample", competition.recipe), ("--set", {"data.crop": 64, "data.scale": 0.5})])
    return TrainingCrops(find_pairs(competition.data.train, scenes), competition, recipe)


def crops_of(folder, competition, labels: list[np.ndarray], **settings) -> tuple[TrainingCrops, list[np.ndarray]]:
    """Training crops of noise with these labels, unchanged by augmentation; and the images."""
    rng, images, pairs = np.random.default_rng(0), [], []
    for number, truth in enumerate(labels):
        images.append(rng.integers(0, 256, (*truth.shape, 3)).astype(np.uint8))
        (folder / f"{number}.png").write_bytes(encode_png(images[-1]))
        write_colours(folder / f"{number}_mask.png", truth, competition)
        pairs.append(Pair(str(number), folder / f"{number}.png", folder / f"{number}_mask.png", str(number)))
    keys = {"data.augment": "none"} | {f"data.{key}": value for key, value in settings.items()}
    return TrainingCrops(pairs, competition, resolve([("test", keys)])[0]), images


def test_at_a_smaller_scale_images_are_averaged_and_labels_picked(tmp_path, competition):
    """At a quarter, a pixel is the mean of sixteen, and its label that of one in their middle."""
    truth = np.random.default_rng(1).choice([0, 1, 2, 3, 4, 5, IGNORE], (256, 256)).astype(np.uint8)
    small, (image,) = crops_of(tmp_path, competition, [truth], scale=0.25, crop=64)
    drawn, labels = small[0, 0]
    assert np.array_equal(labels, truth[2::4, 2::4])
    means = image.reshape(64, 4, 64, 4, 3).mean((1, 3))
    assert np.abs(drawn.permute(1, 2, 0).numpy() - means).max() < 1


def test_every_pixel_is_as_likely_to_be_drawn(tmp_path, competition):
    """An image of nine times the area gives nine times the crops: 900 of 1000, give or take 4.5 deviations."""
    truths = [np.full((32, 32), 0, np.uint8), np.full((96, 96), 1, np.uint8)]
    uneven, _ = crops_of(tmp_path, competition, truths, crop=32)
    drawn = sum(int(uneven[0, number][1][0, 0]) for number in range(1000))
    assert abs(drawn - 900) < 4.5 * np.sqrt(1000 * 0.9 * 0.1)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_workers_draw_the_same_crops(crops):
    def epoch(workers):
        loader = DataLoader(crops, 4, sampler=EpochShare(3, 4, 0, 1), num_workers=workers, timeout=60 * (workers > 0))
        return [torch.cat([images.flatten(), labels.flatten()]) for images, labels in loader]

    alone, together = epoch(0), epoch(2)
    assert len(alone) == 3
    assert all(torch.equal(one, other) for one, other in zip(alone, together, strict=True))


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
        share = EpochShare(steps, ranks * each, rank, ranks, epochs=epoch + 1, first=epoch * steps)
        assert len(share) == len(list(share)) == steps * each
        shares.append(list(share))
    assert sorted(item for share in shares for item in share) == [(epoch, n) for n in range(steps * ranks * each)]
    step = sorted(item for share in shares for item in share[:each])
    assert step == [(epoch, n) for n in range(ranks * each)], "a step is the same crops for any number of ranks"


@given(st.integers(1, 4), st.integers(1, 3), st.integers(1, 3), st.data())
def test_crops_go_on_at_any_step(steps, ranks, epochs, data):
    first = data.draw(st.integers(0, steps * epochs))
    for rank in range(ranks):
        whole, rest = (list(EpochShare(steps, 2 * ranks, rank, ranks, epochs, start)) for start in (0, first))
        assert rest == whole[2 * first :]


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


def shares(source: int, target: int) -> np.ndarray:
    """(target, source): how much of each new pixel every old one covers."""
    begins, old = np.arange(target)[:, None] * source / target, np.arange(source)
    overlap = np.minimum(begins + source / target, old + 1) - np.maximum(begins, old)
    return overlap.clip(0) * target / source


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([0.25, 0.5, 0.7, 1.0, 1.7]), st.integers(0, 99))
def test_working_size(height, width, scale, seed):
    """Smaller: every pixel the mean of the area under it. Larger: torch's bilinear."""
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)
    size = max(1, round(height * scale)), max(1, round(width * scale))
    if scale <= 1:
        expected = np.einsum("ih,hwc,jw->ijc", shares(height, size[0]), image, shares(width, size[1]))
    else:
        planes = torch.from_numpy(image).permute(2, 0, 1)[None].double()
        expected = torch.nn.functional.interpolate(planes, size, mode="bilinear")[0].permute(1, 2, 0).numpy()
    resized = to_working_size(image, scale)
    assert resized.shape == (*size, 3)
    assert np.abs(resized - expected).max() < 1


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
    check(folder_with(tmp_path, competition), competition)


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
