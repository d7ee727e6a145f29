"""The ceiling of a working size: what shrinking labels costs, by OpenCV, Pillow, scikit-learn and real masks."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.metrics import f1_score

from lib.competitions import IGNORE
from lib.data.doctor import ceiling, examine
from lib.data.scenes import scene
from tests.programs import PROJECT

HARVEY = PROJECT.parent / "shared" / "data" / "harvey"

SIZES = st.integers(9, 70)


def blobs(height: int, width: int, seed: int = 0, classes: int = 4) -> np.ndarray:
    """Labels in round patches."""
    noise = np.random.default_rng(seed).random((height, width, classes)).astype(np.float32)
    smooth = np.stack([cv2.GaussianBlur(noise[..., each], (0, 0), 3) for each in range(classes)], axis=-1)
    return smooth.argmax(axis=-1).astype(np.uint8)


def plainly(labels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """By probabilities, with every class's large plane in memory."""
    kinds = np.unique(labels[labels != IGNORE])
    planes = [
        cv2.resize((labels == kind).astype(np.float32), size[::-1], interpolation=cv2.INTER_AREA) for kind in kinds
    ]
    return kinds[np.argmax([cv2.resize(p, labels.shape[::-1], interpolation=cv2.INTER_LINEAR) for p in planes], axis=0)]


@settings(max_examples=40)
@given(height=SIZES, width=SIZES, high=SIZES, wide=SIZES, seed=st.integers(0, 9))
def test_streaming_rows_gives_what_whole_planes_give(height, width, high, wide, seed):
    labels, size = blobs(height, width, seed), (min(high, height), min(wide, width))
    rows, ceiling.ROWS = ceiling.ROWS, 7
    try:
        found = ceiling.by_probabilities(labels, size, np.unique(labels).tolist())
    finally:
        ceiling.ROWS = rows
    assert (found != plainly(labels, size)).mean() < 0.002  # ties, decided by the last bit


@settings(max_examples=30)
@given(height=SIZES, width=SIZES, seed=st.integers(0, 9))
def test_a_mask_at_its_own_size_loses_nothing(height, width, seed):
    labels = blobs(height, width, seed)
    assert np.array_equal(ceiling.by_labels(labels, labels.shape), labels)
    assert np.array_equal(ceiling.by_probabilities(labels, labels.shape, range(4)), labels)


def test_labels_come_back_as_pillow_brings_them():
    labels = blobs(95, 128)
    small = Image.fromarray(labels).resize((41, 30), Image.Resampling.NEAREST)
    back = np.array(small.resize((128, 95), Image.Resampling.NEAREST))
    assert (ceiling.by_labels(labels, (30, 41)) == back).mean() > 0.99


def test_a_row_holds_the_mean_dice_over_the_classes_of_each_mask():
    masks = [blobs(96, 120, seed) for seed in range(3)]
    masks[1][masks[1] == 3] = 2
    masks[2][:20] = IGNORE
    (row,), scales = ceiling.table([lambda m=m: m for m in masks], 5, sides=(48,), ratios=(0.5,))
    for way, value in ((ceiling.by_labels, row.labels), (plainly, row.probabilities)):
        every = []
        for mask in masks:
            known = mask != IGNORE
            kinds = np.unique(mask[known])
            back = way(mask, (48, 48))
            every.append(f1_score(mask[known], back[known], labels=kinds, average="macro"))
        assert value == pytest.approx(np.mean(every), abs=1e-4)
    assert sorted(row.per_class) == [0, 1, 2, 3]
    assert row.masks == 3
    assert 0.5 < row.labels < row.probabilities < 1
    assert (scales[0].scale, scales[0].probabilities > row.probabilities) == (0.5, True)  # more pixels across


def test_sizes_that_masks_do_not_have_are_left_out():
    masks = [lambda: blobs(96, 120), lambda: blobs(400, 300)]
    squares, scales = ceiling.table(masks, 4, sides=(64, 256, 512))
    assert [(row.side, row.masks) for row in squares] == [(64, 2), (256, 1)]
    assert [row.scale for row in scales] == list(ceiling.SCALES)
    assert [row.probabilities for row in scales] == sorted(row.probabilities for row in scales)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    """Images and masks of different sizes, in numbers."""
    root = tmp_path_factory.mktemp("drawn")
    for number, (height, width) in enumerate(((300, 330), (280, 420), (350, 300))):
        image, labels = scene(70 + number, height, width)
        for kind, pixels in (("images", image), ("masks", labels)):
            (root / kind).mkdir(exist_ok=True)
            Image.fromarray(pixels).save(root / kind / f"{number}.png")
    return root


def test_the_command_says_which_flag_to_use(program, drawn):
    document = program.json("launch.py", "doctor", "--data", drawn, "--ceiling")
    found = document["ceiling"]
    assert [row["side"] for row in found["squares"]] == [256, 320, 368]
    scales = {row["scale"]: row["probabilities"] for row in found["scales"]}
    best = min(scale for scale, value in scales.items() if round(value, 3) >= found["good"])
    assert found["set"] == f"data.scale={best:g}"
    done = program("launch.py", "doctor", "--data", drawn, "--ceiling")
    assert f"--set data.scale={best:g}" in done.stdout
    row = found["squares"][0]
    assert f"256x256   {row['labels']:.3f}          {row['probabilities']:.3f}" in done.stdout
    page = Path(document["page"]).read_text()
    assert page.count("<polyline") == 2
    assert f"--set data.scale={best:g}" in page


def test_masks_in_colours_are_measured_by_their_classes(scenes, competition):
    diagnosis = examine(competition, scenes)
    found = ceiling.measure(diagnosis)
    assert set(found["squares"][0]["per_class"]) <= set(competition.names)
    record = next(each for each in diagnosis.images if each.mask)
    from lib.rasters import read_labels

    labels = ceiling.labels_of(record.mask, diagnosis.judge, diagnosis.table)
    assert np.array_equal(labels, read_labels(record.mask.path, competition))


@pytest.mark.skipif(not HARVEY.is_dir(), reason=f"the real samples are not at {HARVEY}")
def test_the_table_of_the_harvey_masks():
    """The two masks at hand lie within 0.005 of the mean of five that was published."""
    masks = sorted((HARVEY / "train_masks").glob("*.png"))
    reads = [lambda path=path: cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in masks]
    rows, _ = ceiling.table(reads, 25, sides=(320, 1024), ratios=())
    five = {320: (0.954, 0.982), 1024: (0.986, 0.997)}
    for row in rows:
        assert (row.labels, row.probabilities) == pytest.approx(five[row.side], abs=0.005)
