"""A set of images: what failed is told and costs nothing else, what is made is kept, and only where it is the same."""

import json
import signal

import cv2
import numpy as np
import pytest
import torch

from lib.competitions import Pair, load
from lib.errors import Failed, UsageError
from lib.inference import restore
from lib.inference.decision import Decision
from lib.inference.ensemble import Weighted, weighted
from lib.inference.ensemble import load as load_ensemble
from lib.inference.folder import predict_folder
from lib.inference.output import MaskOutput, ProbabilityOutput
from lib.inference.probabilities import Stored, as_bytes
from lib.models import build, checkpoint
from lib.rasters import encode_png, masks_in
from lib.rasters.reader import Pixels
from lib.recipe import resolve
from tests.inferring import Pointwise, picture, pictures, predictor, whole

COMPETITION = load("sample")


class Counting(Pointwise):
    """Says how many windows it has seen."""

    seen = 0

    def forward(self, images):
        self.seen += len(images)
        return super().forward(images)


@pytest.fixture
def pairs(tmp_path) -> list[Pair]:
    return pictures(tmp_path / "images")


def masks(folder) -> set[str]:
    return {path.stem for path in folder.glob("*.png")}


def test_an_image_that_fails_is_told_and_costs_no_other(pairs, tmp_path):
    whole_b = pairs[1].image.read_bytes()
    pairs[1].image.write_bytes(whole_b[:200])
    pairs[3].image.unlink()
    model, out = Counting(6), tmp_path / "out"
    outcome = predict_folder(MaskOutput(predictor(model), COMPETITION, out), pairs)
    assert masks(out) == {"a", "c"} == set(outcome.made)
    assert "cut short" in outcome.failed["b"]
    assert "d.png" in outcome.failed["d"]
    with pytest.raises(Failed, match="2 of 4 images failed"):
        outcome.must_be_whole()
    pairs[1].image.write_bytes(whole_b)
    before = model.seen
    outcome = predict_folder(MaskOutput(predictor(model), COMPETITION, out), pairs[:3])
    assert (outcome.kept, outcome.made, outcome.failed) == (["a", "c"], ["b"], {})
    assert model.seen == before + 1
    outcome.must_be_whole()


def test_a_model_that_fails_on_one_image_costs_no_other(pairs, tmp_path):
    class Moody(Counting):
        def forward(self, images):
            if self.seen == 1:
                self.seen += 1
                raise RuntimeError("out of memory")
            return super().forward(images)

    outcome = predict_folder(MaskOutput(predictor(Moody(6)), COMPETITION, tmp_path / "out"), pairs)
    assert outcome.failed == {"b": "RuntimeError: out of memory"}
    assert masks(tmp_path / "out") == set("acd")


@pytest.mark.parametrize(
    ("change", "again"),
    [
        ("nothing", ""),
        ("an image", "c"),
        ("a mask is gone", "b"),
        ("the members", "abcd"),
        ("the orientations", "abcd"),
        ("the decision", "abcd"),
        ("the size", "abcd"),
    ],
)
def test_only_what_the_very_same_made_is_kept(pairs, tmp_path, change, again):
    out, members, tta, decision, competition = tmp_path / "out", ["x"], "none", None, COMPETITION

    def go(model):
        output = MaskOutput(predictor(model, infer__tta=tta), competition, out, decision)
        return predict_folder(output, pairs, {"members": members})

    go(Pointwise(6))
    match change:
        case "an image":
            pairs[2].image.write_bytes(encode_png(picture(40, 52, seed=9)))
        case "a mask is gone":
            (out / "b.png").unlink()
        case "the members":
            members = ["y"]
        case "the orientations":
            tta = "flips"
        case "the decision":
            decision = Decision((2.0, *(1.0,) * 5), (0.5,) * 6, (0,) * 6)
        case "the size":
            submission = competition.submission.model_copy(update={"size": (20, 20)})
            competition = competition.model_copy(update={"submission": submission})
    outcome = go(Pointwise(6))
    assert "".join(outcome.made) == again
    assert sorted([*outcome.made, *outcome.kept]) == list("abcd")
    assert json.loads((out / "predictions.json").read_text())["images"] == list("abcd")


