"""Windows that cover everything without seams, orientations that undo exactly, prediction on any size."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.competitions import Pair
from lib.inference import restore
from lib.inference.folder import predict_folder
from lib.inference.output import MaskOutput
from lib.inference.predictor import Member, Predictor
from lib.inference.tta import ORIENTATIONS
from lib.inference.windows import starts, weights
from lib.models import build
from lib.rasters import encode_png, masks_in
from lib.recipe import ModelRecipe, resolve
from tests.inferring import predict


@given(st.integers(1, 400), st.integers(1, 200), st.floats(0, 0.9))
def test_windows_cover_every_pixel(length, window, overlap):
    firsts = starts(length, window, overlap)
    assert firsts[0] == 0
    assert firsts == sorted(set(firsts))
    seen = np.zeros(length, int)
    for first in firsts:
        assert first + min(window, length) <= length
        seen[first : first + window] += 1
    assert seen.min() >= 1


@given(st.integers(64, 300), st.integers(20, 60), st.floats(0, 0.8))
def test_neighbours_overlap_as_asked(length, window, overlap):
    firsts = starts(length, window, overlap)
    shared = [one + window - other for one, other in itertools.pairwise(firsts)]
    assert all(pixels >= window * overlap - 1 for pixels in shared)


def window(length: int) -> np.ndarray:
    """A twentieth at the very edge, one in the middle, a squared sine between."""
    return 0.05 + 0.95 * np.sin(np.pi * (np.arange(length) + 0.5) / length) ** 2


def test_weights_are_a_floored_hann_window():
    blend = weights(31, 20)
    assert np.allclose(blend, window(31)[:, None] * window(20), rtol=1e-5)
    assert blend.dtype == np.float32
    assert blend[15].max() > 0.99
    assert 0.05**2 <= blend.min() < 1.2 * 0.05**2


@pytest.mark.parametrize("name", ["none", "flips", "d4"])
@pytest.mark.parametrize("size", [(1, 1), (3, 7), (8, 8), (33, 20)])
def test_every_orientation_undoes_itself_bit_for_bit(name, size):
    images = torch.randn(2, 3, *size)
    for turn in ORIENTATIONS[name]:
        assert torch.equal(turn.undo(turn.apply(images)), images)


def test_the_orientations_are_the_group():
    square = torch.arange(9.0).view(1, 1, 3, 3)
    assert len({tuple(turn.apply(square).flatten().tolist()) for turn in ORIENTATIONS["d4"]}) == 8
    flips = {tuple(turn.apply(square).flatten().tolist()) for turn in ORIENTATIONS["flips"]}
    expected = {tuple(square.flip(dims).flatten().tolist()) for dims in ((), (-1,), (-2,), (-1, -2))}
    assert flips == expected


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(1)
    recipe = ModelRecipe(encoder="mobilenetv3_small_050", weights="none", decoder_channels=(32, 16, 16, 16, 8))
    return build(recipe, classes=5).eval()


def recipe_with(**keys):
    return resolve([("test", {"data.crop": 32, **{name.replace("__", "."): value for name, value in keys.items()}})])[0]


@settings(max_examples=12, deadline=None)
@given(st.integers(1, 150), st.integers(1, 150), st.sampled_from([0.5, 1.0, 1.3]))
def test_probabilities_of_any_size(model, height, width, scale):
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)
    found = predict(model, image, recipe_with(data__scale=scale), tta="none")
    assert found.shape == (5, max(1, round(height * scale)), max(1, round(width * scale)))
    assert found.dtype == np.float32
    assert np.allclose(found.sum(0), 1, atol=1e-4)
    assert found.min() >= 0


def test_one_window_is_the_bare_forward_pass(model):
    image = np.random.default_rng(0).integers(0, 256, (50, 61, 3)).astype(np.uint8)
    with torch.inference_mode():
        expected = model(torch.from_numpy(image).permute(2, 0, 1)[None])[0].softmax(0).numpy()
    assert np.allclose(predict(model, image, recipe_with(), tta="none"), expected, atol=1e-6)


def test_d4_turns_with_the_image(model):
    """Averaged over all eight orientations, a turned image gives the turned probabilities."""
    image = np.random.default_rng(0).integers(0, 256, (45, 60, 3)).astype(np.uint8)
    still = predict(model, image, recipe_with(), tta="d4")
    for turned, back in (
        (np.rot90(image), lambda p: np.rot90(p, -1, (1, 2))),
        (image[:, ::-1], lambda p: p[:, :, ::-1]),
    ):
        assert np.allclose(
            back(predict(model, np.ascontiguousarray(turned), recipe_with(), tta="d4")), still, atol=1e-5
        )
    plain = predict(model, image, recipe_with(), tta="none")
    assert not np.allclose(plain, still, atol=1e-3)


def test_orientations_are_averaged_as_probabilities(model):
    image = np.random.default_rng(2).integers(0, 256, (40, 40, 3)).astype(np.uint8)
    pixels = torch.from_numpy(image).permute(2, 0, 1)[None]
    with torch.inference_mode():
        each = [turn.undo(model(turn.apply(pixels)).softmax(1))[0] for turn in ORIENTATIONS["flips"]]
    assert np.allclose(predict(model, image, recipe_with(), tta="flips"), sum(each).numpy() / 4, atol=1e-5)


def test_windows_leave_no_seams():
    """A model whose answer depends on the pixel alone gives the same with windows as in one piece."""
    net = torch.nn.Conv2d(3, 4, 1)

    class Pointwise(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, images):
            return self.net(images.float() / 100)

    image = np.random.default_rng(0).integers(0, 256, (150, 203, 3)).astype(np.uint8)
    whole = predict(Pointwise(), image, recipe_with(infer__window=256), tta="none")
    pieces = predict(Pointwise(), image, recipe_with(infer__window=40, infer__overlap=0.3), tta="none")
    assert np.allclose(whole, pieces, atol=1e-5)


class Brightness(torch.nn.Module):
    """Says the same everywhere: class 1 as likely as the picture it is given is bright."""

    def __init__(self):
        super().__init__()
        self.unused = torch.nn.Parameter(torch.zeros(1))

    def forward(self, images):
        bright = (images.float().mean((1, 2, 3)) / 255).clamp(0.01, 0.99)
        return torch.stack([1 - bright, bright], 1).log()[..., None, None].expand(-1, -1, *images.shape[-2:]).clone()


@pytest.mark.parametrize("turned", [False, True])
def test_overlapping_windows_are_blended_by_their_weights(turned):
    image = np.zeros((64, 110, 3), np.uint8)
    image[:, 70:] = 255
    if turned:
        image = np.ascontiguousarray(image.transpose(1, 0, 2))
    found = predict(Brightness(), image, recipe_with(infer__window=64, infer__overlap=0.25), tta="none")[1]
    left, right, blend = np.zeros(110), np.zeros(110), window(64)
    left[:64] = right[46:] = blend  # the left one sees black only, the right one 40 bright columns of 64
    expected = (0.01 * left + 40 / 64 * right) / (left + right)
    assert np.allclose(found.T if turned else found, np.broadcast_to(expected, (64, 110)), atol=1e-5)


def test_windows_see_only_themselves(model):
    """With windows, a far-away change of the image moves nothing here: the model really works window by window."""
    image = np.random.default_rng(0).integers(0, 256, (64, 400, 3)).astype(np.uint8)
    changed = image.copy()
    changed[:, 300:] = 0
    settings = recipe_with(infer__window=64, infer__overlap=0.25)
    before, after = (predict(model, picture, settings, tta="none") for picture in (image, changed))
    assert np.array_equal(before[:, :, :200], after[:, :, :200])
    assert not np.allclose(before[:, :, 310:], after[:, :, 310:])


@pytest.fixture
def folder(tmp_path, model, competition):
    """Two functions: the masks that `predict_folder` saves of two images, and those of `predict` and `restore`."""
    competition = competition.model_copy(update={"classes": competition.classes[:5]})
    recipe = recipe_with(infer__tta="flips")
    images = np.random.default_rng(0).integers(0, 256, (2, 40, 61, 3)).astype(np.uint8)
    pairs = [Pair(name, tmp_path / f"{name}.png", None, name) for name in "ab"]
    for pair, image in zip(pairs, images, strict=True):
        pair.image.write_bytes(encode_png(image))

    def masks(out, tta=None, size=None):
        submission = competition.submission.model_copy(update={"size": size})
        sized = competition.model_copy(update={"submission": submission})
        predict_folder(MaskOutput(Predictor([Member(model, recipe)], tta), sized, tmp_path / out), pairs)
        return [masks_in(tmp_path / out, sized)(name) for name in "ab"]

    def expected(tta, size):
        return [restore(predict(model, image, recipe, tta), size) for image in images]

    return masks, expected


def same(masks, others) -> bool:
    return all(np.array_equal(one, other) for one, other in zip(masks, others, strict=True))


@pytest.mark.parametrize("size", [None, (37, 90), (61, 40)])
def test_masks_have_the_size_that_the_competition_fixes(folder, size):
    masks, expected = folder
    found = masks("out", size=size)
    assert [mask.shape for mask in found] == [size or (40, 61)] * 2
    assert same(found, expected("flips", size or (40, 61)))


def test_the_recipe_names_the_orientations_unless_asked(folder):
    masks, expected = folder
    usual = masks("usual")
    assert same(usual, masks("flips", tta="flips"))
    for tta in ("none", "d4"):
        assert same(masks(tta, tta=tta), expected(tta, (40, 61)))
        assert not same(usual, masks(tta, tta=tta))
