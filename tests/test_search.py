"""What the search counts is what whole masks count, and what it finds helps where there is something to find."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score

from lib.competitions import Pair, load
from lib.competitions.writing import write as write_competition
from lib.errors import UsageError
from lib.inference import probabilities, search
from lib.inference.areas import without_small
from lib.inference.components import AREAS
from lib.inference.counting import Item, counted, measured, sample
from lib.inference.decision import Decision
from lib.inference.restore import restore
from lib.inference.search import halved, tune
from lib.rasters import write_colours
from lib.rasters.bits import of_labels
from lib.rasters.masks import encode_png, write_labels
from lib.scoring import Tally, areas, score, take

COMPETITION = load("sample")


def land(seed: int, height: int = 90, width: int = 110) -> np.ndarray:
    """A truth of three classes in patches."""
    noise = np.random.default_rng(seed).random((3, 6, 7), np.float32)
    return np.stack([cv2.resize(plane, (width, height)) for plane in noise]).argmax(0).astype(np.uint8)


def item(folder, seed: int, shy: float = 1.0, dots: int = 0, shape=(90, 110)) -> Item:
    """An image whose model is `shy` of class 2, and sees `dots` of class 1 that are not there."""
    truth, rng = land(seed), np.random.default_rng(seed)
    p = np.full((6, *truth.shape), 0.02, np.float32)
    for label in range(3):
        p[label] += cv2.GaussianBlur((truth == label).astype(np.float32), (0, 0), 2) * (shy if label == 2 else 1.0)
    p += rng.random(p.shape, np.float32) * 0.02
    for y, x in zip(rng.integers(0, 88, dots), rng.integers(0, 108, dots), strict=True):
        p[1, y : y + 2, x : x + 2] = 3
    p = np.stack([cv2.resize(plane, shape[::-1], interpolation=cv2.INTER_AREA) for plane in p / p.sum(0)])
    paths = folder / f"{seed}.tif", folder / f"{seed}_mask.png"
    bands = [(0, torch.from_numpy(p[:, :50])), (50, torch.from_numpy(p[:, 50:]))]
    probabilities.write(paths[0], bands, shape, truth.shape, COMPETITION.names)
    write_colours(paths[1], truth, COMPETITION)
    return Item(Pair(str(seed), paths[0], paths[1], str(seed)), ((paths[0], 1.0),))


def test_what_is_measured_is_what_masks_count(tmp_path):
    """Minimum areas are added up from what each class's small components change: the whole masks say the same."""
    one = item(tmp_path, 3, dots=30, shape=(60, 70))
    bias, min_area = (1.0, 1.0, 1.6, 1.0, 1.0, 1.0), (8, 32, 128, 0, 0, 0)
    decision = Decision(bias, (0.5,) * 6, min_area)
    with probabilities.Stored(one.stored[0][0]) as stored:
        p = stored.read(0, 60)
    mask = restore(p * np.array(bias, np.float32)[:, None, None], (90, 110))
    cleaned = without_small(mask, min_area)
    assert not np.array_equal(mask, cleaned)
    counts, changes = measured(one, COMPETITION, decision)
    assert np.array_equal(counts, areas(land(3), cleaned, 6))
    plain = areas(land(3), mask, 6)
    for index in range(6):
        for place, least in enumerate(AREAS):
            alone = [least if each == index else 0 for each in range(6)]
            assert np.array_equal(plain + changes[index, place], areas(land(3), without_small(mask, alone), 6))


def test_a_sample_of_every_pixel_is_the_image(tmp_path):
    one = item(tmp_path, 1)
    p, truth = sample(one, COMPETITION, step=1)
    assert np.array_equal(truth, land(1).reshape(-1))
    assert np.array_equal(counted(p, truth, Decision.plain(6)), measured(one, COMPETITION, Decision.plain(6))[0])
    p3, truth3 = sample(one, COMPETITION, step=3)
    assert np.array_equal(p3, p.reshape(6, 90, 110)[:, ::3, ::3].reshape(6, -1))
    assert len(truth3) == 30 * 37


