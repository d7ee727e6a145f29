"""Training and validation by lists, groups, blocks with a margin, class content, folds; never by a listing's order."""

import itertools
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from lib.competitions import Pair, load
from lib.competitions.schema import Lists
from lib.data import blocks, portions, tiles
from lib.data.lists import numbered, pair_named
from lib.data.splits import Division, divide, split
from lib.data.stratify import missing, stratify
from lib.errors import DataError, UsageError
from lib.recipe import Recipe, resolve

ROOT = Path("/data")
SAMPLE = load("sample")
identities = st.lists(st.text("abcdef", min_size=1, max_size=4), min_size=2, max_size=40, unique=True)


def pair(name: str, group: str | None = None, mask: str | None = None) -> Pair:
    return Pair(name, ROOT / f"{name}.tif", ROOT / (mask or f"{name}_mask.tif"), group or name)


def recipe_of(**keys) -> Recipe:
    seed = keys.pop("seed", 0)
    return resolve([("test", {"train.seed": seed} | {f"data.{key}": value for key, value in keys.items()})])[0]


def divided(pairs, shapes=(100, 100), competition=SAMPLE, root=ROOT, counts_of=None, **keys) -> Division:
    """`shapes`: one of all images, or by id; `keys`: the recipe's `data.…`, and the seed."""

    def shape_of(pair: Pair) -> tuple[int, int]:
        return shapes[pair.id] if isinstance(shapes, dict) else shapes

    return divide(pairs, competition, recipe_of(**keys), root, shape_of, counts_of)


def ids(pairs) -> list[str]:
    return [pair.id for pair in pairs]


def touches(one, other, margin=0) -> bool:
    """Whether windows are nearer than `margin` pixels along both axes; with 0, whether they overlap."""
    rows = max(one[0] - other[1], other[0] - one[1])
    columns = max(one[2] - other[3], other[2] - one[3])
    return rows < margin and columns < margin


# by group


@given(identities, st.randoms())
def test_a_split_depends_on_names_alone(names, shuffler):
    pairs = [pair(name) for name in sorted(names)]
    mixed = shuffler.sample(pairs, len(pairs))
    training, held_out = split(pairs, 0.2, seed=0)
    assert split(mixed, 0.2, seed=0) == (training, held_out)
    assert training
    assert held_out
    assert sorted(ids(training + held_out)) == sorted(names)


def test_groups_stay_whole_and_the_share_is_near():
    pairs = [pair(f"{tile}{part}", tile) for tile in "abcdef" for part in "123456789"]
    training, held_out = split(pairs, 0.2, seed=0)
    assert len(held_out) == 9
    assert not {pair.group for pair in training} & {pair.group for pair in held_out}
    assert {split(pairs, 0.2, seed)[1][0].group for seed in range(20)} > {held_out[0].group}


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5, 0.9])
def test_the_share_of_single_images_is_exact(share):
    training, held_out = split([pair(str(number)) for number in range(40)], share, seed=3)
    assert (len(training), len(held_out)) == (40 - round(share * 40), round(share * 40))


def test_a_split_stays_what_it_was():
    """Runs keep their validation images: the sample's are these for as long as the kit lives."""
    pairs = [pair(str(1000 + number)) for number in range(48)]
    expected = ["1001", "1011", "1016", "1017", "1020", "1023", "1029", "1033", "1044", "1045"]
    assert ids(split(pairs, 0.2, 0)[1]) == expected
    assert ids(divided(pairs).held_out) == expected


def test_one_group_cannot_be_split():
    with pytest.raises(DataError, match=r"2 image.s. in one group cannot be split into training and validation"):
        split([pair("a", "x"), pair("b", "x")], 0.2, seed=0)
    with pytest.raises(DataError, match="in 3 groups cannot be split into 4 folds"):
        divided([pair(name) for name in "abc"], folds=4)


# folds


@given(st.dictionaries(st.text("abcd", min_size=1, max_size=3), st.integers(1, 9), min_size=2), st.integers(2, 6))
def test_folds_hold_everything_out_once_and_are_balanced(weights, count):
    found = portions.folds(weights, count, seed=1)
    sums = [sum(weights[name] for name in weights if found[name] == fold) for fold in range(count)]
    assert set(found) == set(weights)
    assert max(sums) - min(sums) <= max(weights.values())
    assert min(sums) > 0 or len(weights) < count
    assert found == portions.folds(dict(sorted(weights.items(), reverse=True)), count, seed=1)


