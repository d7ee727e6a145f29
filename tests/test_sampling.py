"""Sampling: what is drawn, how often, and what it does to the class balance."""

import numpy as np
import pytest

from lib.competitions import IGNORE, Pair
from lib.data import balance
from lib.data.census import InMemory, census, count
from lib.data.sampling import Pool, anywhere, centre
from lib.errors import DataError, UsageError
from lib.recipe import DataRecipe

NAMES = ("sea", "land", "town")
DRAWS = 4000


def world() -> np.ndarray:
    """160 x 128: land with a little town in the north, sea below, no data at the lower right."""
    labels = np.full((160, 128), 1, np.uint8)
    labels[64:] = 0
    labels[128:, 64:] = IGNORE
    labels[40:44, 70:90] = 2
    labels[3, 3] = 2
    return labels


def pool_of(labels=None, side=32, overlap=0.0, **settings) -> tuple[Pool, object]:
    images = [world() if labels is None else labels]
    pairs = [Pair("a", None, None, "a")]
    found = census(pairs, lambda pair: InMemory(images[pairs.index(pair)]), 3, side, overlap)
    return Pool(found, DataRecipe(**settings), NAMES), found


def drawn(pool, draws=DRAWS, seed=0) -> list[tuple[int, int | None]]:
    rng = np.random.default_rng(seed)
    return [pool.draw(rng) for _ in range(draws)]


def near(number: float, share: float, draws: int = DRAWS) -> bool:
    """Within 4.5 deviations of what is expected."""
    return abs(number - share * draws) <= 4.5 * np.sqrt(draws * share * (1 - share)) + 1e-9


