"""Windows of images and labels at a working size: alike from the cache and from the files, for every kind of file."""

import pickle
from dataclasses import replace

import cv2
import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio import Affine

from lib.competitions import IGNORE, Competition, Pair, find_pairs
from lib.competitions.pixels import Masks
from lib.data import aligned_labels
from lib.data.cache import Cache
from lib.data.reading import Reading
from lib.data.statistics import measure
from lib.rasters import encode_png
from lib.rasters.radiometry import IMAGENET
from tests.twins import twin

HEIGHT, WIDTH = 93, 71


def described(**tables) -> Competition:
    return Competition.model_validate(
        {
            "name": "land",
            "data": {"train": {"images": "{id}.png", "masks": "{id}_mask.png"}},
            "classes": [{"name": f"class {index}"} for index in range(5)],
            "ignore": [{"name": "nothing", "value": 9}],
            "submission": {"zip": {}},
        }
        | tables
    )


def labels_of(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).choice([0, 1, 2, 3, 4, 9], (HEIGHT, WIDTH)).astype(np.uint8)


def rgb(folder, seed=0, suffix="png") -> tuple[Pair, np.ndarray, np.ndarray]:
    image = cv2.resize(np.random.default_rng(seed).integers(0, 256, (12, 9, 3)).astype(np.uint8), (WIDTH, HEIGHT))
    labels = labels_of(seed)
    path = folder / f"{seed}.{suffix}"
    cv2.imwrite(str(path), image[..., ::-1])
    (folder / f"{seed}_mask.png").write_bytes(encode_png(labels))
    return Pair(str(seed), path, folder / f"{seed}_mask.png", str(seed)), image, labels


def bands(folder, seed=0) -> tuple[Pair, np.ndarray, np.ndarray]:
    """A GeoTIFF of seven uint16 bands, a corner of which has no data, with a GeoTIFF of labels."""
    random = np.random.default_rng(seed)
    image = random.integers(300, 4000, (HEIGHT, WIDTH, 7)).astype(np.uint16)
    image[:20, :15] = 0
    labels = labels_of(seed)
    place = {"crs": "EPSG:32631", "transform": Affine(10, 0, 300000, 0, -10, 4600000), "driver": "GTiff"}
    size = {"height": HEIGHT, "width": WIDTH}
    with rasterio.open(folder / f"{seed}.tif", "w", count=7, dtype="uint16", nodata=0, **place, **size) as file:
        file.write(image.transpose(2, 0, 1))
    with rasterio.open(folder / f"{seed}_mask.tif", "w", count=1, dtype="uint8", **place, **size) as file:
        file.write(labels, 1)
    return Pair(str(seed), folder / f"{seed}.tif", folder / f"{seed}_mask.tif", str(seed)), image, labels


SEVEN = {"images": {"bands": [4, 3, 2, 7]}}


def known(labels: np.ndarray) -> np.ndarray:
    return np.where(labels == 9, IGNORE, labels)


def test_at_its_own_size_an_image_is_what_the_file_holds(tmp_path):
    pair, image, labels = rgb(tmp_path)
    reading = Reading(described(), IMAGENET)
    seen, truth = reading.window(pair, 1.0, (5, 60, 3, 71))
    assert np.array_equal(seen, image[5:60, 3:71])
    assert np.array_equal(truth, known(labels)[5:60, 3:71])


def test_bands_are_chosen_stretched_and_ignored_where_there_is_no_data(tmp_path):
    pair, image, labels = bands(tmp_path)
    competition = described(**SEVEN)
    radiometry = measure([pair], competition.images)
    seen, truth = Reading(competition, radiometry).window(pair, 1.0, (0, HEIGHT, 0, WIDTH))
    chosen = image[..., [3, 2, 1, 6]].astype(np.float64)
    stretched = (chosen - radiometry.low) / (np.array(radiometry.high) - radiometry.low)
    assert seen.dtype == np.float32
    assert np.allclose(seen[20:], stretched[20:].clip(0, 1), atol=1e-5)
    assert np.allclose(seen[:20, :15], radiometry.mean, atol=1e-6)
    expected = known(labels)
    expected[:20, :15] = IGNORE
    assert np.array_equal(truth, expected)
    assert (labels[:20, :15] < 5).any(), "labels that are there, of pixels that are not"


@pytest.mark.parametrize("scale", [1.0, 0.5, 0.3, 1.5])
@pytest.mark.parametrize("kind", ["png", "jpg", "bands"])
def test_the_cache_holds_what_the_files_give(tmp_path, kind, scale):
    pair, *_ = bands(tmp_path) if kind == "bands" else rgb(tmp_path, suffix=kind)
    competition = described(**(SEVEN if kind == "bands" else {}))
    radiometry = measure([pair], competition.images)
    plain = Reading(competition, radiometry)
    cached = Reading(competition, radiometry, Cache(tmp_path / "cache", 1e9))
    assert cached.keep(pair, scale)
    height, width = plain.shape(pair, scale)
    assert (height, width) == (round(HEIGHT * scale), round(WIDTH * scale))
    whole = plain.window(pair, scale, (0, height, 0, width))
    assert all(map(np.array_equal, cached.window(pair, scale, (0, height, 0, width)), whole))
    window = (3, height - 2, 1, width - 4)
    for reading in (plain, cached):
        image, labels = reading.window(pair, scale, window)
        assert np.allclose(image.astype(float), whole[0][3:-2, 1:-4], atol=0 if image.dtype == np.uint8 else 1e-6)
        assert np.array_equal(labels, whole[1][3:-2, 1:-4])