@pytest.mark.parametrize("way", ["group", "block", "stratified"])
def test_each_fold_of_each_way_is_held_out_once(way):
    pairs = [pair(f"{place}{date}", place) for place in "abcdefg" for date in "12"]
    shapes = {one.id: (300 + 7 * number, 211) for number, one in enumerate(pairs)}
    amounts = {one.id: np.random.default_rng(number).integers(0, 99, 6) for number, one in enumerate(pairs)}
    keys = {"split": way, "crop": 32, "block": 64, "margin": 5}
    held_out = []
    for fold in range(3):
        found = divided(pairs, shapes, counts_of=lambda one: amounts[one.id], folds=3, fold=fold, **keys)
        assert found.how.startswith(f"fold {fold} of 3 by ")
        assert not {p.id for p in found.training} & {p.id for p in found.held_out}
        held_out += found.held_out
    assert len(set(ids(held_out))) == len(held_out)
    seen = {one.id: np.zeros(shapes[one.id], int) for one in pairs}
    for one in held_out:
        top, bottom, left, right = one.window or (0, 10**6, 0, 10**6)
        seen[tiles.image_of(one)][top:bottom, left:right] += 1
    assert all((times == 1).all() for times in seen.values())


# official lists


@pytest.fixture
def listed(tmp_path):
    """LandCover.ai in small: two images, tiles of 16, lists of them."""
    pairs = [
        Pair(name, tmp_path / "images" / f"{name}.tif", tmp_path / f"{name}_m.tif", name) for name in ("N-1", "N-2")
    ]
    shapes = {"N-1": (40, 50), "N-2": (32, 35)}  # 3 x 4 and 2 x 3 tiles, of which 2 x 3 and 2 x 2 are complete
    lists = Lists(train="train.txt", validation="val.txt", test="test.txt", tile=16)
    competition = SAMPLE.model_copy(update={"data": SAMPLE.data.model_copy(update={"lists": lists})})

    def write(train="N-1_0\nN-1_1\n\nN-2_4\n", val="N-1_6.jpg\r\n", test="N-2_0\n"):
        for name, text in (("train.txt", train), ("val.txt", val), ("test.txt", test)):
            (tmp_path / name).write_text(text)
        return pairs, shapes, competition, tmp_path

    return write


def test_official_tiles_are_those_of_landcover_ais_script(listed):
    found = divided(*listed())
    assert [(p.id, p.window) for p in found.training] == [
        ("N-1_0", (0, 16, 0, 16)),
        ("N-1_1", (0, 16, 16, 32)),
        ("N-2_4", (16, 32, 16, 32)),
    ]
    assert [(p.id, p.window, p.group) for p in found.held_out] == [("N-1_6", (16, 32, 32, 48), "N-1")]
    assert "3 training and 1 held-out tiles of 16; 1 in test.txt, left out; 5 in no list, left out" in found.how


@given(st.integers(16, 90), st.integers(16, 90), st.integers(16, 40))
def test_tile_numbers_count_the_incomplete_ones_too(height, width, side):
    """As the data set's split.py does: k grows with every tile of the grid, files are written of whole ones."""
    expected, k = {}, 0
    for y in range(0, height, side):
        for x in range(0, width, side):
            if y + side <= height and x + side <= width:
                expected[f"a_{k}"] = (y, y + side, x, x + side)
            k += 1
    assert {p.id: p.window for p in numbered(pair("a"), side, (height, width))} == expected


@pytest.mark.parametrize(
    ("lists", "said"),
    [
        ({"train": "N-1_0\nN-9_0\n"}, r"train.txt, line 2: 'N-9_0' names no tile of 16 pixels"),
        ({"train": "\nN-1_3\n"}, r"train.txt, line 2: 'N-1_3' names no tile"),
        ({"val": "N-1_1\n"}, r"'N-1_1' is in two lists: train.txt, line 2, and val.txt, line 1"),
        ({"test": "N-1_6\n"}, r"two lists: val.txt, line 1, and test.txt, line 1"),
        ({"val": "\n"}, "there is nothing to validate on"),
    ],
)
def test_mistakes_in_lists_are_named(listed, lists, said):
    with pytest.raises(DataError, match=said):
        divided(*listed(**lists))


