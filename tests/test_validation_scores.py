"""Validation while a model trains, scored by the very rule of the submission, whatever that asks for."""

from dataclasses import asdict

import numpy as np
import pytest
import torch

from lib.competitions import Metric, load
from lib.models import Segmenter
from lib.recipe import resolve
from lib.scoring import Score, Tally, areas, by_areas, image_scores, needs_masks, score, take
from lib.training.agreement import Agreement
from lib.training.validation import validate


@pytest.fixture(scope="module")
def bright() -> Segmenter:
    """A model that finds class 1 where an image is bright."""
    net = torch.nn.Conv2d(3, 2, 1)
    with torch.no_grad():
        net.weight.zero_()
        net.weight[1] = 1
        net.bias.zero_()
    return Segmenter(net)


def scenes(kinds):
    """Images and truths: squares, of which the images show some too small."""
    for number, cut in kinds:
        truth = np.zeros((40, 50), np.uint8)
        truth[4:14, 5:15] = truth[20:30, 25:45] = 1
        seen = truth.copy()
        seen[20 : 20 + cut] = 0
        yield number, np.repeat(seen[..., None] * 255, 3, axis=2), truth


def test_instances_are_the_components(bright, tmp_path):
    """One ship is whole, the other has IoU .8: F2 1 at six thresholds, 5/(5 + 4 + 1) at four."""
    recipe, _ = resolve([("test", {"data.scale": 1.0})])
    competition = load("airbus-ship")
    result = validate(bright, scenes([(0, 2), (1, 0)]), competition, recipe, Agreement(1))
    assert result.image_scores == [(0, pytest.approx(0.6 + 0.4 * 0.5)), (1, 1)]
    assert result.score.value == pytest.approx((0.8 + 1) / 2)
    assert result.table.shape == (2, 3)
    torch.save(asdict(result.score), tmp_path / "state")  # as a session's state keeps it
    assert Score(**torch.load(tmp_path / "state", weights_only=True)) == result.score


def test_the_images_of_a_group_are_one_volume(bright):
    """Of two slices that are worn by 2 and by 0 rows; alone, each slice has its own distance and diagonal."""
    recipe, _ = resolve([("test", {"data.scale": 1.0})])
    rule = Metric(measure="hausdorff", pool="pairs", classes=("ship",), group="^[a-z]+")
    competition = load("airbus-ship").model_copy(update={"metric": rule})
    result = validate(bright, scenes([(1, 2), (0, 0)]), competition, recipe, Agreement(1), ["a_2", "a_1"])
    farthest = 1  # a worn row lies beside the whole slice's rows: one slice away
    assert result.score.value == pytest.approx(1 - farthest / np.sqrt(2**2 + 40**2 + 50**2))
    assert result.score.groups == {"a": pytest.approx(result.score.value)}
    alone = validate(bright, scenes([(1, 2), (0, 0)]), competition, recipe, Agreement(1))
    assert alone.score.value == pytest.approx((1 + 1 - 2 / np.sqrt(1 + 40**2 + 50**2)) / 2)


def test_what_areas_are_enough_for():
    """A search over many predictions takes the rules that areas can tell."""
    truth, prediction = np.random.default_rng(0).integers(0, 8, (2, 3, 9, 9)).astype(np.uint32)
    organs = load("uw-madison-gi")
    counts = np.stack([areas(*pair, 3) for pair in zip(truth, prediction, strict=True)])
    assert needs_masks(organs)
    with pytest.raises(ValueError, match="it needs masks"):
        score(counts, organs)
    dice = organs.model_copy(update={"metric": Metric(measure="dice", pool="pairs")})
    assert score(counts, by_areas(organs)).value == pytest.approx(0.4 * score(counts, dice).value)
    ships = load("airbus-ship")
    assert by_areas(ships).metric.label == "macro Dice"
    assert by_areas(load("sample")) == load("sample")


def test_a_label_map_stands_for_bits():
    competition = load("understanding-clouds")
    labels = np.array([[0, 1, 255, 3]], np.uint8)
    tally = Tally.of([take(labels, np.array([[1, 2, 0, 0]], np.uint32), competition)], competition)
    assert tally.areas[0].tolist() == [[1, 1, 1], [1, 1, 1], [0, 0, 0], [0, 1, 0]]
    assert image_scores(tally, competition) == [pytest.approx(3 / 4)]
