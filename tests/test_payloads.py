"""How a mask stands in a cell: there and back over odd sizes, and the same as other people's libraries have it."""

import base64
import zlib

import numpy as np
import pytest
import rasterio.features
import shapely
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as theirs

from lib.errors import DataError
from lib.rasters import runs as rn
from lib.submissions import rle
from lib.submissions.payloads import coco, patches, wkt
from lib.submissions.payloads.grid import PIXELS, Grid

masks = arrays(bool, st.tuples(st.integers(1, 19), st.integers(1, 19)))
orders = st.sampled_from(["C", "F"])
kinds = st.sampled_from(["length", "end", "gap", "alternating"])


@given(masks, orders, kinds, st.sampled_from([0, 1]))
def test_runs_there_and_back(mask, order, kind, base):
    runs = rn.of_mask(mask, order)
    text = rle.text(runs, kind, base, mask.size)
    found = rle.parse(text, base, mask.size, kind) if text else rn.NONE
    assert np.array_equal(found, runs)
    assert np.array_equal(rn.mask(found, mask.shape, order), mask)


@given(masks)
def test_runs_are_turned_without_a_look_at_the_whole_image(mask):
    rows, columns = rn.of_mask(mask, "C"), rn.of_mask(mask, "F")
    assert np.array_equal(rn.turned(rows, mask.shape, "C", "F"), columns)
    assert np.array_equal(rn.turned(columns, mask.shape, "F", "C"), rows)
    if len(rows):
        assert np.array_equal(rn.of_box(*rn.box(rows, mask.shape), mask.shape), rows)


@given(st.lists(masks.map(lambda mask: np.resize(mask, 50)), min_size=1, max_size=4))
def test_runs_united_and_in_conflict(parts):
    runs = [rn.of_mask(part[None], "C") for part in parts]
    assert np.array_equal(rn.mask(rn.united(runs), (1, 50), "C")[0], np.logical_or.reduce(parts))
    found = rn.clash(runs)
    assert (found is not None) == (np.sum(parts, axis=0).max() > 1)
    if found:
        assert (parts[found[0]] & parts[found[1]]).any()


def test_the_four_kinds_by_hand():
    runs = np.array([[2, 4], [7, 8]])
    assert rle.text(runs) == "3 2 8 1"
    assert rle.text(runs, "end") == "3 4 8 8"
    assert rle.text(runs, "gap", base=0) == "2 2 3 1", "from the end of the run before, as SIIM-ACR counts"
    assert rle.text(runs, "alternating", size=10) == "2 2 3 1 2"
    assert rle.text(np.array([[0, 10]]), "alternating", size=10) == "0 10"


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        ("3 2", "end", "has a run of length 0"),
        ("2 2 -3 1", "gap", "starts before the one before it ends"),
        ("5 3 5 3", "gap", "ends at pixel 15 of an image of 10 pixels"),
        ("999999999999999999 1 999999999999999999 1", "gap", "leads out of every image"),
        ("2 2 3", "alternating", "counts 7 pixels, and the image has 10"),
        ("2 -2 10", "alternating", "has a run of length -2"),
    ],
)
def test_broken_runs(text, kind, said):
    with pytest.raises(DataError) as caught:
        rle.parse(text, 1, 10, kind)
    assert said in caught.value.reason


@given(masks)
def test_compressed_counts_are_pycocotools(mask):
    encoded = theirs.encode(np.asfortranarray(mask).astype(np.uint8, order="F"))["counts"]
    runs = rn.of_mask(mask, "F")
    assert coco.compress(rle.counts(runs, mask.size)) == encoded
    assert np.array_equal(rle.of_counts(coco.decompress(encoded), mask.size, ""), runs)


def test_compressed_counts_of_a_large_image():
    mask = np.zeros((700, 900), np.uint8, order="F")
    mask[7:690:3, 11:600] = 1
    mask[:, 800:] = 1
    encoded = theirs.encode(mask)["counts"]
    assert coco.compress(rle.counts(rn.of_mask(mask.astype(bool), "F"), mask.size)) == encoded


