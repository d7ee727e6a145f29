"""The built-in scenes: the same from the same seed, land-like, and not to be told by colour alone."""

import csv

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import f1_score

from lib.competitions import IGNORE, find_pairs
from lib.data import sample
from lib.data.scenes import scene
from lib.rasters import header_size, read_image, read_labels


def test_the_same_seed_gives_the_same_pixels(scenes, tmp_path):
    one, other = scene(7, 301, 509), scene(7, 301, 509)
    assert np.array_equal(one[0], other[0])
    assert np.array_equal(one[1], other[1])
    assert not np.array_equal(one[0], scene(8, 301, 509)[0])
    again = sample.build(tmp_path)
    names = sorted(path.relative_to(scenes) for path in scenes.rglob("*") if path.is_file())
    assert names == sorted(path.relative_to(again) for path in again.rglob("*") if path.is_file())
    assert all((again / name).read_bytes() == (scenes / name).read_bytes() for name in names)


@pytest.mark.parametrize(("height", "width"), [(301, 509), (1, 1), (17, 200), (333, 5)])
def test_any_size(height, width):
    image, labels = scene(3, height, width)
    assert (image.shape, image.dtype) == ((height, width, 3), np.uint8)
    assert (labels.shape, labels.dtype) == ((height, width), np.uint8)
    assert set(np.unique(labels)) <= {0, 1, 2, 3, 4, 5, IGNORE}


def test_what_lies_where(scenes, competition):
    pairs = find_pairs(competition.data.train, scenes)
    tests = find_pairs(competition.data.test, scenes, masks=False)
    assert len(pairs) >= 48
    assert len(tests) >= 12
    sizes = [header_size(pair.image) for pair in tests]
    assert (301, 509) in sizes
    assert len(set(sizes)) == len(sizes)
    assert {path.parent.name for path in scenes.rglob("*_mask.png")} == {"train", "truth"}
    assert {path.parent.name for path in scenes.rglob("*_sat.png")} == {"train", "test"}
    assert all(header_size(scenes / "truth" / f"{pair.id}_mask.png") == header_size(pair.image) for pair in tests)


def test_the_sample_submission_names_every_test_image_and_class(scenes, competition):
    with open(scenes / "sample_submission.csv", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["ImageClassId", "rle_mask"]
    ids = [pair.id for pair in find_pairs(competition.data.test, scenes, masks=False)]
    assert [row[0] for row in rows] == [f"{image}_{number}" for image in ids for number in range(6)]
    assert all(row[1] == "1 1" for row in rows)


def test_classes_are_imbalanced_and_all_there(scenes, competition):
    counts = np.zeros(256, np.int64)
    for pair in find_pairs(competition.data.train, scenes):
        counts += np.bincount(read_labels(pair.mask, competition).ravel(), minlength=256)
    shares = counts / counts.sum()
    assert counts[IGNORE] > 0
    assert all(shares[:6] > 0.03)
    assert shares[:6].max() > 3.5 * shares[:6].min()


def test_colour_alone_does_not_decide(scenes, competition):
    """A forest on each pixel's colour, trained and scored on many scenes, stays far below the kit's model."""
    pairs = find_pairs(competition.data.train, scenes)
    rng = np.random.default_rng(0)

    def pixels(chosen):
        colours, classes = [], []
        for pair in chosen:
            labels = read_labels(pair.mask, competition).ravel()
            picked = rng.choice(np.flatnonzero(labels != IGNORE), 1500, replace=False)
            colours.append(read_image(pair.image).reshape(-1, 3)[picked])
            classes.append(labels[picked])
        return np.concatenate(colours), np.concatenate(classes)

    train, held_out = pixels(pairs[:36]), pixels(pairs[36:])
    forest = RandomForestClassifier(60, min_samples_leaf=20, class_weight="balanced", random_state=0, n_jobs=2).fit(
        *train
    )
    score = f1_score(held_out[1], forest.predict(held_out[0]), average="macro")
    assert 0.2 < score < 0.55
