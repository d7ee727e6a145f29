"""Blending: the mean of stored probabilities, and masks that are kept while nothing of what makes them changes."""

import os
import shutil

import numpy as np
import pytest
import torch

from lib.competitions import load
from lib.errors import DataError, UsageError
from lib.inference.blend import blend_folders
from lib.inference.decision import Decision
from lib.inference.ensemble import Weighted
from lib.inference.folder import predict_folder
from lib.inference.output import ProbabilityOutput
from lib.inference.probabilities import Stored
from lib.rasters import masks_in
from tests.inferring import Pointwise, pictures, predictor

COMPETITION = load("sample")


@pytest.fixture
def stored(tmp_path):
    """Probabilities of two models at two working sizes, in folders p and q."""
    tellers = {"p": predictor(Pointwise(6)), "q": predictor(Pointwise(6, seed=2), data__scale=0.5)}
    for name, teller in tellers.items():
        predict_folder(ProbabilityOutput(teller, COMPETITION, tmp_path / name), pictures(tmp_path / "images"))


def test_blending_is_averaging_probabilities(stored, tmp_path):
    """Also where the working sizes differ; the smaller are then enlarged as torch does it."""
    members = [Weighted(tmp_path / "p"), Weighted(tmp_path / "q", 2.0)]
    assert blend_folders(members, COMPETITION, tmp_path / "out").made == list("abcd")
    for image in "abcd":
        with Stored(tmp_path / "p" / f"{image}.tif") as one, Stored(tmp_path / "q" / f"{image}.tif") as other:
            first, second = (torch.from_numpy(each.read(0, each.shape[0])) for each in (one, other))
        second = torch.nn.functional.interpolate(second[None], first.shape[1:], mode="bilinear")[0]
        mean = (first + 2 * second) / 3
        lead = mean.topk(2, dim=0).values
        clear = (lead[0] - lead[1] > 1e-5).numpy()
        found = masks_in(tmp_path / "out", COMPETITION)(image)
        assert np.array_equal(found[clear], mean.argmax(0).numpy()[clear])
    (tmp_path / "q" / "c.tif").unlink()
    with pytest.raises(UsageError, match="lacks 1 images"):
        blend_folders(members, COMPETITION, tmp_path / "out")
    shutil.copyfile(tmp_path / "p" / "c.tif", tmp_path / "q" / "c.tif")
    with pytest.raises(DataError, match="holds urban"):
        blend_folders(members, load("dubai"), tmp_path / "other")


@pytest.mark.parametrize(
    ("change", "again"),
    [
        ("nothing", "cd"),
        ("a file", "acd"),
        ("a weight", "abcd"),
        ("another member", "abcd"),
        ("the decision", "abcd"),
        ("a mask is gone", "acd"),
    ],
)
def test_a_blend_that_was_broken_off_goes_on(stored, tmp_path, change, again):
    out, members, decision = tmp_path / "out", [Weighted(tmp_path / "p"), Weighted(tmp_path / "q", 2.0)], None

    def broken(images, words):
        yield from images[:2]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        blend_folders(members, COMPETITION, out, decision, broken)
    assert {path.name for path in out.glob("*.png")} == {"a.png", "b.png"}
    match change:
        case "a file":
            os.utime(tmp_path / "q" / "a.tif", ns=(1, 1))
        case "a weight":
            members[1] = Weighted(tmp_path / "q", 3.0)
        case "another member":
            shutil.copytree(tmp_path / "q", tmp_path / "r")
            members[1] = Weighted(tmp_path / "r", 2.0)
        case "the decision":
            decision = Decision((2.0, *(1.0,) * 5), (0.5,) * 6, (0,) * 6)
        case "a mask is gone":
            (out / "a.png").unlink()
    outcome = blend_folders(members, COMPETITION, out, decision)
    assert "".join(outcome.made) == again
    assert sorted([*outcome.made, *outcome.kept]) == list("abcd")
    once, fresh = masks_in(out, COMPETITION), tmp_path / "fresh"
    blend_folders(members, COMPETITION, fresh, decision)
    assert all(np.array_equal(once(image), masks_in(fresh, COMPETITION)(image)) for image in "abcd")


def test_what_a_blend_is_made_of_is_not_overwritten(stored, tmp_path):
    before = (tmp_path / "p" / "a.tif").read_bytes()
    with pytest.raises(UsageError, match="holds probabilities"):
        blend_folders([Weighted(tmp_path / "p")], COMPETITION, tmp_path / "images" / ".." / "p")
    assert (tmp_path / "p" / "a.tif").read_bytes() == before
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.png").write_text("mine")
    with pytest.raises(UsageError, match="nothing says that this kit wrote them"):
        blend_folders([Weighted(tmp_path / "p")], COMPETITION, tmp_path / "mine")
    assert (tmp_path / "mine" / "a.png").read_text() == "mine"
