"""From pairs to crops: what is drawn, at which sizes and how often, by which rank; whole images to validate on."""

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from lib.competitions import IGNORE, Competition, load
from lib.competitions.schema import Lists
from lib.data.datasets import EpochShare, ImageShare, TrainingCrops, WholeImages
from lib.data.ready import Ready, make_ready
from lib.rasters import encode_png, read_labels, write_colours
from lib.recipe import resolve


def ready_for(competition: Competition, root: Path, scratch: Path, **settings) -> tuple[Ready, TrainingCrops]:
    """A data root made ready, and its crops; settings such as `data__crop=64`."""
    keys = {key.replace("__", "."): value for key, value in settings.items()}
    recipe, _ = resolve([("sample", competition.recipe), ("test", keys)])
    ready = make_ready(competition, recipe, root, scratch)
    return ready, TrainingCrops(ready.census, ready.pool, ready.reading, recipe)


@pytest.fixture(scope="module")
def crops(scenes, competition, tmp_path_factory):
    return ready_for(competition, scenes, tmp_path_factory.mktemp("scratch"), data__crop=64, data__scale=0.5)[1]


def crops_of(folder, labels: list[np.ndarray], **settings) -> tuple[TrainingCrops, list[np.ndarray]]:
    """Training crops of noise with these labels, unchanged by augmentation; and the images."""
    rng, images = np.random.default_rng(0), []
    sample = load("sample")
    lists = Lists(train="train.txt", validation="validation.txt")
    described = {"recipe": {}, "data": sample.data.model_copy(update={"lists": lists})}
    competition = sample.model_copy(update=described)
    for number, truth in enumerate([*labels, np.zeros((5, 5), np.uint8)]):
        images.append(rng.integers(0, 256, (*truth.shape, 3)).astype(np.uint8))
        (folder / "train").mkdir(exist_ok=True)
        (folder / "train" / f"{number}_sat.png").write_bytes(encode_png(images[-1]))
        write_colours(folder / "train" / f"{number}_mask.png", truth, competition)
    (folder / "train.txt").write_text("".join(f"{number}\n" for number in range(len(labels))))
    (folder / "validation.txt").write_text(f"{len(labels)}\n")
    keys = {"data__augment": "none"} | {f"data__{key}": value for key, value in settings.items()}
    return ready_for(competition, folder, folder / "scratch", **keys)[1], images[:-1]


def test_at_a_smaller_scale_images_are_averaged_and_labels_picked(tmp_path):
    """At a quarter, a pixel is the mean of sixteen, and its label that of one in their middle."""
    truth = np.random.default_rng(1).choice([0, 1, 2, 3, 4, 5, IGNORE], (256, 256)).astype(np.uint8)
    small, (image,) = crops_of(tmp_path, [truth], scale=0.25, crop=64)
    drawn, labels = small[0, 0]
    assert np.array_equal(labels, truth[2::4, 2::4])
    means = image.reshape(64, 4, 64, 4, 3).mean((1, 3))
    assert np.abs(drawn.permute(1, 2, 0).numpy() - means).max() < 1


def test_every_pixel_is_as_likely_to_be_drawn(tmp_path):
    """An image of nine times the area gives nine times the crops: 900 of 1000, give or take 4.5 deviations."""
    truths = [np.full((32, 32), 0, np.uint8), np.full((96, 96), 1, np.uint8)]
    uneven, _ = crops_of(tmp_path, truths, crop=32)
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
    assert (labels.shape, str(labels.dtype)) == ((64, 64), "torch.uint8")


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


def test_ignored_pixels_stay_ignored_in_crops(crops):
    assert any((crops[0, number][1] == IGNORE).any() for number in range(200))


def test_validation_sees_the_whole_image_and_its_own_labels(crops, scenes, competition):
    pairs = [crops.pairs[3], crops.pairs[5]]
    number, image, labels = WholeImages(pairs, crops.reading, 0.5)[1]
    assert number == 1
    assert np.array_equal(labels, read_labels(pairs[1].mask, competition))
    assert image.shape == (*(round(side / 2) for side in labels.shape), 3)


def test_several_scales_are_seen_alike(tmp_path):
    """Stripes of 8 pixels are 8, 4 and 16 wide at scales of 1, 1/2 and 2; each scale gives a third of the crops."""
    truth = np.repeat(np.tile(np.uint8([0, 1]), 20), 8)[None].repeat(320, 0)
    several, _ = crops_of(tmp_path, [truth], scales=[1, 0.5, 2], crop=64)
    widths = []
    for number in range(300):
        line = several[0, number][1][0].numpy()
        edges = np.flatnonzero(line[1:] != line[:-1])
        widths.append(int(np.diff(edges).max()))
    assert sorted(set(widths)) == [4, 8, 16]
    assert all(abs(widths.count(width) - 100) < 4.5 * np.sqrt(300 * 2 / 9) for width in (4, 8, 16))


def test_the_share_of_crops_on_a_rare_class_is_kept(tmp_path):
    """A speck of 3 pixels in 256 x 256: chance alone would meet it in 6 of 100 crops."""
    truth = np.zeros((256, 256), np.uint8)
    truth[200, 100:103] = 4
    often, _ = crops_of(tmp_path, [truth], rare=0.3, crop=64)
    met = np.mean([(often[0, number][1] == 4).any().item() for number in range(400)])
    assert abs(met - (0.3 + 0.7 * 64 * 66 / 256**2)) < 4.5 * np.sqrt(0.3 * 0.7 / 400)
    middle = [often[1, number][1].numpy() for number in range(100)]
    assert sum((labels[32, 30:34] == 4).any() for labels in middle) >= 15, "the crop is centred on it"


def test_an_excluded_tile_is_not_learnt(tmp_path):
    truth = np.ones((128, 128), np.uint8)
    part, _ = crops_of(tmp_path, [truth], exclude=["0@r0-128c0-64"], crop=64, tile=64)
    assert all(chance == 0 for tile, chance in zip(part.tiles, part.pool.chances, strict=True) if tile.window[2] == 0)
    seen = [part[0, number][1] for number in range(50)]
    assert {int(value) for labels in seen for value in labels.unique()} == {1, IGNORE}
    assert part.pixels == 128 * 64
