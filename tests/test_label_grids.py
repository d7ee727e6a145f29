"""Labels on another grid than their image's: against numpy's counting, GDAL's own resampling and exact areas."""

import warnings

import cv2
import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from rasterio import Affine
from rasterio.enums import Resampling
from rasterio.errors import NotGeoreferencedWarning
from rasterio.warp import reproject

from lib.competitions import IGNORE, load
from lib.errors import DataError
from lib.rasters import aligned, read_labels, write_colours
from lib.rasters.aligned import Aligned, class_weights
from lib.rasters.comparison import compare
from lib.rasters.labels import Labels, open_labels
from lib.rasters.reader import open_image

UTM = "EPSG:25831"
METHODS = ("nearest", "majority", "weighted")

FIELD = """
name = "catalonia"
[data.train]
images = "{id}.tif"
masks = "{id}_mask.tif"
[[classes]]
name = "crops"
value = 1
[[classes]]
name = "forest"
value = 2
[[classes]]
name = "road"
value = 11
[[ignore]]
name = "no data"
value = 0
[submission.folder]
member = "{id}.tif"
none = 0
"""

VALUES = np.array([1, 2, 11, 0], np.uint8)


@pytest.fixture
def field(tmp_path):
    """A competition, by its way of resampling."""

    def made(resample=None):
        (tmp_path / "field.toml").write_text(FIELD + (f'[masks]\nresample = "{resample}"\n' if resample else ""))
        return load(tmp_path / "field.toml")

    return made


class InMemory(Labels):
    """Labels that a test made."""

    def __init__(self, labels, georeference=None):
        self.labels, self.shape, self.georeference = labels, labels.shape, georeference

    def read(self, top, bottom, left, right):
        return self.labels[top:bottom, left:right]

    def close(self):
        pass


