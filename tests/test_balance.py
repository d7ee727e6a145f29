"""Class balance: which classes are rare, weights by published formulas, the lines of the report."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight

from lib.data.balance import rare, report, shares, weights
from lib.errors import UsageError

NAMES = ("urban", "crops", "range", "forest", "water", "barren")
DEEPGLOBE = np.array([1013, 5909, 835, 1114, 357, 772, 55]) * 10**5
"""Pixels of DeepGlobe's land cover classes in their published proportions, then unknown ones."""

totals = st.lists(st.integers(0, 10**9), min_size=2, max_size=9).filter(any)


def test_frequency_weights_are_those_of_the_deepglobe_work():
    expected = [0.8987, 0.4091, 0.9165, 0.8886, 0.9643, 0.9228]
    assert weights("frequency", DEEPGLOBE, NAMES) == pytest.approx(expected, abs=2e-4)


def test_samples_are_scikit_learns_balanced_weights_but_for_scale():
    small = DEEPGLOBE[:6] // 10**5
    labels = np.repeat(np.arange(6), small)
    oracle = compute_class_weight("balanced", classes=np.arange(6), y=labels)
    assert weights("samples", small, NAMES) == pytest.approx(oracle / oracle.mean(), rel=1e-5)


def test_effective_numbers_are_cuis_formula():
    """(1 − β) / (1 − βⁿ) with β = 1 − 1/N, N an equal share: few enough pixels to compute it as it is written."""
    n = np.array([10, 500, 40, 0, 50])
    beta = 1 - 1 / (600 / 4)
    oracle = np.where(n > 0, (1 - beta) / np.maximum(1 - beta**n, 1e-12), 0)
    oracle /= oracle.sum() / 4
    assert weights("effective", n, "abcde") == pytest.approx(oracle, rel=1e-5)


def test_effective_numbers_say_something_of_millions_of_pixels():
    found = weights("effective", np.array([9e8, 9e7, 9e6, 9e5]), "abcd")
    assert found[2] / found[3] == pytest.approx(1 / 10, rel=0.05), "as 1 / n where a class is far below an equal share"
    assert found[1] / found[0] < 4, "and flatter than 1 / n above it"


@given(totals, st.sampled_from(["frequency", "samples", "effective"]), st.integers(1, 9))
def test_rarer_classes_weigh_more_and_absent_ones_nothing(counts, rule, times):
    if np.count_nonzero(counts) < 2 and rule == "frequency":
        return
    names = [str(place) for place in range(len(counts))]
    found = weights(rule, np.array(counts), names)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    assert ((found > 0) == (np.array(counts) > 0))[np.array(counts) * 10**7 >= np.sum(counts)].all()
    assert (found[np.array(counts) == 0] == 0).all()
    order = np.argsort(counts)[np.sort(counts) > 0]
    assert (np.diff(found[order]) <= 1e-6 * found.max()).all()
    if rule != "frequency":
        assert found[order].mean() == pytest.approx(1, rel=1e-4)
    assert np.allclose(weights(rule, np.array([*counts, 10**9]), names), found), "ignored pixels count nothing"
    if min(count for count in counts if count) > 10**3:
        assert np.allclose(weights(rule, np.array(counts) * times, names), found, rtol=1e-2), "only shares matter"


def test_a_list_is_taken_as_it_is_and_must_fit():
    assert weights("none", DEEPGLOBE, NAMES) is None
    assert weights((1, 2, 3, 4, 5, 0), DEEPGLOBE, NAMES).tolist() == [1, 2, 3, 4, 5, 0]
    with pytest.raises(UsageError, match="has 2 numbers for 6 classes"):
        weights((1, 2), DEEPGLOBE, NAMES)
    with pytest.raises(UsageError, match="every class would weigh 0"):
        weights((0,) * 6, DEEPGLOBE, NAMES)
    with pytest.raises(UsageError, match="frequency: every class would weigh 0"):
        weights("frequency", np.array([0, 7]), "ab")


def test_which_classes_are_rare():
    assert rare(DEEPGLOBE, None, NAMES) == (4, 5), "below a twelfth; 8.35 % is above it"
    assert rare(np.array([90, 9, 0, 1]), None, "abcd") == (1, 3), "a class that is not there cannot be drawn"
    assert rare(DEEPGLOBE, ("water", "urban"), NAMES) == (0, 4)
    assert rare(np.array([90, 9, 0, 1]), ("c", "b"), "abcd") == (1,)
    assert rare(np.zeros(4), None, "abcd") == ()
    with pytest.raises(UsageError, match=r"data.rare_classes: there is no class 'watr'") as told:
        rare(DEEPGLOBE, ("watr",), NAMES)
    assert told.value.hint.startswith("did you mean water?")


def test_the_report_sets_crops_beside_images():
    lines = report(
        np.array([900, 96, 3, 1, 5000]), np.array([0.5, 0.25, 0.25, 0.0]), ("sea", "crops", "road", "x"), (2,)
    )
    assert [line.split() for line in lines] == [
        ["class", "images", "crops"],
        ["sea", "90.0%", "50.0%"],
        ["crops", "9.6%", "25.0%"],
        ["road", "*", "0.3%", "25.0%"],
        ["x", "0.1%", "0.0%"],
    ]
    assert len({len(line) for line in lines}) == 1
    assert shares(np.zeros(3), 3).tolist() == [0, 0, 0]
