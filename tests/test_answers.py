"""Probabilities of several views, added up strip by strip: those of softmax over whole arrays, then the mean."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.inference import answers
from lib.inference.answers import Mean
from lib.inference.tta import ORIENTATIONS, View, scaled

SIDES = st.integers(1, 90)


@given(st.integers(1, 3), st.integers(1, 6), SIDES, SIDES, st.sampled_from([1.0, 0.7, 1.3]), st.booleans())
@settings(deadline=None)
def test_the_mean_of_all_views_of_any_size_and_layout(count, classes, height, width, scale, multilabel):
    """Channels last, as networks answer, and class by class."""
    torch.manual_seed(classes)
    views = [View(turn, seen) for seen in {1.0, scale} for turn in ORIENTATIONS["d4"]]
    shapes = [view.turn.apply(torch.empty(1, 1, *scaled((height, width), view.scale))).shape[-2:] for view in views]
    logits = [torch.randn(count, classes, *shape) * 9 for shape in shapes]
    found = [each.sigmoid() if multilabel else each.softmax(1) for each in logits]
    backs = [view.undo(each, (height, width)) for view, each in zip(views, found, strict=True)]
    for layout in (torch.channels_last, torch.contiguous_format):
        mean = Mean((height, width), multilabel)
        for view, each in zip(views, logits, strict=True):
            mean.add(each.clone(memory_format=layout), view, 1 / len(views))
        assert mean.maps.is_contiguous()
        assert torch.allclose(mean.maps, sum(backs) / len(views), atol=1e-6)


@pytest.mark.parametrize("strip", [1, 7 * 31, 1 << 20])
def test_strips_of_any_height_change_nothing(monkeypatch, strip):
    monkeypatch.setattr(answers, "STRIP", strip)
    logits = torch.randn(2, 5, 40, 31).contiguous(memory_format=torch.channels_last)
    mean = Mean((40, 31))
    mean.add(logits.clone(memory_format=torch.channels_last), View(ORIENTATIONS["none"][0]), 1)
    assert torch.allclose(mean.maps, logits.softmax(1), atol=1e-6)


@given(SIDES, SIDES)
def test_a_turned_view_is_seen_back_without_a_copy(height, width):
    images = torch.rand(2, 3, height, width)
    for turn in ORIENTATIONS["d4"]:
        turned = turn.apply(images)
        pixels = turned.permute(0, 2, 3, 1).numpy()
        back = turn.seen_back(pixels)
        assert np.shares_memory(back, pixels)
        assert np.array_equal(back, images.permute(0, 2, 3, 1).numpy())
