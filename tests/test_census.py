"""The census: every tile's classes as numpy counts them, by bands of rows, kept by content."""

import os
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.windows import Window as RasterWindow

from lib.competitions import IGNORE, Pair
from lib.data import census as counting
from lib.data import tiles
from lib.data.census import InMemory, census
from lib.errors import DataError


def pair(name, window=None, mask=None) -> Pair:
    return Pair(name, Path(f"{name}.png"), mask, name, window)


def labels_of(height, width, seed=0, classes=5) -> np.ndarray:
    return np.random.default_rng(seed).choice([*range(classes), IGNORE], (height, width)).astype(np.uint8)


class Spy(InMemory):
    """Labels in memory that remember which bands were asked for."""

    def __init__(self, labels):
        super().__init__(labels)
        object.__setattr__(self, "asked", [])

    def read(self, top, bottom, left, right):
        self.asked.append((bottom - top) * (right - left))
        return super().read(top, bottom, left, right)


def by_hand(labels, windows) -> list[list[int]]:
    parts = [labels[top:bottom, left:right] for top, bottom, left, right in windows]
    return [[int((part == value).sum()) for value in (0, 1, 2, 3, 4, IGNORE)] for part in parts]


@settings(max_examples=60)
@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 40), st.sampled_from([0, 0.3, 0.75]), st.integers(1, 900))
def test_counts_are_numpys_whatever_the_bands(height, width, side, overlap, band):
    labels = labels_of(height, width)
    spy = Spy(labels)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counting, "BAND", band)
        found = census([pair("a")], lambda _: spy, 5, side, overlap)
    windows = tiles.grid(labels.shape, side, overlap)
    assert [tile.window for tile in found.tiles] == windows
    assert [tile.core for tile in found.tiles] == tiles.cores(labels.shape, side, overlap)
    assert found.counts.tolist() == by_hand(labels, windows)
    assert found.counts.dtype == np.int64
    assert found.totals.tolist() == by_hand(labels, [(0, height, 0, width)])[0], "overlaps are counted once"
    assert max(spy.asked) <= max(band, width)
    assert sum(spy.asked) == labels.size, "every pixel is read once"


def test_pairs_keep_their_order_and_parts_stay_in_their_window():
    images = {"b": labels_of(50, 40, 1), "a": labels_of(33, 61, 2)}
    pairs = [pair("b"), pair("a", (3, 30, 10, 61)), tiles.part(pair("b"), (0, 20, 0, 20))]
    told = []
    found = census(pairs, lambda one: InMemory(images[tiles.image_of(one)]), 5, 16, track=lambda *now: told.append(now))
    assert [tile.pair for tile in found.tiles] == sorted(tile.pair for tile in found.tiles)
    for number, one in enumerate(pairs):
        labels = images[tiles.image_of(one)]
        windows = tiles.grid(labels.shape, 16, within=one.window)
        mine = [place for place, tile in enumerate(found.tiles) if tile.pair == number]
        assert found.counts[mine].tolist() == by_hand(labels, windows)
        assert found.pair_counts[number].tolist() == by_hand(labels, [one.window or (0, 50, 0, 40)])[0]
    assert found.names[0] == "b@r0-16c0-16"
    assert found.names[-1] == "b@r4-20c4-20", "a part's tiles are named as the image's"
    assert told[-1][0] == told[-1][1]


def test_no_pairs_and_strange_labels(tmp_path):
    assert census([], None, 5, 16).counts.shape == (0, 6)
    strange = np.full((4, 4), 7, np.uint8)
    with pytest.raises(DataError, match=r"m.png: label 7, where there are 5 classes"):
        census([pair("a", mask=tmp_path / "m.png")], lambda _: InMemory(strange), 5, 16)


@pytest.fixture
def raster(tmp_path):
    """A mask file, read through rasterio in windows; `opened` counts how often pixels are asked for."""
    path, labels, opened = tmp_path / "mask.tif", labels_of(300, 200), []

    class Raster(AbstractContextManager):
        def __init__(self, mask):
            self.mask = mask

        def __enter__(self):
            self.file = rasterio.open(self.mask)
            self.shape = self.file.shape
            return self

        def __exit__(self, *_):
            self.file.close()

        def read(self, top, bottom, left, right):
            opened.append(self.mask.name)
            return self.file.read(1, window=RasterWindow(left, top, right - left, bottom - top))

    def write(values):
        with rasterio.open(path, "w", driver="GTiff", height=300, width=200, count=1, dtype="uint8") as file:
            file.write(values, 1)

    write(labels)
    return path, labels, opened, write, lambda one: Raster(one.mask)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_census_is_kept_by_content(raster, tmp_path):
    path, labels, opened, write, read = raster
    cache = tmp_path / "cache"

    image = tmp_path / "image.tif"
    image.write_bytes(b"pixels")

    def again(**changed):
        opened.clear()
        asked = {"classes": 5, "side": 64, "overlap": 0.2, "cache": cache, "key": "index"} | changed
        found = census([Pair("a", image, path, "a")], read, **asked)
        return found, bool(opened)

    first, counted = again()
    assert counted
    assert first.counts.tolist() == by_hand(labels, tiles.grid((300, 200), 64, 0.2))
    second, counted = again()
    assert not counted
    assert np.array_equal(first.counts, second.counts)
    assert np.array_equal(first.totals, second.totals)
    os.utime(path, (1, 1))
    assert not again()[1], "another time, the same content"
    for change in ({"side": 65}, {"overlap": 0.0}, {"key": "colour"}, {"classes": 6}):
        assert again(**change)[1], change
    image.write_bytes(b"others")
    assert again()[1], "its image decides where there is no data"
    write(labels[::-1])
    turned, counted = again()
    assert counted
    assert np.array_equal(turned.totals, first.totals)
    assert not np.array_equal(turned.counts, first.counts)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_large_file_is_told_by_its_ends_and_its_time(raster, tmp_path, monkeypatch):
    monkeypatch.setattr(counting, "WHOLE", 1000)
    monkeypatch.setattr(counting, "END", 100)
    path, _, opened, _, read = raster
    for time, counted in ((1, True), (1, False), (2, True)):
        opened.clear()
        os.utime(path, (time, time))
        census([pair("a", mask=path)], read, 5, 64, cache=tmp_path / "cache")
        assert bool(opened) == counted


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 half of it", None])
def test_a_damaged_cache_is_made_again(raster, tmp_path, damage):
    path, labels, opened, _, read = raster
    census([pair("a", mask=path)], read, 5, 64, cache=tmp_path)
    (kept,) = tmp_path.glob("*.npz")
    whole = kept.read_bytes()
    kept.write_bytes(whole[: len(whole) // 2] if damage is None else damage)
    opened.clear()
    found = census([pair("a", mask=path)], read, 5, 64, cache=tmp_path)
    assert opened
    assert found.counts.tolist() == by_hand(labels, tiles.grid((300, 200), 64))
    assert kept.stat().st_size == len(whole)