def test_a_shy_class_is_helped_and_the_score_is_sklearns(tmp_path):
    items = [item(tmp_path, seed, shy=0.45) for seed in range(6)]
    found = tune(items, COMPETITION)
    assert found.searched.bias[2] > 1.2
    assert found.fair > found.before + 0.01
    assert found.helps
    assert found.decision == found.searched
    truth, labels = [], []
    for one in items:
        with probabilities.Stored(one.stored[0][0]) as stored:
            p = stored.read(0, 90)
        mask = restore(p * np.array(found.decision.bias, np.float32)[:, None, None], (90, 110))
        truth.append(land(int(one.id)).reshape(-1))
        labels.append(without_small(mask, found.decision.min_area).reshape(-1))
    truth, labels = np.concatenate(truth), np.concatenate(labels)
    expected = f1_score(truth, labels, labels=np.unique([*truth, *labels]), average="macro")
    assert found.after == pytest.approx(expected, abs=1e-9)


def test_dots_that_are_not_there_are_given_up(tmp_path):
    found = tune([item(tmp_path, seed, dots=40) for seed in range(4)], COMPETITION)
    assert found.decision.min_area[1] >= 8
    assert found.fair > found.before


@pytest.mark.parametrize("name", ["xview2", "tgs-salt", "epfl-roads", "uw-madison-gi"])
def test_what_is_told_is_the_competitions_own_score(tmp_path, name):
    """Also where areas do not say it: buildings alone, shares of thresholds, patches, volumes."""
    competition = load(name)
    submission = competition.submission.model_copy(update={"size": None})
    competition = competition.model_copy(update={"submission": submission})
    items, counts, count = [], [], len(competition.classes)
    for seed in range(4):
        truth = land(seed, 60, 70) % count
        planes = [cv2.GaussianBlur((truth == label).astype(np.float32), (0, 0), 2) + 0.02 for label in range(count)]
        planes[min(count, 3) - 1] *= 0.3
        p = np.stack(planes)
        p = p if competition.multilabel else p / p.sum(0)
        image = f"case{seed // 2}_day1_slice_{seed}"
        mask = tmp_path / f"{image}_mask.png"
        write_labels(mask, truth, competition)
        if competition.multilabel:
            for label, word in enumerate(competition.names):
                mask = tmp_path / word / f"{image}.png"
                mask.parent.mkdir(exist_ok=True)
                mask.write_bytes(encode_png((truth == label).astype(np.uint8)))
        probabilities.write(
            tmp_path / f"{image}.tif", [(0, torch.from_numpy(p))], *[truth.shape] * 2, competition.names
        )
        items.append(Item(Pair(image, mask, mask, image[:5]), ((tmp_path / f"{image}.tif", 1.0),)))
        with probabilities.Stored(tmp_path / f"{image}.tif") as stored:
            p = stored.read(0, 60)
        found = sum((p[label] >= 0.5).astype(np.uint32) << label for label in range(count))
        sides = (of_labels(truth), found) if competition.multilabel else (truth, p.argmax(0).astype(np.uint8))
        counts.append(take(*sides, competition, truth.shape))
    found = tune(items, competition)
    own = score(Tally.of(counts, competition, [item.id for item in items]), competition)
    assert found.before == pytest.approx(own.value, abs=1e-12)
    assert found.helps
    assert found.after > found.before + 0.01


def test_halves_are_alike_and_keep_groups_together():
    assert halved(["a", "a", "a", "b", "c", "d", "e"]) == [True, True, True, False, False, False, True]
    assert halved(["a", "b", "c"]) == [True, False, True]
    assert halved(["a", "a", "a"]) == [True, False, True], "a group alone"


def test_where_there_is_nothing_to_find_nothing_is_changed(tmp_path):
    found = tune([item(tmp_path, seed) for seed in range(4)], COMPETITION)
    assert found.decision.is_plain
    alone = tune([item(tmp_path, 0, shy=0.3)], COMPETITION)
    assert alone.fair is None
    assert alone.decision.is_plain
    assert alone.after > alone.before


