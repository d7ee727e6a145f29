"""Every pixel measure and pooling beside scikit-learn and torchmetrics: label maps with ignored pixels, and bits."""

import numpy as np
import pytest
import sklearn.metrics as sk
import torch
import torchmetrics.functional.classification as tm
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.competitions import Metric, load
from lib.scoring import Tally, areas, image_scores, interval, score, take

CLASSES = 6
MEASURES = ["dice", "iou", "fbeta", "precision", "recall", "accuracy", "balanced-accuracy", "kappa"]


def rule(name="sample", **metric):
    return load(name).model_copy(update={"metric": Metric(**metric)})


def tally_of(truths, predictions, competition, ids=None):
    pairs = zip(truths, predictions, strict=True)
    return Tally.of([take(one, other, competition) for one, other in pairs], competition, ids)


@st.composite
def sets(draw):
    """Four images of any size: truth with ignored pixels, a prediction that gives every pixel a class."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    height, width, kinds = draw(st.integers(1, 17)), draw(st.integers(1, 17)), draw(st.integers(1, CLASSES))
    truth, prediction = rng.integers(0, kinds, (2, 4, height, width)).astype(np.uint8)
    truth[rng.random(truth.shape) < 0.2] = 255
    return truth, prediction


def macro(measure, truth, prediction):
    """scikit-learn's mean over the classes that either has."""
    labels = np.union1d(truth, prediction)
    sides = {"labels": labels, "average": "macro", "zero_division": 0}
    match measure:
        case "dice":
            return sk.f1_score(truth, prediction, **sides)
        case "iou":
            return sk.jaccard_score(truth, prediction, **sides)
        case "fbeta":
            return sk.fbeta_score(truth, prediction, beta=2, **sides)
        case "precision":
            return sk.precision_score(truth, prediction, **sides)
        case "recall":
            return sk.recall_score(truth, prediction, **sides)
        case "accuracy" | "balanced-accuracy":
            return sk.recall_score(truth, prediction, labels=np.unique(truth), average="macro")
    kappas = [sk.cohen_kappa_score(truth == label, prediction == label, labels=[False, True]) for label in labels]
    return np.nanmean(kappas) if not np.isnan(kappas).all() else 0.0


def at_once(measure, truth, prediction):
    """scikit-learn's one number for all classes."""
    match measure:
        case "accuracy":
            return sk.accuracy_score(truth, prediction)
        case "balanced-accuracy":
            return sk.recall_score(truth, prediction, labels=np.unique(truth), average="macro")
        case "kappa":
            value = sk.cohen_kappa_score(truth, prediction, labels=range(CLASSES))
            return 0.0 if np.isnan(value) else value
        case "iou":
            return sk.jaccard_score(truth, prediction, average="micro")
    return sk.fbeta_score(truth, prediction, beta=2, average="micro")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:A single label:UserWarning")
@pytest.mark.parametrize("measure", MEASURES)
@settings(max_examples=25, deadline=None)
@given(maps=sets())
def test_label_maps_as_scikit_learn_does(measure, maps):
    truths, predictions = maps
    known = truths != 255
    truth, prediction = truths[known], predictions[known]
    if not truth.size:
        return
    macro_rule = rule(measure=measure, beta=2, pool="set")
    tally = tally_of(truths, predictions, macro_rule)
    assert score(tally, macro_rule).value == pytest.approx(macro(measure, truth, prediction), abs=1e-12)
    once = rule(measure=measure, beta=2, pool="global")
    assert score(tally, once).value == pytest.approx(at_once(measure, truth, prediction), abs=1e-12)
    each = rule(measure=measure, beta=2, pool="image")
    images = [(one[there], other[there]) for one, other, there in zip(truths, predictions, known, strict=True)]
    found = image_scores(tally, each)
    for (one, other), value in zip(images, found, strict=True):
        if value is None:
            assert not one.size or measure == "kappa"
        else:
            assert value == pytest.approx(at_once(measure, one, other), abs=1e-12)
    known_values = [value for value in found if value is not None]
    assert score(tally, each).value == pytest.approx(np.mean(known_values) if known_values else 0)


