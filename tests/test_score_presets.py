"""Every preset's score beside the same score worked out otherwise, over small masks with ignored and empty places."""

import cv2
import numpy as np
import pytest

from lib.competitions import load, presets
from lib.rasters.instances import Instance, components, numbered
from lib.scoring import Tally, image_scores, interval, score, take
from tests import oracles

SIZE = (40, 50)

MACRO_IOU = (
    "deepglobe-landcover", "deepglobe-road", "loveda", "openearthmap", "floodnet", "landcover-ai", "catalonia-s2",
    "dubai-mbrsc", "dfc2019-track1", "inria-aerial", "open-cities",
)  # fmt: skip

ORACLES = {
    **dict.fromkeys(
        MACRO_IOU,
        oracles.macro_iou,
    ),
    **dict.fromkeys(("centralesupelec-harvey", "severstal", "understanding-clouds"), oracles.pair_dice(empty=1)),
    **dict.fromkeys(("hubmap-kidney", "hubmap-hpa", "siim-acr", "carvana"), oracles.f1_of_images(beta=1)),
    "vesuvius-ink": oracles.f1_of_images(beta=0.5),
    "google-contrails": oracles.global_f1,
    "epfl-roads": oracles.patch_f1,
    "isprs": oracles.macro_f1,
    "dstl": oracles.multilabel_iou,
    "tgs-salt": oracles.salt,
    "xview2": oracles.damage,
    "uw-madison-gi": oracles.organs,
    "dsb-2018": oracles.sweep(lambda hit, false, missed: hit / (hit + false + missed), SIZE),
    "sartorius": oracles.sweep(lambda hit, false, missed: hit / (hit + false + missed), SIZE),
    "airbus-ship": oracles.sweep(lambda hit, false, missed: 5 * hit / (5 * hit + 4 * missed + false), SIZE),
    "spacenet": oracles.buildings,
    "hubmap-vasculature": oracles.openimages,
    "openimages-hpa": oracles.openimages,
    "coco-results": oracles.cocoeval,
}


def test_every_preset_has_an_oracle():
    assert set(ORACLES) == set(presets())


def blobs(rng, values, scale=6):
    """A label map of smooth patches."""
    small = rng.choice(values, (SIZE[0] // scale + 1, SIZE[1] // scale + 1)).astype(np.uint8)
    return cv2.resize(small, SIZE[::-1], interpolation=cv2.INTER_NEAREST)


def pair(kind, classes, rng):
    """A truth and a prediction that is partly right."""
    if kind == "labels":
        values = range(classes) if classes > 2 else (0, 0, 0, 1)
        truth, noise = blobs(rng, values), blobs(rng, values, 4)
        prediction = np.where(blobs(rng, (0, 0, 1), 3) == 1, noise, truth)
        return truth, prediction
    if kind == "bits":
        truth = np.zeros(SIZE, np.uint32)
        prediction = truth.copy()
        for index in range(classes):
            one = blobs(rng, (0, 0, 1))
            other = np.where(blobs(rng, (0, 0, 1), 3) == 1, blobs(rng, (0, 1), 4), one)
            truth |= one.astype(np.uint32) << np.uint32(index)
            prediction |= other.astype(np.uint32) << np.uint32(index)
        return truth, prediction
    places = [(y, x) for y in range(0, 40, 10) for x in range(0, 50, 10)]
    first = min(1, classes - 1)
    sides = [], []
    for y, x in places:
        truth = np.zeros(SIZE, np.uint8)
        height, width = rng.integers(4, 10, 2)
        truth[y : y + height, x : x + width] = 1
        index = int(rng.integers(first, classes))
        other = np.zeros(SIZE, np.uint8)
        cut = rng.integers(0, 3, 2)
        other[y + cut[0] : y + height, x : x + max(1, width - cut[1])] = 1
        for side, plane, present in ((sides[0], truth, 0.8), (sides[1], other, 0.8)):
            if rng.random() < present:
                confidence = float(rng.permutation(64)[0]) / 64 if side is sides[1] else 1.0
                side.append(Instance(index, components(plane, [1])[0].runs, confidence))
    return sides


@pytest.fixture
def made(request):
    """A preset's competition, masks of five images, their ids."""
    name = request.param
    competition = load(name)
    rng = np.random.default_rng(sum(map(ord, name)))
    pairs = [pair(competition.kind, len(competition.classes), rng) for _ in range(5)]
    truths, predictions = map(list, zip(*pairs, strict=True))
    if competition.kind == "labels":
        for truth, prediction in pairs[:2]:
            prediction[:3, :7] = 255
            if competition.ignore:
                truth[5:9] = 255
        if competition.metric.empty == 1:
            truths[2][:], predictions[2][:], predictions[3][:] = 0, 0, 0
    elif competition.kind == "instances":
        truths[2], predictions[2], predictions[3] = [], [], []
    ids = [f"case{n // 3}_day1_slice_{9 - n}" for n in range(5)]
    return competition, truths, predictions, ids


@pytest.mark.parametrize("made", sorted(ORACLES), indirect=True, ids=sorted(ORACLES))
def test_the_score_is_the_oracles(made):
    competition, truths, predictions, ids = made
    counts = [take(*pair, competition, SIZE) for pair in zip(truths, predictions, strict=True)]
    tally = Tally.of(counts, competition, ids)
    found = score(tally, competition)
    expected = ORACLES[competition.name](competition, truths, predictions, ids)
    assert found.value == pytest.approx(expected, abs=1e-9)
    assert 0.05 < expected < 0.95, "an example at an end shows little"
    perfect = Tally.of([take(truth, truth, competition, SIZE) for truth in truths], competition, ids)
    weight = sum(part.weight for part in competition.metric.rules)
    assert score(perfect, competition).value == pytest.approx(weight)
    assert found.baselines["empty"] < found.value
    assert found.value > found.baselines.get("majority", 0)
    low, high = interval(tally, competition, resamples=200)
    assert low <= found.value <= high
    assert len(image_scores(tally, competition)) == 5


def test_rules_shown_beside_a_score():
    competition = load("isprs")
    truth, prediction = pair("labels", 6, np.random.default_rng(0))
    found = score(Tally.of([take(truth, prediction, competition)], competition, ["a"]), competition)
    assert found.also[0]["value"] == pytest.approx(oracles.overall_accuracy(competition, [truth], [prediction], ["a"]))
    assert "clutter" not in found.per_class


def test_a_city_has_its_accuracy_beside_its_score():
    competition, rng, ids = load("inria-aerial"), np.random.default_rng(3), ["tyrol1", "bellingham4", "tyrol2"]
    pairs = [pair("labels", 2, rng) for _ in ids]
    found = score(Tally.of([take(*each, competition) for each in pairs], competition, ids), competition)
    accuracy = found.also[0]["groups"]
    assert list(accuracy) == list(found.groups) == ["bellingham", "tyrol"]
    for city, places in {"bellingham": [1], "tyrol": [0, 2]}.items():
        truths, predictions = zip(*[pairs[place] for place in places], strict=True)
        assert accuracy[city] == pytest.approx(oracles.overall_accuracy(competition, truths, predictions, ids))
        assert found.groups[city] == pytest.approx(oracles.macro_iou(competition, truths, predictions, ids))


def test_numbers_of_a_map_become_instances():
    numbers = np.zeros((4, 6), np.uint16)
    numbers[0, 1:3] = numbers[1, :2] = 7
    numbers[3] = 300
    one, other = numbered(numbers, 1).values()
    assert one.runs.tolist() == [[1, 3], [6, 8]]
    assert (one.area, other.runs.tolist()) == (4, [[18, 24]])