def test_a_missing_list_and_folds_of_lists_are_errors(listed):
    pairs, shapes, competition, root = listed()
    with pytest.raises(UsageError, match=r"data.folds = 3: the official lists .* say what is held out, once"):
        divided(pairs, shapes, competition, root, folds=3)
    (root / "val.txt").unlink()
    with pytest.raises(DataError, match=r"val.txt is missing: data.lists.validation of the competition"):
        divided(pairs, shapes, competition, root)
    assert divided(pairs, shapes, competition, root, split="group").held_out, "another way is left"
    with pytest.raises(UsageError, match="sample has no lists"):
        divided(pairs, shapes, split="official")


def test_lists_of_whole_images_by_any_spelling(tmp_path):
    names = ["a.b", "c", "d", "e"]
    pairs = [Pair(f"id_{name}", tmp_path / "images" / f"{name}.tif", None, name) for name in names]
    (tmp_path / "val.txt").write_text("id_a.b\nimages/c.tif\n")
    (tmp_path / "test.txt").write_text("d.tif\n")
    lists = Lists(validation="val.txt", test="test.txt")
    competition = SAMPLE.model_copy(update={"data": SAMPLE.data.model_copy(update={"lists": lists})})
    found = divided(pairs, competition=competition, root=tmp_path)
    assert ids(found.held_out) == ["id_a.b", "id_c"]
    assert ids(found.training) == ["id_e"], "without a list for training, it is what no list names"


# by block


def test_auto_takes_blocks_of_few_large_images_only():
    large, small = (3000, 3000), (900, 900)
    two, three = [pair(name) for name in "ab"], [pair(name) for name in "abc"]
    assert "by spatial blocks" in divided(two, large).how
    assert "by group" in divided(two, small).how
    assert "by group" in divided(three, large).how
    assert "by spatial blocks" in divided(three, large, split="block").how
    first = divided(two, (9000, 9500)).held_out[0].window
    assert (first[1] - first[0], first[3] - first[2]) == (1125, 1187), "an eighth of the shorter side"
    first = divided(two, large).held_out[0].window
    assert (first[1] - first[0], first[3] - first[2]) == (1500, 1500), "no less than two crops of 512"


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(st.integers(40, 400), st.integers(40, 400)), min_size=1, max_size=3),
    st.integers(64, 150),
    st.integers(0, 90),
    st.integers(0, 30),
    st.sampled_from([0.2, 0.5]),
    st.randoms(),
)
def test_no_training_window_comes_near_a_held_out_block(shapes, block, margin, seed, share, shuffler):
    """Odd sizes; two dates of each place, which share a mask."""
    pairs = [pair(f"{place}{date}", str(place), f"{place}.tif") for place in range(len(shapes)) for date in "xy"]
    by_id = {one.id: shapes[int(one.group)] for one in pairs}
    keys = {"split": "block", "block": block, "margin": margin, "seed": seed, "validation": share, "crop": 32}
    try:
        found = divided(pairs, by_id, **keys)
    except DataError as error:
        assume("make 1 block" not in error.reason and "nothing is left" not in error.reason)
        raise
    assert divided(shuffler.sample(pairs, len(pairs)), by_id, **keys) == found
    assert found.held_out
    assert found.training
    for one in (*found.training, *found.held_out):
        height, width = by_id[tiles.image_of(one)]
        top, bottom, left, right = one.window or (0, height, 0, width)
        assert 0 <= top < bottom <= height
        assert 0 <= left < right <= width
        assert one.group == tiles.image_of(one)[0]
        assert one.window is None or tiles.parse(one.id) == (tiles.image_of(one), one.window)
    for place in {one.group for one in pairs}:
        held, trained = ([one for one in part if one.group == place] for part in (found.held_out, found.training))
        whole = (0, *shapes[int(place)][:1], 0, shapes[int(place)][1])
        assert {one.window for one in held if "x" in one.id} == {one.window for one in held if "y" in one.id}
        for one in trained:
            window = one.window or whole
            assert not any(touches(window, other.window, margin) for other in held), "of either date"
            mine = [other.window for other in trained if other is not one and other.image == one.image]
            assert not any(touches(window, other) for other in mine), "no pixel is counted twice"
    assert len(set(ids(found.training + found.held_out))) == len(found.training + found.held_out)