@pytest.mark.parametrize(
    ("measure", "pool", "oracle", "more"),
    [
        ("iou", "set", tm.multiclass_jaccard_index, {"average": "macro"}),
        ("dice", "set", tm.multiclass_f1_score, {"average": "macro"}),
        ("accuracy", "set", tm.multiclass_accuracy, {"average": "macro"}),
        ("accuracy", "global", tm.multiclass_accuracy, {"average": "micro"}),
        ("fbeta", "set", tm.multiclass_fbeta_score, {"average": "macro", "beta": 0.5}),
        ("precision", "set", tm.multiclass_precision, {"average": "macro"}),
        ("recall", "set", tm.multiclass_recall, {"average": "macro"}),
        ("kappa", "global", tm.multiclass_cohen_kappa, {}),
    ],
)
def test_ignored_pixels_as_torchmetrics_does(measure, pool, oracle, more):
    rng = np.random.default_rng(3)
    truth, prediction = rng.integers(0, CLASSES, (2, 3, 31, 17)).astype(np.uint8)
    truth[rng.random(truth.shape) < 0.3] = 255
    sides = (torch.from_numpy(part.astype(np.int64)) for part in (prediction, truth))
    expected = oracle(*sides, num_classes=CLASSES, ignore_index=255, **more).item()
    competition = rule(measure=measure, pool=pool, beta=0.5)
    assert score(tally_of(truth, prediction, competition), competition).value == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("measure", "pool", "oracle"),
    [
        ("dice", "set", lambda one, other: sk.f1_score(one, other, average="macro")),
        ("dice", "global", lambda one, other: sk.f1_score(one, other, average="micro")),
        ("iou", "set", lambda one, other: sk.jaccard_score(one, other, average="macro")),
        ("accuracy", "set", lambda one, other: (one == other).mean()),
        ("accuracy", "global", lambda one, other: (one == other).mean()),
        (
            "balanced-accuracy",
            "set",
            lambda one, other: np.mean([sk.balanced_accuracy_score(one[:, c], other[:, c]) for c in range(4)]),
        ),
        ("kappa", "set", lambda one, other: np.mean([sk.cohen_kappa_score(one[:, c], other[:, c]) for c in range(4)])),
        ("precision", "set", lambda one, other: sk.precision_score(one, other, average="macro")),
    ],
)
def test_classes_that_overlap_as_scikit_learn_does(measure, pool, oracle):
    truth, prediction = np.random.default_rng(5).integers(0, 16, (2, 3, 20, 21)).astype(np.uint32)
    competition = rule("understanding-clouds", measure=measure, pool=pool)
    sides = [side.ravel()[:, None] >> np.arange(4) & 1 for side in (truth, prediction)]
    found = score(tally_of(truth, prediction, competition), competition)
    assert found.value == pytest.approx(oracle(*sides), abs=1e-12)


def test_bits_of_any_number_are_counted_exactly():
    truth, prediction = np.random.default_rng(6).integers(0, 2**32, (2, 1100, 1001), dtype=np.uint32)
    found = areas(truth, prediction, 32)
    for index in range(0, 32, 5):
        one, other = (side >> np.uint32(index) & 1 for side in (truth, prediction))
        assert found[index].tolist() == [np.count_nonzero(one & other), one.sum(), other.sum()]
    with pytest.raises(ValueError, match="bit planes"):
        areas(truth, prediction, 33)


def test_merged_classes_of_bits_and_a_look_inside():
    truth, prediction = np.random.default_rng(7).integers(0, 8, (2, 2, 9, 11)).astype(np.uint32)
    merged = rule("uw-madison-gi", measure="iou", pool="global", merge=True, classes=("small_bowel", "stomach"))
    one, other = truth & 6 > 0, prediction & 6 > 0
    found = score(tally_of(truth, prediction, merged), merged)
    assert found.value == pytest.approx((one & other).sum() / (one | other).sum())
    assert found.baselines["majority"] == pytest.approx(one.mean())
    inside = rule("uw-madison-gi", measure="dice", pool="set", inside=("stomach",), classes=("large_bowel",))
    there = truth & 4 > 0
    expected = sk.f1_score(truth[there] & 1, prediction[there] & 1)
    assert score(tally_of(truth, prediction, inside), inside).value == pytest.approx(expected)


def test_the_interval_is_the_bootstraps():
    """Beside a loop that puts the images that were drawn into a set of their own."""
    rng = np.random.default_rng(8)
    truth, prediction = rng.integers(0, 3, (2, 12, 6, 6)).astype(np.uint8)
    prediction[:6] = truth[:6]
    competition = rule(measure="iou", pool="set")
    counts = np.stack([areas(one, other, CLASSES) for one, other in zip(truth, prediction, strict=True)])
    drawn = np.random.default_rng(0).multinomial(12, np.full(12, 1 / 12), size=60)
    values = [score(np.repeat(counts, times, axis=0), competition).value for times in drawn]
    found = interval(Tally.of_areas(counts, competition), competition, resamples=60)
    assert found == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])), abs=1e-12)
    assert found[0] < score(counts, competition).value < found[1]
    assert interval(Tally.of_areas(counts[:1], competition), competition) is None


def test_groups_are_drawn_whole_and_scored_alone():
    truth = np.zeros((4, 4, 4), np.uint8)
    prediction = truth.copy()
    prediction[2:] = 1
    competition = rule(measure="accuracy", pool="global", group="^[a-z]+")
    tally = tally_of(truth, prediction, competition, ["vienna1", "vienna2", "kitsap1", "kitsap2"])
    assert score(tally, competition).groups == {"kitsap": 0.0, "vienna": 1.0}
    assert interval(tally, competition) == (0.0, 1.0), "one draw in four has a single city twice"