def test_another_file_rule_or_class_list_is_another_entry(tmp_path):
    pair, *_ = rgb(tmp_path)
    cache = Cache(tmp_path / "cache", 1e9)
    Reading(described(), IMAGENET, cache).keep(pair, 1.0)
    assert len(list(cache.folder.iterdir())) == 2
    Reading(described(), IMAGENET, cache).keep(pair, 1.0)
    assert len(list(cache.folder.iterdir())) == 2
    Reading(described(), IMAGENET, cache).keep(pair, 0.5)
    Reading(described(ignore=[{"name": "nothing", "value": 9}, {"name": "more", "value": 8}]), IMAGENET, cache).keep(
        pair, 1.0
    )
    rgb(tmp_path, 0)[0].image.write_bytes(rgb(tmp_path, 1)[0].image.read_bytes())
    reading = Reading(described(), IMAGENET, cache)
    reading.keep(pair, 1.0)
    assert len(list(cache.folder.iterdir())) == 8
    assert np.array_equal(reading.window(pair, 1.0, (0, 9, 0, 9))[0], rgb(tmp_path, 1)[1][:9, :9])


@settings(max_examples=30, deadline=None)
@given(
    st.tuples(st.integers(0, 60), st.integers(1, 30), st.integers(0, 40), st.integers(1, 30)),
    st.sampled_from([1.0, 0.5, 0.37]),
)
def test_a_part_of_an_image_is_a_window_of_it(tmp_path_factory, place, scale):
    folder = tmp_path_factory.mktemp("part")
    pair, *_ = rgb(folder)
    top, height, left, width = place
    part = Pair("part", pair.image, pair.mask, "part", (top, top + height, left, left + width))
    reading = Reading(described(), IMAGENET)
    area = reading.area(part, scale)
    assert all(abs(edge - own * scale) <= 1.5 for edge, own in zip(area, part.window, strict=True))
    image, labels = reading.window(part, scale, (0, *reading.shape(part, scale)[:1], 0, reading.shape(part, scale)[1]))
    whole = reading.window(pair, scale, (0, reading.shape(pair, scale)[0], 0, reading.shape(pair, scale)[1]))
    cut = np.s_[area[0] : area[1], area[2] : area[3]]
    assert np.array_equal(image, whole[0][cut])
    assert np.array_equal(labels, whole[1][cut])
    assert np.array_equal(reading.image(part, scale), image)
    assert reading.truth(part).shape == (height, width)


def test_excluded_tiles_are_not_learnt_and_still_judged(tmp_path):
    pair, _, labels = rgb(tmp_path)
    reading = Reading(described(), IMAGENET, excluded=[replace(pair, window=(10, 30, 20, 50))])
    truth = known(labels)
    assert np.array_equal(reading.truth(pair), truth)
    truth[10:30, 20:50] = IGNORE
    assert np.array_equal(reading.window(pair, 1.0, (0, HEIGHT, 0, WIDTH))[1], truth)
    assert np.array_equal(reading.window(pair, 1.0, (15, 40, 25, 71))[1], truth[15:40, 25:71])
    with reading.labels(pair) as learnt:
        assert learnt.shape == (HEIGHT, WIDTH)
        assert np.array_equal(learnt.read(0, 20, 0, 30), truth[:20, :30])
    half = reading.window(pair, 0.5, (0, 46, 0, 36))[1]
    assert (half[5:15, 10:25] == IGNORE).all()
    assert (half == IGNORE).mean() < 0.5


def test_labels_on_another_grid_are_brought_onto_it_once(tmp_path, monkeypatch):
    """Two dates share the work, every worker finds it, and crops are what the mask itself gives."""
    made = twin("catalonia", tmp_path / "data")
    pairs = find_pairs(made.competition.data.train, made.root)
    radiometry = measure(pairs, made.competition.images)
    monkeypatch.setattr(aligned_labels, "SIDE", 24)
    plain = [Reading(made.competition, radiometry).truth(pair) for pair in pairs]
    reading = Reading(made.competition, radiometry, Cache(tmp_path / "scratch" / "pixels", 0))
    assert not any(reading.keep(pair, 1.0) for pair in pairs), "there is no room for pixels"
    (kept,) = (tmp_path / "scratch" / "labels").iterdir()
    assert np.array_equal(np.load(kept), plain[0])
    monkeypatch.setattr(aligned_labels, "open_labels", lambda *_: pytest.fail("brought onto the grid again"))
    again = pickle.loads(pickle.dumps(reading))
    for pair, truth in zip(pairs, plain, strict=True):
        assert np.array_equal(again.truth(pair), truth)
        labels = again.window(pair, 1.0, (10, 50, 5, 77))[1]
        known = labels != IGNORE
        assert np.array_equal(labels[known], truth[10:50, 5:77][known])
    coarse = made.competition.model_copy(update={"masks": Masks(resample="nearest")})
    monkeypatch.undo()
    Reading(coarse, radiometry, Cache(tmp_path / "scratch" / "pixels", 0)).keep(pairs[0], 1.0)
    assert len(list((tmp_path / "scratch" / "labels").iterdir())) == 2
