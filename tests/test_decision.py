"""Biases, thresholds and minimum areas: nothing by default, and otherwise what scipy and the whole arrays say."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from lib.competitions import load
from lib.errors import UsageError
from lib.inference import restore
from lib.inference.areas import blocks_without_small, without_small
from lib.inference.decision import Decider, Decision

EIGHT = np.ones((3, 3))


def probabilities(classes: int, height: int, width: int, seed: int = 0) -> np.ndarray:
    p = np.random.default_rng(seed).random((classes, height, width), np.float32) ** 3
    return p / p.sum(0)


def decided(decision: Decision, p: np.ndarray, size: tuple[int, int], band: int = 3) -> np.ndarray:
    decider = Decider(decision, p.shape[1:], size)
    parts = [decider.feed(torch.from_numpy(p[:, top : top + band])) for top in range(0, p.shape[1], band)]
    return np.concatenate(parts)


@pytest.mark.parametrize("size", [(11, 14), (40, 33), (7, 5)])
def test_by_default_it_is_the_plain_argmax_bit_for_bit(size):
    p = probabilities(4, 11, 14)
    plain = Decision.plain(4)
    assert plain.is_plain
    assert np.array_equal(decided(plain, p, size), restore(p, size))
    labels = restore(p, size)
    assert without_small(labels, plain.min_area) is labels


@pytest.mark.parametrize("size", [(11, 14), (40, 33), (7, 5)])
def test_a_bias_multiplies_before_the_likeliest_class_is_taken(size):
    p, bias = probabilities(4, 11, 14), (0.5, 1.0, 2.5, 1.0)
    decision = Decision(bias, (0.5,) * 4, (0,) * 4)
    found = decided(decision, p, size)
    planes = torch.nn.functional.interpolate(torch.from_numpy(p)[None].double(), size=size, mode="bilinear")[0]
    best = (planes * torch.tensor(bias)[:, None, None]).topk(2, dim=0)
    clear = (best.values[0] - best.values[1] > 1e-5).numpy()
    assert clear.mean() > 0.99
    assert np.array_equal(found[clear], best.indices[0].numpy()[clear])
    assert not np.array_equal(found, decided(Decision.plain(4), p, size))


@pytest.mark.parametrize("size", [(11, 14), (40, 33), (7, 5)])
def test_overlapping_classes_are_compared_with_their_own_threshold(size):
    p, levels = np.random.default_rng(0).random((3, 11, 14), np.float32), (0.3, 0.5, 0.8)
    bits = decided(Decision((1.0,) * 3, levels, (0,) * 3, multilabel=True), p, size)
    assert bits.dtype == np.uint32
    planes = torch.nn.functional.interpolate(torch.from_numpy(p)[None].double(), size=size, mode="bilinear")[0].numpy()
    for index, level in enumerate(levels):
        clear = abs(planes[index] - level) > 1e-5
        assert np.array_equal((bits >> index & 1)[clear], (planes[index] >= level)[clear])
    assert bits.max() > 4, "classes do overlap"


def test_a_pixel_at_its_threshold_has_the_class():
    p = np.full((2, 3, 3), 0.5, np.float32)
    assert (decided(Decision.plain(2, multilabel=True), p, (3, 3)) == 3).all()


def test_there_and_back_through_json():
    competition = load("sample")
    decision = Decision((1.0, 0.8, 1.0, 2.0, 1.0, 1.0), (0.5,) * 6, (0, 0, 30, 0, 0, 5))
    document = decision.document(competition)
    assert document["bias"]["agriculture"] == 0.8
    assert document["min_area"] == dict(zip(competition.names, decision.min_area, strict=True))
    assert Decision.of(competition, document) == decision
    assert Decision.of(competition, {}).is_plain
    for wrong in ({"bias": {"lake": 2}}, {"bias": {"water": 0}}, {"min_area": {"water": "x"}}, {"bias": [1]}, []):
        with pytest.raises(UsageError, match="do not fit sample"):
            Decision.of(competition, wrong)


def scipys(labels: np.ndarray, min_area: tuple[int, ...]) -> np.ndarray:
    """Small components, one by one, given to the commonest label around them."""
    result = labels.copy()
    for index, least in enumerate(min_area):
        numbers, count = ndimage.label(labels == index, EIGHT)
        for number in range(1, count + 1):
            component = numbers == number
            if component.sum() < least:
                around = labels[ndimage.binary_dilation(component, EIGHT) & ~component]
                result[component] = np.bincount(around).argmax() if around.size else index
    return result


@settings(max_examples=40, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 30), st.integers(1, 30)),
    min_area=st.tuples(*[st.integers(0, 12)] * 3),
    side=st.integers(1, 12),
    seed=st.integers(0, 999),
)
def test_small_components_are_scipys_also_block_by_block(shape, min_area, side, seed):
    labels = np.random.default_rng(seed).choice(np.uint8([0, 1, 2]), shape, p=[0.6, 0.2, 0.2])
    expected = scipys(labels, min_area)
    assert np.array_equal(without_small(labels, min_area), expected)
    mask = np.full(shape, 99, np.uint8)
    for top, left, block in blocks_without_small(lambda a, b, c, d: labels[a:b, c:d], shape, min_area, side):
        mask[top : top + block.shape[0], left : left + block.shape[1]] = block
    assert np.array_equal(mask, expected)


def test_small_components_of_overlapping_classes_lose_their_bit():
    bits = np.random.default_rng(0).integers(0, 4, (40, 40)).astype(np.uint32)
    found = without_small(bits, (0, 30))
    assert np.array_equal(found & 1, bits & 1)
    numbers, count = ndimage.label(bits & 2, EIGHT)
    sizes = ndimage.sum_labels(np.ones_like(numbers), numbers, np.arange(count + 1))
    assert (sizes[1:] < 30).any()
    assert np.array_equal(found & 2 > 0, (sizes >= 30)[numbers] & (numbers > 0))
