"""The bands' statistics: those of all pixels with data, whatever the type, streamed, kept, one rule for the set."""

import numpy as np
import pytest
import rasterio
from rasterio import Affine

from lib.competitions import Pair
from lib.competitions.pixels import Images
from lib.data import statistics
from lib.data.statistics import measure
from lib.errors import DataError
from lib.rasters import encode_png
from lib.rasters.radiometry import IMAGENET, Radiometry


def tif(path, pixels, nodata=None):
    """(H, W, B) of any type."""
    height, width, bands = pixels.shape
    form = {"driver": "GTiff", "height": height, "width": width, "count": bands, "dtype": pixels.dtype.name}
    with rasterio.open(path, "w", **form, crs="EPSG:32631", transform=Affine(1, 0, 7, 0, -1, 9), nodata=nodata) as file:
        file.write(pixels.transpose(2, 0, 1))
    return Pair(path.stem, path, None, path.stem)


def some(seed: int, dtype, shape=(61, 47, 4)) -> np.ndarray:
    values = np.random.default_rng(seed).gamma(2.0, 400.0, shape) + 50 * np.arange(shape[2])
    return (values / 40 if dtype == np.uint8 else values).clip(0, 255 if dtype == np.uint8 else 30000).astype(dtype)


FOUR = Images(bands=(1, 2, 3, 4))


def test_rgb_of_eight_bits_is_not_read(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encode_png(np.zeros((5, 7, 3), np.uint8)))
    assert measure([Pair("a", path, None, "a")], Images()) is IMAGENET


def test_eight_bits_have_their_own_mean_and_deviation(tmp_path):
    arrays = [some(seed, np.uint8) for seed in range(3)]
    found = measure([tif(tmp_path / f"{n}.tif", each) for n, each in enumerate(arrays)], FOUR)
    values = np.concatenate([each.reshape(-1, 4) for each in arrays])
    assert found.low is None
    assert found.mean == pytest.approx(values.mean(0), rel=1e-5)
    assert found.std == pytest.approx(values.std(0), rel=1e-5)


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.float32])
def test_others_are_stretched_between_percentiles_of_what_has_data(tmp_path, dtype, monkeypatch):
    monkeypatch.setattr(statistics, "BAND", 900)
    arrays = [some(seed, dtype) for seed in range(3)]
    nodata = np.nan if dtype == np.float32 else 0 if dtype == np.uint16 else -9999
    for each in arrays:
        each[:20, :30] = nodata
    pairs = [tif(tmp_path / f"{n}.tif", each, nodata) for n, each in enumerate(arrays)]
    found = measure(pairs, FOUR)
    there = np.ones(arrays[0].shape[:2], bool)
    there[:20, :30] = False
    values = np.concatenate([each[there] for each in arrays]).astype(np.float64)
    low, high = np.percentile(values, statistics.PERCENTILES, axis=0)
    assert found.low == pytest.approx(low, rel=1e-3)
    assert found.high == pytest.approx(high, rel=1e-3)
    fed = np.stack([np.interp(values[:, band], (low[band], high[band]), (0, 1)) for band in range(4)], axis=1)
    assert found.mean == pytest.approx(fed.mean(0), rel=1e-3)
    assert found.std == pytest.approx(fed.std(0), rel=1e-3)
    plain = measure(pairs, FOUR, "statistics")
    assert not plain.clip
    back = (np.array(plain.high) - plain.low) * plain.mean + plain.low
    assert back == pytest.approx(values.mean(0), rel=1e-4)


def test_a_rule_is_kept_until_a_file_changes(tmp_path, monkeypatch):
    pairs = [tif(tmp_path / f"{n}.tif", some(n, np.uint16)) for n in range(2)]
    first = measure(pairs, FOUR, cache=tmp_path / "kept")
    real = statistics._moments
    monkeypatch.setattr(statistics, "_moments", lambda *_: pytest.fail("read again"))
    assert measure(pairs, FOUR, cache=tmp_path / "kept") == first
    assert measure(pairs[::-1], FOUR, cache=tmp_path / "kept") == first
    monkeypatch.setattr(statistics, "_moments", real)
    tif(tmp_path / "1.tif", some(7, np.uint16))
    assert measure(pairs, FOUR, cache=tmp_path / "kept") != first


def test_a_large_image_is_measured_on_blocks_of_it(tmp_path, monkeypatch):
    whole = measure([tif(tmp_path / "a.tif", some(1, np.uint16, (400, 300, 4)))], FOUR)
    monkeypatch.setattr(statistics, "LARGE", 1000)
    monkeypatch.setattr(statistics, "BLOCK", 20)
    read = []
    real = statistics._windows
    monkeypatch.setattr(statistics, "_windows", lambda *shape: (read.append(w) or w for w in real(*shape)))
    parts = measure([Pair("a", tmp_path / "a.tif", None, "a")], FOUR)
    assert len(read) == statistics.BLOCKS**2
    assert max(bottom for _, bottom, _, _ in read) == 400
    assert parts.mean == pytest.approx(whole.mean, rel=0.05)


def test_what_cannot_have_one_rule_is_an_error(tmp_path):
    mixed = [tif(tmp_path / "a.tif", some(0, np.uint16)), tif(tmp_path / "b.tif", some(0, np.float32))]
    with pytest.raises(DataError, match=r"b\.tif holds float32 values, others of the set uint16"):
        measure(mixed, FOUR)
    with pytest.raises(DataError, match=r"ImageNet's statistics are those of 8-bit RGB"):
        measure(mixed[:1], FOUR, "imagenet")
    with pytest.raises(DataError, match="no pixel"):
        measure([tif(tmp_path / "c.tif", np.zeros((9, 9, 4), np.uint16), 0)], FOUR)


def test_feeding_stretches_clips_and_fills():
    rule = Radiometry((0.5, 0.25), (0.1, 0.2), (100.0, 0.0), (300.0, 1.0))
    raw = np.array([[[100, 0], [300, 1], [400, 0.5]], [[0, 2], [np.nan, 0], [200, np.inf]]], np.float32)
    valid = np.array([[True, True, True], [True, True, True]])
    fed = rule.feed(raw, valid)
    assert fed.dtype == np.float32
    assert fed.tolist() == [[[0, 0], [1, 1], [1, 0.5]], [[0, 1], [0.5, 0], [0.5, 1]]]
    valid[0, 0] = False
    assert rule.feed(raw, valid)[0, 0].tolist() == [0.5, 0.25]
    assert Radiometry.of(rule.as_dict()) == rule
    eight = np.full((2, 2, 3), 9, np.uint8)
    assert IMAGENET.feed(eight) is eight
    assert IMAGENET.feed(eight, np.eye(2, dtype=bool))[0, 1].tolist() == [124, 116, 104]
    assert eight.max() == 9, "the file's pixels are left alone"
