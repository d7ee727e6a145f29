"""Scaled views come back at the size that they had, whatever it is; members of other working sizes see the same."""

import cv2
import numpy as np
import pytest
import torch
import ttach
from hypothesis import given
from hypothesis import strategies as st

from lib.errors import UsageError
from lib.inference.predictor import Member, Predictor
from lib.inference.tta import scales_named, views
from lib.rasters.reader import Pixels
from lib.recipe import resolve
from tests.inferring import Pointwise, picture, predict, predictor, recipe_with, tiny, whole


@given(st.integers(1, 120), st.integers(1, 120), st.floats(0.2, 2.5), st.sampled_from(["none", "flips", "d4"]))
def test_constant_maps_come_back_constant_at_their_own_size(height, width, scale, tta):
    images = torch.full((1, 3, height, width), 77, dtype=torch.uint8)
    for view in views(tta, (scale,)):
        seen = view.apply(images)
        high, wide = max(1, round(height * scale)), max(1, round(width * scale))
        assert view.size((height, width)) == seen.shape[-2:]
        assert sorted(seen.shape[-2:]) == sorted((high, wide))
        assert torch.allclose(seen.float(), torch.tensor(77.0), atol=1e-3)
        back = view.undo(torch.full((2, 4, *seen.shape[-2:]), 0.3), (height, width))
        assert back.shape == (2, 4, height, width)
        assert torch.allclose(back, torch.tensor(0.3), atol=1e-6)


def test_a_factor_that_the_size_is_no_multiple_of():
    """ttach's Scale gives another size back; here the picture survives the way there and back."""
    image = torch.from_numpy(cv2.GaussianBlur(picture(301, 509), (0, 0), 6)).permute(2, 0, 1)[None].float()
    peer = ttach.Scale([0.75])
    assert peer.apply_deaug_mask(peer.apply_aug_image(image, scale=0.75), scale=0.75).shape[-2:] != (301, 509)
    for view in views("d4", (0.75, 1.3)):
        assert (view.undo(view.apply(image), (301, 509)) - image).abs().mean() < 1


def test_orientations_are_ttachs():
    model = tiny()
    image = picture(60, 60)
    peer = ttach.SegmentationTTAWrapper(model, ttach.aliases.d4_transform(), merge_mode="mean")
    pixels = torch.from_numpy(image).permute(2, 0, 1)[None].float()

    class Probabilities(torch.nn.Module):
        def forward(self, images):
            return model(images).softmax(1)

    peer.model = Probabilities()
    with torch.inference_mode():
        assert np.allclose(predict(model, image, recipe_with(), "d4"), peer(pixels)[0], atol=1e-5)


def test_scales_are_averaged_as_probabilities():
    model, image = tiny(), picture(50, 61)
    pixels = torch.from_numpy(image).permute(2, 0, 1)[None]
    with torch.inference_mode():
        each = [v.undo(model(v.apply(pixels)).softmax(1), (50, 61))[0] for v in views("none", (0.6, 1.0, 1.4))]
    found = whole(predictor(model, infer__scales="0.6, 1, 1.4"), Pixels(image))
    assert np.allclose(found, sum(each) / 3, atol=1e-5)
    assert not np.allclose(found, each[1], atol=1e-3)


def test_a_recipe_may_name_scales():
    assert recipe_with(infer__scales="0.75,1").infer.scales == (0.75, 1.0)
    assert recipe_with(infer__scales=2).infer.scales == (2.0,)
    with pytest.raises(UsageError, match=r"infer\.scales"):
        resolve([("--set", {"infer.scales": [0]})])
    assert scales_named("0.75,1,1.25") == (0.75, 1.0, 1.25)
    for wrong in ("", "a", "1,0", "9"):
        with pytest.raises(UsageError, match="numbers above 0"):
            scales_named(wrong)


def test_members_are_averaged_by_their_weights():
    image = picture(90, 130)
    one, other = Pointwise(seed=1), Pointwise(seed=2)
    recipe = recipe_with()
    both = whole(Predictor([Member(one, recipe), Member(other, recipe, 3.0)]), Pixels(image))
    alone = [predict(model, image, recipe, "none") for model in (one, other)]
    assert np.allclose(both, (alone[0] + 3 * alone[1]) / 4, atol=1e-5)


def test_a_member_of_another_working_size_sees_the_windows_at_its_own():
    """The common size is the larger one, and a window covers what the widest member's window does."""

    class Seen(Pointwise):
        shapes: set

        def forward(self, images):
            self.shapes = {*getattr(self, "shapes", ()), tuple(images.shape[-2:])}
            return super().forward(images)

    fine, coarse = Seen(), Seen()
    together = Predictor([Member(fine, recipe_with()), Member(coarse, recipe_with(data__scale=0.5))])
    assert (together.scale, together.window) == (1.0, 128)
    probabilities = whole(together, Pixels(picture(200, 200)))
    assert probabilities.shape[1:] == (200, 200)
    assert (fine.shapes, coarse.shapes) == ({(128, 128)}, {(64, 64)})


def test_overlapping_classes_are_decided_one_by_one():
    image, model = picture(40, 50), tiny()
    with torch.inference_mode():
        expected = model(torch.from_numpy(image).permute(2, 0, 1)[None])[0].sigmoid()
    assert np.allclose(predict(model, image, recipe_with(), "none", multilabel=True), expected, atol=1e-6)