def land(height, width, classes=3, seed=0):
    """Patches of classes, lines of the last, a few ignored pixels and a corner of them."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, classes - 1, (height // 7 + 1, width // 7 + 1))
    labels = np.kron(coarse, np.ones((7, 7), int))[:height, :width].astype(np.uint8)
    labels[:, :: max(4, width // 6)] = classes - 1
    labels[rng.random(labels.shape) < 0.05] = IGNORE
    labels[: height // 5, : width // 5] = IGNORE
    return labels


def tiff(path, pixels, size=None, **more):
    """A GeoTIFF with pixels of `size` metres from one corner on, or a TIFF without a place."""
    planes = pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)
    place = {"crs": UTM, "transform": Affine(size, 0, 500_000.3, 0, -size, 4_600_000.7)} if size else {}
    form = {"driver": "GTiff", "height": planes.shape[1], "width": planes.shape[2], "count": len(planes)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, "w", dtype=pixels.dtype.name, **{**form, **place, **more}) as file:
            file.write(planes)
    return path


def counted(labels, factor, classes):
    """How many pixels of each class, and ignored, lie in each block: (h, w, classes + 1)."""
    height, width = (side // factor for side in labels.shape)
    blocks = labels.reshape(height, factor, width, factor).transpose(0, 2, 1, 3).reshape(height, width, -1)
    return np.stack([(blocks == value).sum(axis=-1) for value in [*range(classes), IGNORE]], axis=-1)


def whole(labels):
    return labels.read(0, labels.shape[0], 0, labels.shape[1])


def overlaps(own, wanted):
    """How much of each of `own` pixels each of `wanted` covers, (wanted, own)."""
    step = own / wanted
    low, high = np.arange(wanted)[:, None] * step, (np.arange(wanted)[:, None] + 1) * step
    return np.clip(np.minimum(np.arange(own) + 1, high) - np.maximum(np.arange(own), low), 0, 1)


@settings(max_examples=25)
@given(st.integers(1, 11), st.integers(1, 13), st.sampled_from([2, 3, 10]), st.booleans())
def test_whole_factors_are_counted_blocks(height, width, factor, placed):
    fine = land(height * factor, width * factor)
    counts = counted(fine, factor, 3)
    mine = other = None
    if placed:
        mine = aligned.Georeference(rasterio.CRS.from_string(UTM), Affine(10, 0, 500_000.3, 0, -10, 4e6 + 0.1), None)
        other = aligned.Georeference(mine.crs, mine.transform @ Affine.scale(1 / factor), None)
    brought = {way: Aligned(InMemory(fine, other), (height, width), mine, way, 3) for way in METHODS}
    nearest, majority, weighted = (whole(labels) for labels in brought.values())
    assert np.array_equal(nearest, fine[factor // 2 :: factor, factor // 2 :: factor])
    place = np.where(majority == IGNORE, 3, majority)[..., None].astype(int)
    assert (np.take_along_axis(counts, place, -1)[..., 0] == counts.max(axis=-1)).all()
    weights = 1 / np.sqrt(np.maximum(counts[..., :3].sum((0, 1)), 1) / np.maximum(counts[..., :3].sum((0, 1)), 1).sum())
    assert np.allclose(brought["weighted"].weights, weights)
    ignored = counts[..., 3] * 2 > factor**2
    assert np.array_equal(weighted, np.where(ignored, IGNORE, (counts[..., :3] * weights).argmax(-1)))


@pytest.mark.parametrize("shape", [(41, 29), (23, 52), (13, 17)])
def test_other_factors_weigh_areas(shape):
    fine = land(101, 153, classes=4)
    down, across = overlaps(101, shape[0]), overlaps(153, shape[1])
    areas = np.stack([down @ (fine == value) @ across.T for value in (0, 1, 2, 3, IGNORE)], axis=-1)
    weights = (1, 1.5, 1, 4)
    found = whole(Aligned(InMemory(fine), shape, None, "weighted", 4, weights))
    scores = areas[..., :4] * weights
    best = np.where(areas[..., 4] * 2 > areas.sum(-1), IGNORE, scores.argmax(-1))
    ordered = np.sort(scores, axis=-1)
    clear = (ordered[..., 3] - ordered[..., 2] > 1e-3) & (abs(areas[..., 4] * 2 - areas.sum(-1)) > 1e-3)
    assert clear.mean() > 0.8
    assert np.array_equal(found[clear], best[clear])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("crs", [UTM, "EPSG:4326"])
def test_places_and_windows(method, crs, monkeypatch):
    """On a part of the labels, in another CRS too, as GDAL does it at once; every window is a part of the whole."""
    fine = land(400, 500)
    place = aligned.Georeference(rasterio.CRS.from_string(UTM), Affine(1, 0, 500_000, 0, -1, 4_600_000), None)
    start = Affine(7.3, 0, 499_980, 0, -7.3, 4_599_950)
    if crs != UTM:
        start = Affine(9e-5, 0, 2.9998, 0, -7e-5, 41.5503)
    mine = aligned.Georeference(rasterio.CRS.from_string(crs), start, None)
    shape = (61, 66)
    labels = Aligned(InMemory(fine, place), shape, mine, method, 3)
    found = whole(labels)
    assert 0.05 < (found == IGNORE).mean() < 0.9, "a part lies outside"
    expected = np.full(shape, IGNORE, np.uint8)
    way = {"nearest": Resampling.nearest, "majority": Resampling.mode}.get(method)
    if way:
        grids = {"src_transform": place.transform, "src_crs": UTM, "dst_transform": start, "dst_crs": crs}
        reproject(fine, expected, **grids, resampling=way, init_dest_nodata=False, tolerance=0)
        assert (found == expected).mean() > 0.995
    assert (labels.read(7, 40, 11, 66) == found[7:40, 11:66]).mean() > (0.999 if crs == UTM else 0.995)
    monkeypatch.setattr(aligned, "FINE", 20_000)
    assert (whole(labels) == found).mean() > (0.999 if crs == UTM else 0.995)


def test_rare_classes_stay(field, tmp_path):
    """Roads of two metres at ten metres: the majority drops them, the weights keep them; the table says it."""
    fine = np.zeros((600, 800), np.uint8)
    fine[:, 400:] = 1
    fine[:, 33::200] = fine[:, 34::200] = 2
    fine[:45] = 3  # an entry of `ignore`
    image = tiff(tmp_path / "a.tif", np.zeros((60, 80, 3), np.uint8), 10)
    mask = tiff(tmp_path / "a_mask.tif", VALUES[fine], 1, tiled=True, blockxsize=64, blockysize=64)
    found = {}
    with open_image(image) as source:
        for method in METHODS:
            with open_labels(mask, field(method), source) as labels:
                assert labels.shape == (60, 80)
                found[method] = whole(labels)
                assert (found[method][:4] == IGNORE).all()
        table = compare(mask, field("majority"), source)
    assert (found["majority"] == 2).sum() == 0
    assert (found["weighted"][4:, 3] == 2).all()
    assert (found["nearest"][5:, 3] == 0).all()
    for method in METHODS:
        shares = [(found[method] == value).mean() for value in (0, 1, 2, IGNORE)]
        assert table.shares[method] == pytest.approx(shares)
    assert table.fine == pytest.approx([(fine == value).mean() for value in range(4)])
    assert table.differ["majority", "weighted"] == (found["majority"] != found["weighted"]).sum() > 0
    lines = table.lines()
    assert lines[0].split() == ["fine", "labels", *METHODS]
    assert lines[3].split()[0] == "road"
    assert [float(cell.rstrip("%")) for cell in lines[3].split()[1:]] == pytest.approx(
        [100 * values[2] for values in (table.fine, *table.shares.values())], abs=0.006
    )
    assert lines[5].startswith("pixels that differ: nearest and majority ")


def test_masks_without_a_place_cover_their_images_area(field, tmp_path):
    fine = land(60, 90)
    fine[fine == IGNORE] = 3
    Image.fromarray(VALUES[fine]).save(tmp_path / "mask.png")
    tiff(tmp_path / "mask.tif", VALUES[fine])
    image = tiff(tmp_path / "a.tif", np.zeros((20, 30, 3), np.uint8), 10)
    with open_image(image) as source:
        for name in ("mask.png", "mask.tif"):
            with open_labels(tmp_path / name, field("nearest"), source) as labels:
                expected = np.where(fine == 3, IGNORE, fine)[1::3, 1::3]
                assert np.array_equal(whole(labels), expected)
                assert np.array_equal(labels.at((10, 10)).read(2, 9, 1, 7), expected[1::2, 1::3][2:9, 1:7])


def test_sizes_that_differ_and_nothing_said_of_it(field, tmp_path):
    image = tiff(tmp_path / "a.tif", np.zeros((6, 8, 3), np.uint8), 10)
    mask = tiff(tmp_path / "b.tif", np.ones((60, 80), np.uint8), 1)
    far = tiff(tmp_path / "c.tif", np.ones((60, 80), np.uint8), 1, transform=Affine(1, 0, 1000, 0, -1, 1000))
    with open_image(image) as source:
        with pytest.raises(DataError, match=r"b\.tif is 80x60 \(width x height\), its image is 8x6") as caught:
            open_labels(mask, field(), source)
        assert "masks.resample" in caught.value.hint
        with pytest.raises(DataError, match=r"c\.tif lies elsewhere than its image"):
            open_labels(far, field("majority"), source)
    assert open_labels(mask, field()).shape == (60, 80)


def test_a_grid_of_the_same_size_elsewhere(field, tmp_path):
    labels = land(20, 30)
    labels[labels == IGNORE] = 3
    image = tiff(tmp_path / "a.tif", np.zeros((20, 30, 3), np.uint8), 10)
    shifted = Affine(10, 0, 500_000.3 + 30, 0, -10, 4_600_000.7)
    mask = tiff(tmp_path / "b.tif", VALUES[labels], 10, transform=shifted)
    expected = np.where(labels == 3, IGNORE, labels)
    with open_image(image) as source:
        with open_labels(mask, field("nearest"), source) as brought:
            assert np.array_equal(whole(brought)[:, 3:], expected[:, :-3])
            assert (whole(brought)[:, :3] == IGNORE).all()
        with open_labels(mask, field(), source) as stored:
            assert np.array_equal(whole(stored), expected)


def test_weights_come_from_labels_not_from_overviews(field, tmp_path):
    """An averaged overview holds values of no class; and a mask that is larger than a glance is not read whole."""
    fine = land(2500, 2300)
    fine[fine == IGNORE] = 3
    mask = tiff(tmp_path / "a.tif", VALUES[fine], 1, tiled=True, blockxsize=256, blockysize=256)
    with rasterio.open(mask, "r+") as file:
        file.build_overviews([2, 4], Resampling.average)
    with open_labels(mask, field()) as labels:
        seen = labels.glance()
        assert seen.shape == (2048, 2048)
        assert np.allclose(class_weights(seen, 3), class_weights(np.where(fine == 3, IGNORE, fine), 3), rtol=0.1)
    assert class_weights(np.full((10, 10), IGNORE, np.uint8), 3).tolist() == [3**0.5] * 3


@settings(max_examples=30)
@given(st.data())
def test_windows_of_any_mask_at_any_size(tmp_path_factory, data):
    height, width, h, w = (data.draw(st.integers(1, most)) for most in (60, 70, 80, 80))
    dubai, folder = load("dubai"), tmp_path_factory.mktemp("masks")
    labels = np.random.default_rng(height).integers(0, 5, (height, width)).astype(np.uint8)
    write_colours(folder / "a.png", labels, dubai)
    tiff(folder / "a.tif", cv2.imread(str(folder / "a.png"), cv2.IMREAD_COLOR_RGB), 1)
    top, left = data.draw(st.integers(0, h - 1)), data.draw(st.integers(0, w - 1))
    expected = cv2.resize(labels, (w, h), interpolation=cv2.INTER_NEAREST_EXACT)
    for name in ("a.png", "a.tif"):
        with open_labels(folder / name, dubai) as source:
            assert np.array_equal(source.read(0, height, 0, width), labels)
            assert np.array_equal(read_labels(folder / name, dubai), labels)
            assert np.array_equal(source.at((h, w)).read(top, h, left, w), expected[top:, left:])


def test_a_value_of_no_class_is_told_by_its_place_in_the_file(field, tmp_path):
    pixels = np.ones((40, 50), np.int16)
    pixels[33, 44] = -7
    with open_labels(tiff(tmp_path / "a.tif", pixels, 1), field()) as labels:
        assert (labels.read(0, 30, 0, 50) == 0).all()
        with pytest.raises(DataError, match=r"value -7 is no class's .* first at row 33, column 44"):
            labels.read(30, 40, 40, 50)
