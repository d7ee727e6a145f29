"""Tiles: they cover an image without loss, overlap as asked, and have names that can be read back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.competitions import Pair
from lib.data import tiles

sides = st.integers(1, 300)
overlaps = st.sampled_from([0.0, 0.1, 0.25, 0.3, 0.5, 0.75, 0.9])


@given(sides, st.integers(1, 90), overlaps)
def test_tiles_of_an_axis(length, side, overlap):
    firsts = tiles.begins(length, side, overlap)
    real = min(side, length)
    steps = np.diff(firsts)
    assert firsts[0] == 0
    assert firsts[-1] + real == length, "the last tile ends with the image: nothing is lost, nothing padded"
    assert (steps > 0).all()
    if len(firsts) > 1:
        assert steps.max() - steps.min() <= 1, "evenly spread"
        assert (side - steps >= overlap * side - 1e-9).all() or steps.max() == 1, "at least the overlap"


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 30), overlaps)
def test_every_pixel_is_in_a_tile_and_in_one_core(height, width, side, overlap):
    seen, owned = np.zeros((height, width), int), np.zeros((height, width), int)
    windows, cores = (cut((height, width), side, overlap) for cut in (tiles.grid, tiles.cores))
    for (top, bottom, left, right), (first, last, begin, end) in zip(windows, cores, strict=True):
        assert 0 <= top < bottom <= height
        assert 0 <= left < right <= width
        assert (bottom - top, right - left) == (min(side, height), min(side, width))
        assert top <= first < last <= bottom
        assert left <= begin < end <= right
        seen[top:bottom, left:right] += 1
        owned[first:last, begin:end] += 1
    assert seen.min() >= 1
    assert (owned == 1).all()
    assert windows == sorted(windows), "row by row"


def test_tiles_that_fit_are_the_plain_grid():
    assert tiles.grid((4, 6), 2) == [(r, r + 2, c, c + 2) for r in (0, 2) for c in (0, 2, 4)]
    assert tiles.grid((5, 3), 4) == [(0, 4, 0, 3), (1, 5, 0, 3)]
    assert tiles.begins(1000, 512, 0.5) == [0, 244, 488]


def test_tiles_of_a_part_stay_in_it():
    windows = tiles.grid((1000, 1000), 64, 0.2, within=(100, 301, 7, 50))
    assert min(w[0] for w in windows) == 100
    assert max(w[1] for w in windows) == 301
    assert {w[2:] for w in windows} == {(7, 50)}
    assert sum(tiles.area(core) for core in tiles.cores((1, 1), 64, 0.2, within=(100, 301, 7, 50))) == 201 * 43


@given(st.text(min_size=1, max_size=8), st.tuples(sides, sides, sides, sides))
def test_a_name_is_read_back(identity, numbers):
    top, height, left, width = numbers
    window = (top, top + height, left, left + width)
    assert tiles.parse(tiles.name(identity, window)) == (identity, window)


@pytest.mark.parametrize("text", ["a", "a@r0-5", "@r0-5c0-5", "a@r5-5c0-5", "a@r0-5c9-5", "a@r0-5c0-5x", "a@r-1-5c0-5"])
def test_what_is_no_name_of_a_part(text):
    assert tiles.parse(text) is None


def test_a_part_keeps_its_group_and_files():
    whole = Pair("x", None, None, "g")
    piece = tiles.part(whole, (1, 2, 3, 4))
    assert (piece.id, piece.window, piece.group) == ("x@r1-2c3-4", (1, 2, 3, 4), "g")
    assert tiles.image_of(piece) == tiles.image_of(whole) == "x"
    assert tiles.image_of(Pair("odd@r1-2c3-4", None, None, "g")) == "odd@r1-2c3-4", "a whole image of that name"
