"""Restoring to the original size: the labels of interpolate + argmax, without the memory."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.inference import restore
from tests.programs import PROJECT


def by_torch(probabilities: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and how far the best class is ahead of the second at every pixel."""
    planes = torch.from_numpy(probabilities.astype(np.float64))[None]
    planes = torch.nn.functional.interpolate(planes, size=size, mode="bilinear", align_corners=False)[0]
    best = planes.topk(min(2, len(planes)), dim=0).values
    lead = best[0] - best[1] if len(planes) > 1 else torch.ones(size)
    return planes.argmax(0).numpy().astype(np.uint8), lead.numpy()


sides = st.integers(1, 21)


@settings(max_examples=150)
@given(
    classes=st.integers(1, 9),
    small=st.tuples(sides, sides),
    large=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    sharpness=st.sampled_from([0.1, 1, 20]),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_labels_are_torchs(classes, small, large, sharpness, seed):
    logits = np.random.default_rng(seed).standard_normal((classes, *small)) * sharpness
    probabilities = (np.exp(logits) / np.exp(logits).sum(0)).astype(np.float32)
    labels = restore(probabilities, large)
    expected, lead = by_torch(probabilities, large)
    assert labels.shape == large
    assert labels.dtype == np.uint8
    assert np.array_equal(labels[lead > 1e-5], expected[lead > 1e-5])


def test_noise_at_full_size():
    """So many stretches differ that they are settled in several bands, along columns and along rows."""
    probabilities = np.random.default_rng(0).random((5, 261, 193), dtype=np.float32)
    probabilities /= probabilities.sum(0)
    labels = restore(probabilities, (2000, 1500))
    expected, lead = by_torch(probabilities, (2000, 1500))
    assert np.mean(lead > 1e-5) > 0.99
    assert np.array_equal(labels[lead > 1e-5], expected[lead > 1e-5])


def test_a_class_that_wins_only_between_the_samples():
    """The second choice of both neighbours wins half-way: settling by the winners alone would lose it."""
    probabilities = np.array([[[0.6, 0.0]], [[0.0, 0.6]], [[0.4, 0.4]]], np.float32)
    assert restore(probabilities, (1, 200))[0, 100] == 2
    assert set(restore(probabilities, (1, 200))[0]) == {0, 1, 2}
    assert restore(probabilities.transpose(0, 2, 1), (200, 1))[100, 0] == 2


def test_equal_classes_give_the_lower_index():
    even = np.full((3, 4, 5), 1 / 3, np.float32)
    assert (restore(even, (31, 17)) == 0).all()
    assert (restore(even, (4, 5)) == 0).all()


def test_the_same_size_is_the_argmax():
    probabilities = np.random.default_rng(0).random((7, 33, 41)).astype(np.float32)
    assert np.array_equal(restore(probabilities, (33, 41)), probabilities.argmax(0))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_dtypes_and_layouts(dtype):
    probabilities = np.random.default_rng(0).random((4, 9, 8)).astype(dtype)
    expected = restore(probabilities.astype(np.float32), (50, 40))
    assert np.array_equal(restore(probabilities, (50, 40)), expected)
    assert np.array_equal(restore(probabilities.transpose(0, 2, 1).copy().transpose(0, 2, 1), (50, 40)), expected)


def test_labels_are_never_invented():
    """Between class 0 and class 2 there is no class 1, as a bilinear resize of labels would make."""
    probabilities = np.zeros((3, 8, 8), np.float32)
    probabilities[0, :, :4] = probabilities[2, :, 4:] = 1
    assert set(np.unique(restore(probabilities, (100, 90)))) == {0, 2}


def test_what_is_not_probabilities():
    with pytest.raises(ValueError, match="1 to 255 classes"):
        restore(np.zeros((256, 2, 2), np.float32), (4, 4))


MEASURE = """
import resource, numpy as np
from lib.inference import restore
rng = np.random.default_rng(0)
small = rng.random((25, 23, 23), dtype=np.float32)
probabilities = np.kron(small, np.ones((1, 16, 16), np.float32)) + 0.1 * rng.random((25, 368, 368), dtype=np.float32)
restore(probabilities[:, :50, :50], (300, 300))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
labels = restore(probabilities, (4000, 3000))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 - labels.nbytes)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read the Linux way")
def test_25_classes_at_4000x3000_stay_under_300_megabytes():
    done = subprocess.run([sys.executable, "-c", MEASURE], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 300e6, f"{int(done.stdout) / 1e6:.0f} MB above the result"