def test_thresholds_of_overlapping_classes():
    """Class 0 is sure from 0.3 on, class 1 from 0.7: the search finds both, to the grid."""
    p = np.random.default_rng(0).random((8, 2, 5000)).astype(np.float32)
    truth = (p[:, 0] >= 0.3).astype(np.uint32) | (p[:, 1] >= 0.7).astype(np.uint32) << 1

    def dice(counts):
        total = counts.sum(0)
        return float((2 * total[:, 0] / (total[:, 1] + total[:, 2])).mean())

    found = search.search(list(zip(p, truth, strict=True)), dice, Decision.plain(2, multilabel=True))
    assert found.threshold == (0.3, 0.7)
    counts = counted(p[0], truth[0], replace(found, threshold=(0.3, 0.9)))
    assert counts[0].tolist() == [np.count_nonzero(p[0, 0] >= 0.3)] * 3
    assert counts[1, 0] == counts[1, 2] == np.count_nonzero(p[0, 1] >= 0.9)


def test_nothing_to_search_on_is_refused():
    with pytest.raises(UsageError, match="nothing was held out"):
        tune([], COMPETITION)


def ships(folder, seed: int, dots: int) -> Item:
    """An image with two ships, and with false ones of a few pixels."""
    truth, rng = np.zeros((60, 80), np.uint8), np.random.default_rng(seed)
    truth[10:22, 8:30], truth[35:50, 40:52] = 1, 1
    sea = np.where(truth, 0.1, 0.9).astype(np.float32)
    for y, x in zip(rng.integers(0, 58, dots), rng.integers(54, 78, dots), strict=True):
        sea[y : y + 2, x : x + 2] = 0.1
    paths = folder / f"{seed}.tif", folder / f"{seed}_mask.png"
    bands = [(0, torch.from_numpy(np.stack([sea, 1 - sea])))]
    probabilities.write(paths[0], bands, (60, 80), (60, 80), ("background", "ship"))
    paths[1].write_bytes(encode_png(truth))
    return Item(Pair(str(seed), paths[0], paths[1], str(seed)), ((paths[0], 1.0),))


def test_minimum_areas_of_instances_are_searched_by_their_own_rule(tmp_path):
    """False ships of four pixels are few pixels, and each costs as much as a true one."""
    own = load("airbus-ship")
    competition = own.model_copy(update={"submission": own.submission.model_copy(update={"size": None})})
    items = [ships(tmp_path, seed, dots=3) for seed in range(4)]
    found = tune(items, competition)
    index = competition.sent[0]
    assert found.searched.min_area[index] in (8, 32, 128)
    assert (found.before < 0.9, found.after, found.fair) == (True, 1, 1)
    decided = found.decision
    truths = [cv2.imread(str(one.pair.mask), cv2.IMREAD_GRAYSCALE) for one in items]
    masks = [without_small(_mask(one), decided.min_area) for one in items]
    assert all(map(np.array_equal, masks, truths))


def _mask(one: Item) -> np.ndarray:
    with probabilities.Stored(one.stored[0][0]) as stored:
        return restore(stored.read(0, 60), (60, 80))


def test_scores_need_no_more_than_counts(tmp_path):
    one = item(tmp_path, 5)
    counts = measured(one, COMPETITION, Decision.plain(6))[0]
    assert tune([one], COMPETITION).before == score(counts[None], COMPETITION).value


@pytest.mark.parametrize("name", ["sample", "dubai", "deepglobe", "uw-madison-gi", "spacenet"])
def test_a_competition_written_loads_as_itself(tmp_path, name):
    competition = load(name)
    write_competition(tmp_path / "again.toml", competition, "About it.\nTwo lines.")
    again = load(tmp_path / "again.toml")
    assert json.loads(again.model_dump_json()) == json.loads(competition.model_dump_json())
