"""Bands: whatever part of an image is asked for, it is what the whole image has there."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.inference import bands, restore
from lib.inference.bands import probability_bands
from lib.inference.decision import Decision
from lib.inference.labels import label_blocks, predict_labels
from lib.inference.restore import Restorer
from lib.inference.windows import Axis, reflected, weights
from lib.rasters.reader import Pixels
from tests.inferring import CLASSES, Pointwise, picture, predictor, tiny, whole

PLAIN = Decision.plain(CLASSES)


@pytest.fixture(scope="module")
def model():
    return tiny()


@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.6])
@pytest.mark.parametrize("size", [(150, 203), (64, 200), (201, 40), (65, 65)])
def test_bands_follow_each_other_and_are_the_merged_windows(model, size, overlap):
    """Against the textbook: every window's probabilities times its weight, over the sum of weights."""
    image, teller = picture(*size), predictor(model, infer__overlap=overlap)
    rows, across = (Axis.of(length, 64, overlap) for length in size)
    total, weight = torch.zeros(CLASSES, *size), torch.zeros(size)
    blend = torch.from_numpy(weights(rows.side, across.side))
    with torch.inference_mode():
        for top in rows.firsts:
            for left in across.firsts:
                place = np.s_[top : top + rows.side, left : left + across.side]
                tile = torch.from_numpy(image[place]).permute(2, 0, 1)[None]
                total[(slice(None), *place)] += model(tile)[0].softmax(0) * blend
                weight[place] += blend
    found, next_row = [], 0
    for top, band in probability_bands(teller, Pixels(image)):
        assert top == next_row
        assert band.shape[2] == size[1]
        assert band.shape[1] <= 64, "a band is no higher than a window"
        found.append(band.clone())
        next_row += band.shape[1]
    assert np.allclose(torch.cat(found, 1), total / weight, atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(data=st.data(), size=st.tuples(st.integers(1, 170), st.integers(1, 170)))
def test_a_part_is_the_whole_there_bit_for_bit(data, size):
    teller, source = predictor(infer__overlap=0.4), Pixels(picture(*size))
    full = whole(teller, source)
    left = data.draw(st.integers(0, size[1] - 1))
    right = data.draw(st.integers(left + 1, size[1]))
    first = data.draw(st.integers(0, size[0] - 1))
    parts = [part[1].clone() for part in probability_bands(teller, source, (left, right), first)]
    assert torch.equal(torch.cat(parts, 1), torch.from_numpy(full[:, first:, left:right]))


@pytest.mark.parametrize("batch", [1, 3, 16])
def test_how_many_windows_go_together_changes_nothing(model, batch):
    image = picture(150, 170)
    plain, together = (whole(predictor(model, infer__tta="d4", infer__batch=n), Pixels(image)) for n in (1, batch))
    assert np.allclose(plain, together, atol=1e-5)


def test_a_gaussian_window_falls_to_its_floor():
    line = weights(64, 1, "gaussian")[:, 0] / weights(64, 1, "gaussian").max()
    x = (np.arange(64) - 31.5) / 8
    assert np.allclose(line, (0.05 + 0.95 * np.exp(-(x**2) / 2)), atol=2e-3)
    flat, gauss = (whole(predictor(tiny(), infer__blend=b), Pixels(picture(64, 100))) for b in ("hann", "gaussian"))
    assert not np.allclose(flat, gauss, atol=1e-4)
    assert np.allclose(gauss.sum(0), 1, atol=1e-5)


@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from([1, 8, 32]))
def test_padding_is_numpys_reflection_however_often(height, width, multiple):
    image = np.arange(height * width).reshape(1, height, width)
    below, right = -height % multiple, -width % multiple
    expected = np.pad(image, ((0, 0), (0, below), (0, right)), mode="reflect")
    assert np.array_equal(reflected(torch.from_numpy(image), multiple), expected)


sides = st.integers(1, 20)


@settings(max_examples=150)
@given(
    small=st.tuples(sides, sides),
    large=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    data=st.data(),
    seed=st.integers(0, 2**32 - 1),
)
def test_restoring_row_by_row_is_restoring_at_once(small, large, data, seed):
    probabilities = np.random.default_rng(seed).random((4, *small), np.float32)
    left = data.draw(st.integers(0, large[1] - 1))
    right = data.draw(st.integers(left + 1, large[1]))
    first = data.draw(st.integers(0, large[0] - 1))
    restorer = Restorer(small, large, (left, right), first)
    begin, end = restorer.columns_in
    row, found = restorer.row_in, []
    while row < small[0]:
        rows = data.draw(st.integers(1, 5))
        found.append(restorer.feed(probabilities[:, row : row + rows, begin:end]))
        row += rows
    assert np.array_equal(np.concatenate(found), restore(probabilities, large)[first:, left:right])


@pytest.mark.parametrize("size", [(90, 151), (180, 302), (300, 77)])
@pytest.mark.parametrize("band", [1, 10**9])
def test_panels_and_a_second_start_change_no_pixel(monkeypatch, size, band):
    monkeypatch.setattr(bands, "BAND_BYTES", band)
    monkeypatch.setattr(bands, "PIECE_BYTES", 5000 * band)
    image = picture(90, 460)
    teller, source = predictor(Pointwise(), infer__window=32), Pixels(image)
    expected = restore(whole(teller, source), size)
    blocks = list(label_blocks(teller, source, size, PLAIN))
    assert (len({left for _, left, _ in blocks}) > 1) == (band == 1)
    for stop in range(0, len(blocks), 3):  # broken off after so many blocks, and begun again
        mask = np.full(size, 99, np.uint8)
        left = row = 0
        for top, left, block in blocks[:stop]:
            mask[top : top + len(block), left : left + block.shape[1]] = block
            row = top + len(block)
        for top, begin, block in label_blocks(teller, source, size, PLAIN, left, row):
            mask[top : top + len(block), begin : begin + block.shape[1]] = block
        assert np.array_equal(mask, expected)


def test_labels_of_an_image_are_its_probabilities_restored(model):
    image = picture(111, 140)
    teller = predictor(model, data__scale=0.7)
    assert np.array_equal(
        predict_labels(teller, image, (111, 140), PLAIN),
        restore(whole(teller, Pixels(__import__("cv2").resize(image, (98, 78), interpolation=3))), (111, 140)),
    )