def test_ctrl_c_leaves_what_is_done_and_the_next_call_makes_the_rest(pairs, tmp_path):
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell ignores Ctrl-C

    class Interrupted(Counting):
        def forward(self, images):
            if self.seen == 2:
                signal.raise_signal(signal.SIGINT)
            return super().forward(images)

    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        predict_folder(MaskOutput(predictor(Interrupted(6)), COMPETITION, out), pairs)
    assert masks(out) == {"a", "b"}
    outcome = predict_folder(MaskOutput(predictor(Pointwise(6)), COMPETITION, out), pairs)
    assert (outcome.kept, outcome.made) == (["a", "b"], ["c", "d"])


def test_images_that_are_no_more_asked_for_leave_and_strangers_are_left_alone(pairs, tmp_path):
    out = tmp_path / "out"
    predict_folder(MaskOutput(predictor(Pointwise(6)), COMPETITION, out), pairs)
    predict_folder(MaskOutput(predictor(Pointwise(6)), COMPETITION, out), pairs[2:])
    assert masks(out) == {"c", "d"}
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.png").write_text("mine")
    with pytest.raises(UsageError, match="nothing says that this kit wrote them"):
        predict_folder(MaskOutput(predictor(Pointwise(6)), COMPETITION, tmp_path / "mine"), pairs)
    assert (tmp_path / "mine" / "a.png").read_text() == "mine"


def test_probabilities_on_disk_are_a_510th_away_at_most(pairs, tmp_path):
    teller = predictor(Pointwise(6), data__scale=0.7)
    predict_folder(ProbabilityOutput(teller, COMPETITION, tmp_path / "p"), pairs)
    for pair in pairs:
        with Stored(tmp_path / "p" / f"{pair.id}.tif") as stored:
            image = picture(40, 50 + "abcd".index(pair.id), seed="abcd".index(pair.id))
            small = cv2.resize(image, stored.shape[::-1], interpolation=cv2.INTER_AREA)
            expected = whole(teller, Pixels(small))
            assert (stored.size, stored.names) == (image.shape[:2], COMPETITION.names)
            assert abs(stored.read(0, stored.shape[0]) - expected).max() <= 1 / 510 + 1e-6
    assert as_bytes(torch.tensor([0.0, 0.5, 1.0])).tolist() == [0, 128, 255]


def test_members_must_be_of_one_competition(tmp_path):
    small = {"model.encoder": "mobilenetv3_small_050", "model.decoder_channels": [16, 16, 8, 8, 8]}
    recipe, _ = resolve([("test", small | {"model.weights": "none"})])
    other = COMPETITION.model_copy(update={"name": "other"})
    for name, competition in (("one", COMPETITION), ("two", COMPETITION), ("three", other)):
        checkpoint.save(tmp_path / name, build(recipe.model, 6), competition, recipe, 0.5, 1)
    chosen = [Weighted(tmp_path / "one"), Weighted(tmp_path / "two", 0.5)]
    ensemble = load_ensemble(chosen)
    assert (ensemble.weights, ensemble.competition.name) == ((1.0, 0.5), "sample")
    assert len(ensemble.predictor("none").members) == 2
    with pytest.raises(UsageError, match="trained for 'other'"):
        load_ensemble([*chosen, Weighted(tmp_path / "three")])


def test_a_weight_behind_a_name():
    assert weighted("run") == ("run", 1.0)
    assert weighted("a=b/run=0.5") == ("a=b/run", 0.5)
    assert weighted("a=b/run") == ("a=b/run", 1.0)
    with pytest.raises(UsageError, match="above 0"):
        weighted("run=0")


def test_masks_are_restored_probabilities(pairs, tmp_path):
    teller = predictor(Pointwise(6), data__scale=2.0, infer__window=40)
    predict_folder(MaskOutput(teller, COMPETITION, tmp_path / "out"), pairs[:1])
    large = cv2.resize(picture(40, 50), (100, 80), interpolation=cv2.INTER_LINEAR)
    assert np.array_equal(masks_in(tmp_path / "out", COMPETITION)("a"), restore(whole(teller, Pixels(large)), (40, 50)))
