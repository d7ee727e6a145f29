"""Scores worked out by hand, an example for each rule that trips people up."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import directed_hausdorff

from lib.competitions import Metric, load
from lib.rasters.instances import Instance
from lib.scoring import Tally, image_scores, score, take
from lib.scoring.hausdorff import normalised_distance
from lib.scoring.instances import overlaps
from tests.oracles import ious

SIZE = (10, 20)


def scored(name, *pairs, ids=None, **metric):
    competition = load(name)
    if metric:
        competition = competition.model_copy(update={"metric": Metric(**metric)})
    tally = Tally.of([take(one, other, competition, SIZE) for one, other in pairs], competition, ids)
    return score(tally, competition), image_scores(tally, competition)


def row(*values):
    """A label map of one row."""
    return np.array([values], np.uint8)


def thing(start, end, confidence=1.0, index=1):
    """An instance of one run."""
    return Instance(index, np.array([[start, end]]), confidence)


def test_salt():
    """IoU 8/10 exceeds .5 … .75, six of ten thresholds, and not .8."""
    truth, found = row(*[1] * 10), row(*[1] * 8, 0, 0)
    nothing = row(*[0] * 10)
    total, each = scored("tgs-salt", (truth, found), (nothing, nothing), (nothing, truth), (truth, nothing))
    assert each == [pytest.approx(0.6), 1, 0, 0]
    assert total.value == pytest.approx(0.4)
    assert total.baselines["empty"] == pytest.approx(0.5)
    assert scored("tgs-salt", (truth, found), measure="iou-sweep", pool="image", reaches=True)[0].value == 0.7


def test_ships():
    """One of two found with IoU .8: F2 = 5/(5 + 4) at six thresholds, 0 at four. Nothing where nothing is: 1."""
    half = ([thing(0, 10), thing(20, 30)], [thing(0, 8)])
    total, each = scored("airbus-ship", half, ([], []), ([], [thing(0, 5)]))
    assert each == [pytest.approx(0.6 * 5 / 9), 1, 0]
    assert total.value == pytest.approx((1 / 3 + 1) / 3)
    assert total.baselines == {"empty": pytest.approx(2 / 3)}


@pytest.mark.parametrize("name", ["dsb-2018", "sartorius"])
def test_nuclei_and_cells(name):
    """IoU .8 and .6, one false: 2/3 at two thresholds (.6 does not exceed .6), 1/4 at four, 0 at four."""
    truth = [thing(0, 10), thing(20, 30)]
    found = [thing(0, 8), thing(20, 26), thing(40, 50)]
    total, _ = scored(name, (truth, found))
    assert total.value == pytest.approx((2 * 2 / 3 + 4 * 1 / 4) / 10)


def test_buildings_as_polygons():
    """An IoU of 0.5 is enough; each building is found once; all images are counted together."""
    one = ([thing(0, 10), thing(20, 30)], [thing(0, 5, 0.5), thing(20, 30, 0.9), thing(19, 31, 0.95)])
    total, _ = scored("spacenet", one, ([thing(0, 5)], []))
    assert total.value == pytest.approx(2 * 2 / (3 + 3))


def test_the_more_confident_chooses_first():
    """It takes the better building for itself, and the other finds nothing, whatever the better pairing would be."""
    truth = [thing(0, 10), thing(10, 18)]
    total, _ = scored("spacenet", (truth, [thing(0, 18, 0.9), thing(0, 10, 0.8)]))
    assert total.value == pytest.approx(2 * 1 / 4)
    truth, found = [thing(0, 10), thing(2, 12)], [thing(0, 7, 0.8), thing(0, 11, 0.9)]
    total, _ = scored("spacenet", (truth, found))
    assert total.value == pytest.approx(2 * 1 / 4), "the less confident one, first, would leave the other its second"


# A hit, a false one, a hit, of two: precision 1 up to recall 1/2, then 2/3.
RANKING = ([thing(0, 10), thing(20, 30)], [thing(0, 10, 0.9), thing(50, 60, 0.8), thing(20, 30, 0.7)])


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ({"ranking": "openimages"}, 1 / 2 + 1 / 2 * 2 / 3),
        ({"ranking": "coco"}, (51 + 50 * 2 / 3) / 101),
    ],
)
def test_average_precision(metric, expected):
    rule = {"measure": "average-precision", "thresholds": (0.6,), "reaches": True, **metric}
    assert scored("hubmap-vasculature", RANKING, **rule)[0].value == pytest.approx(expected)
    assert scored("hubmap-vasculature", RANKING, **rule, pool="image")[0].value == pytest.approx(expected)


def test_rankings_differ_when_the_best_truth_is_taken():
    """The second overlaps the first truth most, too: false for OpenImages; COCO gives it the other (IoU 7/11)."""
    truth = [thing(0, 10), thing(4, 12)]
    found = [thing(0, 10, 0.9), thing(1, 11, 0.8)]
    rule = {"measure": "average-precision", "thresholds": (0.5,)}
    assert scored("hubmap-vasculature", (truth, found), **rule)[0].value == pytest.approx(1 / 2)
    assert scored("hubmap-vasculature", (truth, found), **rule, ranking="coco")[0].value == pytest.approx(1)


def test_classes_without_truth_are_left_out_of_a_mean_precision():
    truth, found = [thing(0, 10, index=3)], [thing(0, 10, 0.9, 3), thing(0, 10, 0.8, 5)]
    total, _ = scored("openimages-hpa", (truth, found))
    assert total.value == 1
    assert [name for name, value in total.per_class.items() if value is not None] == ["Nucleoli fibrillar center"]


def test_what_no_class_has_is_wrong_in_a_prediction_and_ignored_in_a_truth():
    """65 of the data fusion contest."""
    truth, found = row(0, 0, 0, 0, 1, 1, 255, 255), row(0, 0, 255, 255, 1, 1, 0, 255)
    total, _ = scored("dfc2019-track1", (truth, found))
    assert total.value == pytest.approx((2 / 4 + 2 / 2) / 2)


def test_steel_without_defects():
    """Four pairs an image; an empty file has 3 of 4, 4 of 4."""
    defect, nothing = row(0, 3, 3, 0), row(0, 0, 0, 0)
    total, each = scored("severstal", (defect, nothing), (nothing, nothing), (nothing, defect))
    assert each == [0.75, 1, 0.75]
    assert total.value == pytest.approx(10 / 12)
    assert list(total.per_class.values()) == pytest.approx([1, 1, 1 / 3, 1])
    assert total.baselines["empty"] == pytest.approx(11 / 12)


def test_an_empty_file_of_five_flood_masks():
    """47 of their 120 pairs have pixels: 73/120 = 0.608, without a single right pixel."""
    masks = [np.arange(1, 1 + count, dtype=np.uint8)[None] for count in (9, 9, 9, 10, 10)]
    total, _ = scored("centralesupelec-harvey", *[(mask, np.zeros_like(mask)) for mask in masks])
    assert total.value == total.baselines["empty"] == pytest.approx(0.608, abs=5e-4)


def test_contrails_are_one_count():
    total, _ = scored("google-contrails", (row(1, 1, 1, 1), row(1, 1, 0, 0)), (row(0, 0, 0, 0), row(1, 1, 0, 0)))
    assert total.value == pytest.approx(2 * 2 / (4 + 4))


def test_damage():
    """Localisation: 6 of 6 true and 7 predicted. Inside buildings: F1 1, 2/3, 1, 2/3."""
    truth = row(0, 0, 1, 2, 2, 3, 4, 4)
    found = row(0, 1, 1, 2, 0, 3, 4, 0)
    both = 2 * 4 / (6 + 5)
    harmonic = 4 / (1 + 3 / 2 + 1 + 3 / 2)
    total, each = scored("xview2", (truth, found))
    assert total.value == each[0] == pytest.approx(0.3 * both + 0.7 * harmonic)
    assert [part["weight"] for part in total.parts] == [0.3, 0.7]
    assert total.per_class["minor-damage"] == pytest.approx(2 / 3)
    missed = row(0, 1, 1, 2, 0, 3, 0, 0)
    assert scored("xview2", (truth, missed))[0].parts[1]["value"] == 0, "a class without a hit takes the mean down"


def test_organs():
    """Two slices of 3x6 have the diagonal 7. Bowel: voxels 3 apart. Stomach: as it is. The third class is nowhere."""
    first, second = np.zeros((3, 6), np.uint32), np.zeros((3, 6), np.uint32)
    first[0, 0] |= 1
    found_first, found_second = np.zeros_like(first), np.zeros_like(first)
    found_second[2, 2] |= 1
    first[1, 1] |= 4
    found_first[1, 1] |= 4
    pairs = (first, found_first), (second, found_second)
    ids = ["case1_day2_slice_0001", "case1_day2_slice_0002"]
    total, _ = scored("uw-madison-gi", *pairs, ids=ids)
    assert total.parts[0]["value"] == pytest.approx((0 + 0 + 1) / 3)
    assert total.parts[1]["value"] == pytest.approx((1 - 3 / 7 + 1) / 2)
    assert total.value == pytest.approx(0.4 / 3 + 0.6 * (11 / 14))
    assert total.groups == {"case1_day2": pytest.approx(total.value)}
    assert total.baselines == {"empty": 0}


def test_a_perfect_prediction_of_four_classes_scores_one():
    """Where class weights do not sum to one, others print 0.25."""
    truth = row(0, 1, 2, 3)
    assert scored("landcover-ai", (truth, truth))[0].value == 1


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 9), st.integers(1, 9))
def test_the_distance_is_scipys(seed, depth, height, width):
    rng = np.random.default_rng(seed)
    volumes = rng.random((2, depth, height, width)) < rng.choice([0.02, 0.2, 0.7])
    runs = [[np.stack([np.flatnonzero(part), np.flatnonzero(part) + 1], 1) for part in side] for side in volumes]
    found = normalised_distance(*runs, (height, width))
    points = [np.argwhere(side) for side in volumes]
    if not all(map(len, points)):
        assert np.isnan(found) if not any(map(len, points)) else found == 1
        return
    expected = max(directed_hausdorff(*points)[0], directed_hausdorff(*points[::-1])[0])
    assert found == pytest.approx(expected / np.linalg.norm(volumes.shape[1:]))


@given(st.integers(0, 2**32 - 1), st.tuples(st.booleans(), st.booleans()))
def test_overlaps_are_those_of_painted_masks(seed, apart):
    """Also where the instances of a side overlap among themselves."""
    rng = np.random.default_rng(seed)
    sides = []
    for disjoint in apart:
        cuts = np.unique(rng.integers(0, 200, rng.integers(0, 24)))
        runs = cuts[: len(cuts) // 2 * 2].reshape(-1, 2)
        count = int(rng.integers(1, 5))
        groups = [runs[start::count] for start in range(count)]
        grow = 0 if disjoint else 9
        sides.append([Instance(1, np.array([[a, min(b + grow, 200)]])) for group in groups for a, b in group[:3]])
    found = overlaps(*sides)
    table = np.zeros((len(sides[0]), len(sides[1])))
    table[found.truth, found.predicted] = found.iou
    assert np.array_equal(table, ious(*sides, SIZE))
