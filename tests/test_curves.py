"""Curves of a page: ticks that are round and hold every value, points inside the drawing, gaps left out."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.reporting.curves import HIGH, LEFT, MOST, WIDE, Line, draw, powers, steps, thinned

VALUES = st.floats(-1e6, 1e6).filter(lambda value: value == 0 or abs(value) > 1e-6)


@given(one=VALUES, other=VALUES)
def test_ticks_are_round_few_and_around_all_values(one, other):
    low, high = sorted((one, other))
    ticks = steps(low, high)
    assert 2 <= len(ticks) <= 8
    apart = ticks[1] - ticks[0]
    assert ticks[0] <= low + 1e-6 * apart
    assert ticks[-1] >= high - 1e-6 * apart
    mantissa = apart / 10 ** math.floor(math.log10(apart) + 1e-6)
    assert min(abs(mantissa - digit) for digit in (1, 2, 5, 10)) < 1e-3


@given(low=st.floats(-9, 9), width=st.floats(0, 9))
def test_powers_of_ten_hold_both_ends(low, width):
    ticks = powers(low, low + width)
    assert 2 <= len(ticks) <= 7
    assert ticks[0] <= low <= low + width <= ticks[-1]


@given(points=st.lists(st.tuples(st.integers(0, 40), st.none() | st.floats(allow_infinity=True)), max_size=20))
def test_points_lie_in_the_drawing_and_what_is_no_number_is_left_out(points):
    known = [(x, y) for x, y in points if y is not None and math.isfinite(y)]
    if any(abs(y) > 1e12 or 0 < abs(y) < 1e-9 for _, y in known):
        return
    chart = draw("a", [Line("a", points), Line("level", (), level=0.5)], 40, log=True)
    if not known:
        assert chart is None
        return
    places = [tuple(map(float, place.split(","))) for place in chart["lines"][0]["path"].split()]
    assert len(places) == len(known)
    assert all(0 <= x <= WIDE and 0 <= y <= HIGH for x, y in places)
    order = sorted(range(len(known)), key=lambda place: known[place][1])
    heights = [places[place][1] for place in order]
    assert heights == sorted(heights, reverse=True), "higher values stand higher"
    assert [line["dashed"] for line in chart["lines"]] == [False, True]


@given(count=st.integers(1, 5000))
def test_long_lines_are_thinned_and_keep_both_ends(count):
    points = [(float(place), 1.0) for place in range(count)]
    shown = thinned(points)
    assert len(shown) <= MOST + 1
    assert (shown[0], shown[-1]) == (points[0], points[-1])
    assert count > MOST or shown == points


def test_powers_of_ten_are_for_values_that_are_far_from_each_other():
    near = draw("near", [Line("a", [(1, 1.0), (2, 9.0)])], 2, log=True, floor=0)
    far = draw("far", [Line("a", [(1, 0.001), (2, 9.0)])], 2, log=True)
    zero = draw("zero", [Line("a", [(1, 0.0), (2, 9.0)])], 2, log=True)
    assert [label for _, label in far["y"]] == ["0.001", "0.01", "0.1", "1", "10"]
    assert [label for _, label in near["y"]] == [label for _, label in zero["y"]] == ["0", "2", "4", "6", "8", "10"]
    small = draw("small", [Line("a", [(1, 0.0001), (2, 0.0002)])], 2, log=True)
    assert [label for _, label in small["y"]] == ["1e-4", "1.2e-4", "1.4e-4", "1.6e-4", "1.8e-4", "2e-4"]
    assert [label for _, label in draw("x", [Line("a", [(1, 1.0)])], 40)["x"]] == ["0", "10", "20", "30", "40"]


def test_a_value_is_told_where_one_rests():
    chart = draw("Loss", [Line("loss", [(1, 0.5), (2, 0.25)], colour="#ff0000")], 2)
    (line,) = chart["lines"]
    assert [dot[2:] for dot in line["dots"]] == [("1", "0.5"), ("2", "0.25")]
    assert (line["colour"], line["last"]) == ("#ff0000", "0.25")
    assert draw("Loss", [], 2) is None
    assert line["dots"][0][0] - LEFT == pytest.approx((line["dots"][1][0] - LEFT) / 2)