@pytest.mark.parametrize("content", [b"\x20", b"\x7f", b"o", b"oooooooooo0"])
def test_broken_counts(content):
    with pytest.raises(DataError):
        coco.decompress(content)


def test_what_unpacks_without_end_is_refused():
    bomb = base64.b64encode(zlib.compress(bytes(50_000_000))).decode()
    with pytest.raises(DataError, match="unpacks to more than"):
        coco.unpacked(bomb, 100)
    for text in ("no base64!", "AAAA", coco.packed(b"0123456789")[:-8]):
        with pytest.raises(DataError):
            coco.unpacked(text, 100)


@given(masks.filter(np.any), st.booleans())
def test_polygons_there_and_back(mask, in_units):
    grid = Grid.of(mask.shape, 0.009188, -0.00904) if in_units else PIXELS
    text = wkt.text(mask, grid=grid)
    geometry = shapely.from_wkt(text)
    assert geometry.is_valid
    box, top, left = wkt.box(text, mask.shape, grid)
    found = np.zeros(mask.shape, bool)
    found[top : top + box.shape[0], left : left + box.shape[1]] = box
    assert np.array_equal(found, mask)
    if not in_units:
        assert geometry.area == mask.sum()


def test_a_polygon_by_hand_and_one_with_a_hole():
    assert shapely.from_wkt(wkt.text(np.array([[False, True, True]]))).equals(shapely.box(1, 0, 3, 1))
    ring = np.ones((3, 3), bool)
    ring[1, 1] = False
    assert shapely.from_wkt(wkt.text(ring)).equals(shapely.box(0, 0, 3, 3) - shapely.box(1, 1, 2, 2))
    assert wkt.text(np.array([[True]]), top=4, left=2, multi=True).startswith("MULTIPOLYGON")


def test_grid_units_are_those_of_the_page():
    """x' = x · W' / Xmax with W' = W · W / (W + 1), and y' with Ymin: the competition's words, from units to pixels."""
    size, xmax, ymin = (3348, 3403), 0.009169, -0.009042
    (x, y) = shapely.from_wkt(wkt.text(np.ones(size, bool), grid=Grid.of(size, xmax, ymin))).bounds[2:0:-1]
    height, width = size
    assert x * (width * width / (width + 1)) / xmax == pytest.approx(width)
    assert y * (height * height / (height + 1)) / ymin == pytest.approx(height)


def test_polygons_that_are_not_along_pixels_take_the_pixels_whose_centre_they_hold():
    text = "POLYGON ((0.6 0.2, 3.4 0.2, 3.4 1.7, 0.6 1.7, 0.6 0.2))"
    box, top, left = wkt.box(text, (5, 6))
    found = np.zeros((5, 6), bool)
    found[top : top + box.shape[0], left : left + box.shape[1]] = box
    expected = rasterio.features.rasterize([shapely.from_wkt(text)], out_shape=(5, 6)).astype(bool)
    assert np.array_equal(found, expected)
    assert found.sum() == 4


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("POLYGON ((0 0, 1", "is not well-known text"),
        ("POINT (1 1)", "is neither POLYGON nor MULTIPOLYGON"),
        ("POLYGON ((0 0, 2 2, 2 0, 0 2, 0 0))", "is not valid: Self-intersection"),
        ("POLYGON ((0 0, 0 9, 9 9, 0 0))", "reaches x 0 to 9"),
    ],
)
def test_broken_polygons(text, said):
    with pytest.raises(DataError) as caught:
        wkt.box(text, (4, 4))
    assert said in caught.value.reason


@given(masks, st.integers(1, 7), st.sampled_from([0.0, 0.25, 0.5]))
def test_patches_count_their_own_pixels(mask, side, threshold):
    decided = patches.decide(mask, side, threshold)
    for (row, column), value in np.ndenumerate(decided):
        assert value == (mask[row * side :, column * side :][:side, :side].mean() > threshold)
    assert patches.spread(decided, mask.shape, side).shape == mask.shape
    assert np.array_equal(patches.decide(patches.spread(decided, mask.shape, side), side, threshold), decided)