def test_every_known_pixel_is_as_likely_a_centre():
    """Over tiles that overlap, and one image that no tile fits: by thirds of the image, within 4.5 deviations."""
    labels = np.zeros((100, 75), np.uint8)
    labels[:, 60:] = 1
    pool, found = pool_of(labels, side=32, overlap=0.4)
    rng = np.random.default_rng(0)
    places = np.array([anywhere(found.tiles[pool.draw(rng)[0]].core, rng) for _ in range(DRAWS)])
    for axis, side in ((0, 100), (1, 75)):
        for part in range(5):
            inside = (places[:, axis] >= side * part // 5) & (places[:, axis] < side * (part + 1) // 5)
            assert near(inside.sum(), 1 / 5), (axis, part)


def test_tiles_without_labels_are_never_drawn():
    pool, found = pool_of()
    empty = {place for place, counts in enumerate(found.counts) if counts[-1] == counts.sum()}
    assert len(empty) == pool.without_label == 2
    assert not empty & {tile for tile, _ in drawn(pool)}


def test_the_open_sea_is_thinned_by_name():
    pool, found = pool_of(side=8, uninformative=("sea",), thin=0.25)
    sea = {place for place, counts in enumerate(found.counts) if counts[0] and not counts[1:3].any()}
    kept = {place for place in sea if pool.chances[place] > 0}
    assert near(len(kept), 0.25, len(sea))
    assert pool.thinned == len(sea) - len(kept)
    assert {tile for tile, _ in drawn(pool)} & sea <= kept
    every, _ = pool_of(side=8, uninformative=("sea",))
    assert every.thinned == 0
    none, _ = pool_of(side=8, uninformative=("sea",), thin=0)
    assert none.chances[list(sea)].sum() == 0
    assert none.expected()[0] == 0
    again, _ = pool_of(np.vstack([world(), world()]), side=8, uninformative=("sea",), thin=0.25)
    assert np.array_equal(again.chances[: len(pool.chances)] > 0, pool.chances > 0), "whatever else there is"


def test_land_with_a_coast_is_not_thinned():
    labels = np.zeros((64, 32), np.uint8)
    labels[5, 5] = 1
    pool, _ = pool_of(labels, uninformative=("sea",), thin=0)
    assert pool.chances.tolist() == [1, 0]


def test_a_share_of_the_crops_is_centred_on_rare_classes_in_turn():
    labels = world()
    pool, found = pool_of(labels, rare=0.6, rare_classes=("town", "sea"))
    asked = drawn(pool)
    for index in (0, 2):
        mine = [tile for tile, rare in asked if rare == index]
        assert near(len(mine), 0.3)
        share = found.counts[:, index] / found.counts[:, index].sum()
        assert all(near(mine.count(tile), share[tile], len(mine)) for tile in range(len(share)))
    rng = np.random.default_rng(0)
    for tile, rare in asked[:200]:
        top, bottom, left, right = found.tiles[tile].window
        if rare is not None:
            row, column = centre(labels[top:bottom, left:right], rare, rng)
            assert labels[top + row, left + column] == rare


def test_without_a_rare_class_no_draw_asks_for_one():
    assert {rare for _, rare in drawn(pool_of(np.tile(np.uint8([0, 1, 2]), (64, 32)), rare=1)[0])} == {None}


def test_the_centre_is_any_pixel_of_the_class():
    labels = np.zeros((5, 7), np.uint8)
    labels[2, 3] = labels[4, 6] = labels[0, 0] = 1
    rng = np.random.default_rng(0)
    places = [centre(labels, 1, rng) for _ in range(900)]
    assert all(near(places.count(place), 1 / 3, 900) for place in [(2, 3), (4, 6), (0, 0)])
    assert len({centre(labels, 2, rng) for _ in range(900)}) == labels.size, "lost on the way: any pixel"


def test_rich_tiles_are_oversampled_by_the_five_per_cent_rule():
    """One tile holds 5.1 % of town, one just a pixel of it; only the first is drawn eight times as often."""
    labels = np.ones((64, 64), np.uint8)
    labels[0, :30] = labels[1, :22] = 2
    labels[40, 40] = 2
    plain, _ = pool_of(labels)
    pool, _ = pool_of(labels, oversample=8)
    assert plain.chances == pytest.approx([0.25] * 4)
    assert pool.chances == pytest.approx([8 / 11, 1 / 11, 1 / 11, 1 / 11])
    stricter, _ = pool_of(labels, oversample=8, content=0.052)
    assert stricter.chances == pytest.approx([0.25] * 4)


def test_the_expected_balance_is_what_is_drawn():
    pool, found = pool_of(rare=0.3, oversample=5, content=0.01, uninformative=("sea",), thin=0.3)
    assert pool.expected().sum() == pytest.approx(1)
    contents = found.counts / found.counts.sum(axis=1, keepdims=True)
    mean = contents[[tile for tile, _ in drawn(pool)]].mean(axis=0)
    assert pool.expected() == pytest.approx(mean, abs=0.03)


def test_sampling_evens_the_classes_out():
    """The point of it: crops of the pool hold the town ten times as often as the images do."""
    labels = world()
    pool, found = pool_of(labels, rare=0.5)
    rng, seen = np.random.default_rng(0), np.zeros(4, np.int64)
    for _ in range(500):
        tile, rare = pool.draw(rng)
        top, bottom, left, right = found.tiles[tile].window
        row, column = (
            anywhere((0, bottom - top, 0, right - left), rng)
            if rare is None
            else centre(labels[top:bottom, left:right], rare, rng)
        )
        top, left = max(0, top + row - 8), max(0, left + column - 8)
        seen += count(np.ascontiguousarray(labels[top : top + 16, left : left + 16]), 3)
    before, after = balance.shares(found.totals, 3), balance.shares(seen, 3)
    assert after[2] > 10 * before[2]


def test_mistakes_are_named():
    with pytest.raises(UsageError, match=r"data.uninformative: there is no class 'ocean'"):
        pool_of(uninformative=("ocean",))
    with pytest.raises(DataError, match=r"none of the 4 tiles .* 4 hold no label"):
        pool_of(np.full((64, 64), IGNORE, np.uint8))
    with pytest.raises(DataError, match="4 are thinned out"):
        pool_of(np.zeros((64, 64), np.uint8), uninformative=("sea",), thin=0)
