"""Run lengths: there and back over odd sizes, the same as pycocotools, and every broken text refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as coco

from lib.errors import DataError
from lib.submissions import rle

orders = st.sampled_from(["C", "F"])
small_maps = arrays(np.uint8, st.tuples(st.integers(1, 17), st.integers(1, 17)), elements=st.integers(0, 4))


def by_the_usual_idiom(mask: np.ndarray, order: str) -> str:
    """The encoder that most public kernels carry."""
    pixels = np.concatenate([[0], mask.flatten(order=order), [0]])
    runs = np.where(pixels[1:] != pixels[:-1])[0] + 1
    runs[1::2] -= runs[::2]
    return " ".join(str(number) for number in runs)


@given(small_maps, orders, st.sampled_from([0, 1]))
def test_there_and_back(labels, order, base):
    texts = rle.encode(labels, 6, order, base)
    assert list(texts) == list(range(6))
    for label, text in texts.items():
        mask = rle.decode(text, labels.shape, order, base)
        assert mask.dtype == bool
        assert np.array_equal(mask, labels == label)


@given(small_maps, orders)
def test_the_text_is_the_usual_one(labels, order):
    for label, text in rle.encode(labels, range(5), order).items():
        assert text == by_the_usual_idiom(labels == label, order)


@given(small_maps)
def test_column_order_is_pycocotools(labels):
    for label, text in rle.encode(labels, 5, "F").items():
        theirs = coco.decode(coco.encode(np.asfortranarray(labels == label).astype(np.uint8, order="F")))
        assert np.array_equal(rle.decode(text, labels.shape, "F"), theirs.astype(bool))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.int64])
@pytest.mark.parametrize("order", ["C", "F"])
def test_dtypes_and_layouts(dtype, order):
    labels = np.random.default_rng(0).integers(0, 3, (13, 29)).astype(dtype)
    expected = rle.encode(labels.astype(np.uint8), 3, order)
    assert rle.encode(labels, 3, order) == expected
    assert rle.encode(np.asfortranarray(labels), 3, order) == expected
    assert rle.encode(labels[::1, :][:, :], [0, 1, 2], order) == expected


def test_only_the_classes_asked_for_and_absent_ones_empty():
    labels = np.array([[7, 7, 0], [0, 9, 9]], np.uint8)
    assert rle.encode(labels, [9, 3, 7], "C") == {9: "5 2", 3: "", 7: "1 2"}
    assert rle.encode(labels, [9, 7], "F", base=0) == {9: "3 1 5 1", 7: "0 1 2 1"}
    assert rle.encode(np.zeros((0, 4), np.uint8), 2) == {0: "", 1: ""}
    assert rle.encode(labels, []) == {}


def test_a_run_that_touches_the_last_pixel_and_one_that_is_everything():
    assert rle.encode(np.array([[0, 1]], np.uint8), [1], "C") == {1: "2 1"}
    assert rle.encode(np.ones((3, 5), np.uint8), [1], "F") == {1: "1 15"}
    assert rle.decode("1 15", (3, 5)).all()


def test_numbers_of_every_length():
    """Starts below ten, and of one, four, five and eight digits, in one text."""
    labels = np.zeros((4000, 3000), np.uint8)
    flat = labels.reshape(-1)
    for start in (0, 8, 9, 98, 999, 9_998, 9_999, 99_999, 9_999_998, 9_999_999, 11_999_999):
        flat[start] = 1
    assert rle.encode(labels, [1], "C")[1] == by_the_usual_idiom(labels, "C")
    assert np.array_equal(rle.decode(rle.encode(labels, [1], "F")[1], labels.shape, "F"), labels == 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1 2 3", "has 3 numbers; run lengths come in pairs"),
        ("1 two", "is not a list of whole numbers"),
        ("1 2.5", "is not a list of whole numbers"),
        ("[1 2]", "is not a list of whole numbers"),
        ("1 0", "has a run of length 0"),
        ("1 -3", "has a run of length -3"),
        ("0 2", "starts at 0, and pixels are counted from 1"),
        ("5 3 7 1", "run 2 of '5 3 7 1' starts before the one before it ends"),
        ("9 1 2 1", "run 2 of '9 1 2 1' starts before"),
        ("10 3", "ends at pixel 12 of an image of 11 pixels"),
        ("99999999999999999999 1", "is not a list of whole numbers"),
    ],
)
def test_broken_texts(text, said):
    with pytest.raises(DataError) as caught:
        rle.decode(text, (1, 11))
    assert said in caught.value.reason


def test_runs_that_touch_are_fine():
    assert rle.decode("1 2 3 1", (1, 4), "C").tolist() == [[True, True, True, False]]


@given(st.integers(1, 30), st.integers(1, 30), orders)
def test_a_checkerboard_of_single_pixels(height, width, order):
    labels = (np.add.outer(np.arange(height), np.arange(width)) % 2).astype(np.uint8)
    for label, text in rle.encode(labels, 2, order).items():
        assert np.array_equal(rle.decode(text, labels.shape, order), labels == label)
