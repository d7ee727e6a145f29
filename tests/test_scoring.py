"""Counts and rules: exact at any size, the same as other people's libraries, right on examples by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, f1_score, jaccard_score

from lib.competitions import IGNORE, Metric, load
from lib.scoring import areas, confusion, confusion_with_none, image_score, score


@st.composite
def label_maps(draw, classes=5):
    height, width = draw(st.integers(1, 19)), draw(st.integers(1, 19))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    truth, prediction = (rng.integers(0, classes + 1, (height, width)).astype(np.uint8) for _ in range(2))
    truth[truth == classes] = IGNORE
    prediction[prediction == classes] = IGNORE
    return truth, prediction


@given(label_maps())
def test_the_table_is_scikit_learns(maps):
    truth, prediction = maps
    both = (truth < 5) & (prediction < 5)
    expected = confusion_matrix(truth[both], prediction[both], labels=range(5)) if both.any() else np.zeros((5, 5))
    assert np.array_equal(confusion(truth, prediction, 5), expected)
    none = [np.count_nonzero((truth == label) & (prediction >= 5)) for label in range(5)]
    assert confusion_with_none(truth, prediction, 5)[:, 5].tolist() == none


@given(label_maps())
def test_areas_are_the_pixels_of_each_class(maps):
    truth, prediction = maps
    known = truth < 5
    for label, (hits, true, predicted) in enumerate(areas(truth, prediction, 5)):
        assert hits == np.count_nonzero((truth == label) & (prediction == label))
        assert true == np.count_nonzero(truth == label)
        assert predicted == np.count_nonzero((prediction == label) & known)


def test_counts_beyond_what_a_float32_can_count():
    truth = np.zeros((4500, 4500), np.uint8)  # 20.25 million pixels: float32 stops at 16,777,216
    prediction = truth.copy()
    prediction[-1, -3:] = 1
    table = confusion(truth, prediction, 2)
    assert table.dtype == np.int64
    assert table.tolist() == [[4500 * 4500 - 3, 3], [0, 0]]


@pytest.mark.parametrize("order", ["C", "F"])
def test_layout_in_memory_does_not_matter(order):
    rng = np.random.default_rng(0)
    truth, prediction = rng.integers(0, 25, (2, 300, 211)).astype(np.uint8)
    expected = confusion_matrix(truth.ravel(), prediction.ravel(), labels=range(25))
    assert np.array_equal(confusion(np.asarray(truth, order=order), np.asarray(prediction, order="C"), 25), expected)
    assert np.array_equal(confusion(truth[::-1, ::-1], prediction[::-1, ::-1], 25), expected)


def test_maps_that_do_not_fit():
    with pytest.raises(ValueError, match="truth is"):
        confusion(np.zeros((2, 3), np.uint8), np.zeros((3, 2), np.uint8), 2)
    with pytest.raises(ValueError, match="uint8"):
        confusion(np.zeros((2, 3), np.int64), np.zeros((2, 3), np.int64), 2)


def competition_with(**metric):
    return load("sample").model_copy(update={"metric": Metric(**metric)})


@pytest.mark.parametrize(("measure", "oracle"), [("dice", f1_score), ("iou", jaccard_score)])
def test_pooled_over_the_set_is_scikit_learns_macro(measure, oracle):
    rng = np.random.default_rng(1)
    truth, prediction = rng.integers(0, 6, (2, 4, 30, 41)).astype(np.uint8)
    counts = np.stack([areas(one, other, 6) for one, other in zip(truth, prediction, strict=True)])
    expected = oracle(truth.ravel(), prediction.ravel(), average="macro")
    result = score(counts, competition_with(measure=measure, pool="set"))
    assert result.value == pytest.approx(expected, abs=1e-12)
    each = oracle(truth.ravel(), prediction.ravel(), average=None)
    assert list(result.per_class.values()) == pytest.approx(each.tolist(), abs=1e-12)
    everything = oracle(truth.ravel(), prediction.ravel(), average="micro")
    assert score(counts, competition_with(measure=measure, pool="global")).value == pytest.approx(everything)


# Two images of four pixels. Truth of the first: a a b b, predicted a b b b. The second: c c c c, predicted c c c a.
EXAMPLE = np.array(
    [
        [[1, 2, 1], [2, 2, 3], [0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]],
        [[0, 0, 1], [0, 0, 0], [3, 4, 3], [0, 0, 0], [0, 0, 0], [0, 0, 0]],
    ]
)


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ({"measure": "dice", "pool": "pairs", "empty": 1}, (2 / 3 + 4 / 5 + 0 + 6 / 7 + 8 * 1) / 12),
        ({"measure": "dice", "pool": "pairs", "empty": 0}, (2 / 3 + 4 / 5 + 0 + 6 / 7) / 12),
        ({"measure": "dice", "pool": "pairs", "empty": "skip"}, (2 / 3 + 4 / 5 + 0 + 6 / 7) / 4),
        ({"measure": "dice", "pool": "pairs", "empty": "skip", "absent": "skip"}, (2 / 3 + 4 / 5 + 6 / 7) / 3),
        ({"measure": "dice", "pool": "pairs", "empty": 1, "absent": "skip"}, (2 / 3 + 4 / 5 + 6 / 7 + 8) / 11),
        ({"measure": "accuracy", "pool": "pairs", "absent": 0}, (1 / 2 + 1 + 3 / 4) / 3),
        ({"measure": "recall", "pool": "pairs"}, (1 / 2 + 1 + 0 + 3 / 4) / 4),
        ({"measure": "recall", "pool": "pairs", "absent": "skip"}, (1 / 2 + 1 + 3 / 4) / 3),
        ({"measure": "dice", "pool": "set", "mean": "harmonic"}, 3 / (4 / 2 + 5 / 4 + 7 / 6)),
        ({"measure": "dice", "pool": "set", "empty": "skip"}, (2 / 4 + 4 / 5 + 6 / 7) / 3),
        ({"measure": "dice", "pool": "set", "empty": 1}, (2 / 4 + 4 / 5 + 6 / 7 + 3) / 6),
        ({"measure": "iou", "pool": "set", "empty": 0}, (1 / 3 + 2 / 3 + 3 / 4) / 6),
        ({"measure": "iou", "pool": "global", "empty": "skip"}, 6 / (8 + 8 - 6)),
        ({"measure": "dice", "pool": "set", "classes": ("agriculture", "rangeland")}, (4 / 5 + 6 / 7) / 2),
    ],
)
def test_rules_by_hand(metric, expected):
    assert score(EXAMPLE, competition_with(**metric)).value == pytest.approx(expected)


def test_baselines_by_hand():
    """Class c has most pixels (4 of 8); saying c everywhere hits its four and covers the other four."""
    result = score(EXAMPLE, competition_with(measure="dice", pool="set", empty="skip"))
    assert result.baselines["majority"] == pytest.approx((0 + 0 + 8 / 12) / 3)
    assert result.baselines["empty"] == 0
    generous = score(EXAMPLE, competition_with(measure="dice", pool="pairs", empty=1))
    assert generous.baselines["empty"] == pytest.approx(9 / 12), "an empty file is paid for what is not there"


@given(label_maps(classes=6))
def test_a_perfect_prediction_scores_one(maps):
    truth, _ = maps
    if not (truth < 6).any():
        return
    for measure in ("dice", "iou"):
        for pool in ("set", "pairs", "global"):
            rule = competition_with(measure=measure, pool=pool, empty="skip")
            assert score(areas(truth, truth, 6)[None], rule).value == 1.0


def test_an_image_of_which_nothing_counts_has_no_score_of_its_own():
    rule = competition_with(measure="dice", pool="set", empty="skip")
    nothing = np.zeros((6, 3), np.int64)
    assert image_score(nothing, rule) is None
    assert image_score(EXAMPLE[0], rule) == pytest.approx(score(EXAMPLE[:1], rule).value)
    ignored = areas(np.full((3, 3), 255, np.uint8), np.zeros((3, 3), np.uint8), 6)
    assert image_score(ignored, competition_with(measure="dice", pool="pairs", empty=1)) is None