@settings(max_examples=40)
@given(st.integers(200, 500), st.integers(200, 500), st.integers(0, 60), st.integers(1, 40), st.integers(0, 99))
def test_all_that_is_far_enough_is_trained_on(height, width, margin, least, seed):
    """Every pixel is in a window, or near a held-out block, or in a strip too narrow for `least`."""
    edges = blocks.block_edges((height, width), 64)
    everywhere = list(itertools.product(range(len(edges[0]) - 1), range(len(edges[1]) - 1)))
    out = set(random.Random(seed).sample(everywhere, len(everywhere) // 4))
    near, used = np.zeros((height, width), bool), np.zeros((height, width), int)
    for block in out:
        top, bottom, left, right = blocks.window(edges, block)
        near[max(0, top - margin) : bottom + margin, max(0, left - margin) : right + margin] = True
    for top, bottom, left, right in blocks.free(edges, out, margin, 1):
        used[top:bottom, left:right] += 1
    assert np.array_equal(used, ~near)
    narrow = blocks.free(edges, out, margin, least)
    assert all(min(bottom - top, right - left) >= least for top, bottom, left, right in narrow)
    assert sum(map(tiles.area, narrow)) <= used.sum()


def test_neighbouring_blocks_are_one_window():
    edges = blocks.block_edges((400, 600), 100)
    assert edges == ([0, 100, 200, 300, 400], [0, 100, 200, 300, 400, 500, 600])
    assert blocks.free(edges, {(0, 0)}, 20, 50) == [(0, 400, 120, 600), (120, 400, 0, 120)]
    assert blocks.free(edges, set(), 20, 50) == [(0, 400, 0, 600)]


def test_dates_at_another_size_hold_out_the_same_places():
    pairs = [pair("april", mask="m.tif"), pair("august", mask="m.tif")]
    shapes = {"april": (500, 700), "august": (1001, 1399)}
    found = divided(pairs, shapes, split="block", block=100, crop=32)
    places = {name: set() for name in shapes}
    for one in found.held_out:
        name, (height, width) = tiles.image_of(one), shapes[tiles.image_of(one)]
        places[name].add((round(one.window[0] / height, 2), round(one.window[2] / width, 2)))
    assert places["april"] == places["august"]


def test_an_image_without_a_held_out_block_stays_whole():
    pairs = [pair(str(number)) for number in range(30)]
    found = divided(pairs, (130, 70), split="block", block=64, crop=32, validation=0.05)
    whole = [one for one in found.training if one.window is None]
    assert len(whole) == 30 - len({tiles.image_of(one) for one in found.held_out})


def test_one_block_is_too_few():
    with pytest.raises(DataError, match=r"1 image.s. make 1 block.s., too few for training and validation"):
        divided([pair("a")], split="block")
    with pytest.raises(DataError, match="nothing is left to train on"):
        divided([pair("a")], (200, 200), split="block", block=64, crop=32, margin=500)


# by class content

amounts_of_groups = st.integers(2, 8).flatmap(
    lambda groups: st.lists(
        st.lists(st.sampled_from([0, 0, 1, 50, 3000]), min_size=groups, max_size=groups), min_size=1, max_size=6
    )
)


@settings(max_examples=60)
@given(amounts_of_groups, st.sampled_from([0.2, 0.4]))
def test_every_class_is_in_both_parts_where_any_division_has_it_so(columns, share):
    """Against all divisions there are: three classes of two groups each may well allow none."""
    counts = np.column_stack([*columns, np.ones(len(columns[0]))])
    lacking = missing(counts, stratify(counts, [1 - share, share]), 2).sum()
    every = ((0, *rest) for rest in itertools.product((0, 1), repeat=len(counts) - 1))
    assert lacking == min(missing(counts, np.array(parts), 2).sum() for parts in every)


def content(pairs, seed, classes=6) -> dict[str, np.ndarray]:
    """Pixels of classes, of which the last is in three images."""
    rng = np.random.default_rng(seed)
    found = {one.id: rng.integers(0, 1000, classes) for one in pairs}
    for place, one in enumerate(pairs):
        found[one.id][-1] = 50 * (place in (3, 4, 17))
    return found


@pytest.mark.parametrize("seed", range(6))
def test_a_rare_class_is_in_both_parts_and_the_others_are_alike(seed):
    pairs = [pair(f"{number:02}", f"{number // 2:02}") for number in range(40)]
    amounts = content(pairs, seed)
    found = divided(pairs, split="stratified", counts_of=lambda one: amounts[one.id], seed=seed)
    training, held_out = (sum(amounts[one.id] for one in part) for part in (found.training, found.held_out))
    assert not {one.group for one in found.training} & {one.group for one in found.held_out}
    assert training[-1] > 0
    assert held_out[-1] > 0
    assert 6 <= len(found.held_out) <= 10
    assert np.abs((held_out / (training + held_out))[:-1] - 0.2).max() < 0.06
    mixed = random.Random(seed).sample(pairs, len(pairs))
    assert divided(mixed, split="stratified", counts_of=lambda one: amounts[one.id], seed=seed) == found


def test_stratified_folds_have_every_class_and_a_single_group_is_told():
    pairs = [pair(f"{number:02}") for number in range(30)]
    amounts = content(pairs, 0)
    amounts["07"][0] += 10**5
    for one in pairs:
        amounts[one.id][1] = 9 * (one.id == "20")
    for fold in range(3):
        found = divided(pairs, split="stratified", counts_of=lambda one: amounts[one.id], folds=3, fold=fold)
        held = sum(amounts[one.id] for one in found.held_out)
        assert (held[[0, 2, 3, 4, 5]] > 0).all()
        assert 7 <= len(found.held_out) <= 13
        assert found.how.endswith(f"in one group, and so in one part only: {SAMPLE.names[1]}")


# what is excluded


def test_excluded_images_are_not_trained_on_and_move_nothing_else():
    pairs = [pair(str(number)) for number in range(20)]
    plain = divided(pairs)
    chosen = plain.training[3].id, plain.held_out[0].id
    found = divided(pairs, exclude=list(chosen))
    assert ids(found.training) == [name for name in ids(plain.training) if name != chosen[0]]
    assert found.held_out == plain.held_out
    assert found.how.endswith("1 of those to train on are excluded")


def test_excluded_parts_are_passed_on():
    pairs = [pair(str(number)) for number in range(20)]
    found = divided(pairs, exclude=["7@r0-32c10-42", "7@r32-64c10-42"])
    assert [(p.image.name, p.window) for p in found.excluded] == [
        ("7.tif", (0, 32, 10, 42)),
        ("7.tif", (32, 64, 10, 42)),
    ]
    assert found.training == divided(pairs).training


def test_excluded_images_of_blocks_and_tiles_of_lists(listed):
    pairs, shapes, competition, root = listed()
    found = divided(pairs, shapes, competition, root, exclude=["N-1_1", "N-2"])
    assert ids(found.training) == ["N-1_0"]
    two = [pair("a"), pair("b")]
    found = divided(two, (400, 400), split="block", block=100, crop=32, exclude=["a"])
    assert {tiles.image_of(one) for one in found.training} == {"b"}
    assert {tiles.image_of(one) for one in found.held_out} >= {"a"}


@pytest.mark.parametrize("name", ["imge_7", "image_7@r0-32c90-142", "image_7_0", "other@r0-2c0-2"])
def test_an_excluded_name_that_means_nothing_is_an_error(name):
    pairs = [pair(f"image_{number}") for number in range(20)]
    with pytest.raises(UsageError, match=r"data.exclude: .* is no image and no part of one") as told:
        divided(pairs, exclude=[name])
    assert "image_7" in told.value.hint
    with pytest.raises(DataError, match="every image"):
        divided(pairs, exclude=ids(pairs))


def test_a_division_is_found_again_by_its_names(listed):
    """A run's summary holds ids alone; from them come the same windows."""
    pairs, shapes, competition, root = listed()
    known = {one.id: one for one in pairs}
    for keys in ({}, {"split": "block", "block": 64, "crop": 32}):
        wide = {name: (height * 5, width * 5) for name, (height, width) in shapes.items()} if keys else shapes
        found = divided(pairs, wide, competition, root, **keys)
        for one in (*found.training, *found.held_out):
            assert pair_named(one.id, known, competition, lambda pair: wide[pair.id]) == one  # noqa: B023
    inner = pair_named("N-1_6@r16-20c32-40", known, competition, lambda pair: shapes["N-1"])
    assert (inner.image, inner.window) == (pairs[0].image, (16, 20, 32, 40))
    assert pair_named("N-1_06", known, competition, lambda pair: shapes["N-1"]) is None
