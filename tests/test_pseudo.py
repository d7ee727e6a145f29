"""Pseudo-labels: sure pixels have their class, the others are ignored, and launch.py takes the set as it is."""

import cv2
import numpy as np
import pytest
import torch

from lib.competitions import IGNORE, Pair, find_pairs, load
from lib.data.checks import check
from lib.data.reading import Reading
from lib.errors import DataError, UsageError
from lib.inference.pseudo import write_set
from lib.rasters import encode_png, read_image, read_labels
from lib.rasters.radiometry import IMAGENET
from lib.rasters.reader import Pixels
from tests.inferring import Pointwise, picture, predictor, whole

COMPETITION = load("sample")


class Bright(torch.nn.Module):
    """Sure of class 4 where the picture is white, of class 1 where it is black, and of nothing between."""

    def __init__(self):
        super().__init__()
        self.unused = torch.nn.Parameter(torch.zeros(1))

    def forward(self, images):
        grey = images.float().mean(1) / 255
        logits = torch.zeros(len(images), 6, *images.shape[-2:])
        logits[:, 4], logits[:, 1] = (grey - 0.5) * 20, (0.5 - grey) * 20
        return logits


@pytest.fixture
def pairs(tmp_path) -> list[Pair]:
    made = []
    for name, share in (("a", 0.9), ("b.5", 0.5), ("c", 0.1)):
        image = np.full((40, 60, 3), 128, np.uint8)
        image[:, : round(60 * share)] = 255
        image[:20, : round(60 * share)] = 0
        path = tmp_path / "images" / f"{name}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(encode_png(image))
        made.append(Pair(name, path, None, name))
    return made


def test_a_set_that_trains(pairs, tmp_path):
    out = tmp_path / "pseudo"
    made, outcome = write_set(predictor(Bright()), COMPETITION, pairs, out, confidence=0.9, share=0.3)
    assert (made.images, made.left_out) == (("a", "b.5"), ("c",))
    assert made.confident == pytest.approx((0.9 + 0.5) / 2)
    assert made.shares == pytest.approx({name: 0.5 if name in ("agriculture", "water") else 0 for name in made.shares})
    assert outcome.made == ["a", "b.5", "c"]
    competition = load(out / "sample.toml")
    assert (competition.name, competition.names) == (COMPETITION.name, COMPETITION.names)
    assert competition.recipe == COMPETITION.recipe
    found = find_pairs(competition.data.train, out)
    assert [pair.id for pair in found] == ["a", "b.5"]
    assert check(found, Reading(competition, IMAGENET), (1.0,)) == 0
    for pair, columns in zip(found, (54, 30), strict=True):
        labels = read_labels(pair.mask, competition)
        assert (labels[:20, :columns] == 1).all()
        assert (labels[20:, :columns] == 4).all()
        assert (labels[:, columns:] == IGNORE).all()
        assert np.array_equal(read_image(pair.image), read_image(tmp_path / "images" / f"{pair.id}.png"))


def test_a_pixel_is_sure_when_its_restored_probability_reaches_the_confidence(tmp_path):
    image = picture(50, 70)
    (tmp_path / "a.png").write_bytes(encode_png(image))
    teller = predictor(Pointwise(6), data__scale=2.0, infer__window=256)
    pairs = [Pair("a", tmp_path / "a.png", None, "a")]
    write_set(teller, COMPETITION, pairs, tmp_path / "out", confidence=0.4, share=0.01)
    labels = read_labels(tmp_path / "out" / "masks" / "a.png", load(tmp_path / "out" / "sample.toml"))
    p = whole(teller, Pixels(cv2.resize(image, (140, 100), interpolation=cv2.INTER_LINEAR)))
    planes = torch.nn.functional.interpolate(torch.from_numpy(p)[None].double(), (50, 70), mode="bilinear")[0]
    best = planes.topk(2, dim=0)
    clear = ((best.values[0] - best.values[1] > 1e-5) & (abs(best.values[0] - 0.4) > 1e-5)).numpy()
    expected = np.where(best.values[0] >= 0.4, best.indices[0], IGNORE)
    assert 0.05 < (expected == IGNORE).mean() < 0.95
    assert np.array_equal(labels[clear], expected[clear])


def test_the_same_again_with_another_share_predicts_nothing_twice(pairs, tmp_path):
    out = tmp_path / "pseudo"
    write_set(predictor(Bright()), COMPETITION, pairs, out, share=0.3)
    made, outcome = write_set(predictor(Bright()), COMPETITION, pairs, out, share=0.7)
    assert outcome.kept == ["a", "b.5", "c"]
    assert made.images == ("a",)
    assert [path.name for path in sorted((out / "masks").iterdir())] == ["a.png"]
    with pytest.raises(DataError, match="no image has 95%"):
        write_set(predictor(Bright()), COMPETITION, pairs, out, share=0.95)


def test_a_folder_of_other_images_is_left_alone(pairs, tmp_path):
    with pytest.raises(UsageError, match="no pseudo-labels"):
        write_set(predictor(Bright()), COMPETITION, pairs, tmp_path)
    overlapping = COMPETITION.submission.model_copy(update={"overlap": True})
    with pytest.raises(UsageError, match="overlap"):
        write_set(
            predictor(Bright()), COMPETITION.model_copy(update={"submission": overlapping}), pairs, tmp_path / "out"
        )
