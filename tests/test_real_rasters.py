"""Real files of satellites and competitions, where they lie beside the project: read as rasterio and Pillow do."""

import numpy as np
import pytest
import rasterio
from PIL import Image

from lib.competitions import IGNORE, load
from lib.competitions.pixels import Images
from lib.errors import DataError
from lib.rasters import header_size, read_image, read_labels
from lib.rasters.labels import open_labels
from lib.rasters.radiometry import Radiometry
from lib.rasters.reader import open_image
from tests.programs import PROJECT
from tests.test_mask_values import FLOOD

SAMPLES = PROJECT.parent / "shared" / "data"

pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason="the real samples are not on this machine")

STACKS = [
    ("landsat7/LE70220491999322EDC01_stack.gtif", tuple(range(1, 9)), None),
    ("landsat7/LE70220492002106EDC00_stack.gtif", (5, 4, 3), -9999),
    ("sen1floods11/S1/Spain_7370579_S1Hand.tif", (1, 2), None),
    ("sen1floods11/S2/Spain_7370579_S2Hand.tif", tuple(range(1, 14)), None),
    ("geotiff/RGBA.uint16.tif", (3, 2, 1), None),
    ("geotiff/all-nodata.tif", (1, 2, 3, 4), None),
]


@pytest.mark.parametrize(("name", "bands", "nodata"), STACKS)
def test_stacks_of_bands(name, bands, nodata):
    path = SAMPLES / name
    rule = Radiometry((0.4,) * len(bands), (0.2,) * len(bands), (-50.0,) * len(bands), (4000.0,) * len(bands))
    with pytest.raises(DataError, match=r"without images\.bands"):
        open_image(path)
    with rasterio.open(path) as file, open_image(path, Images(bands=bands, nodata=nodata), rule) as image:
        height, width = image.shape
        assert image.shape == file.shape == header_size(path)
        assert image.georeference.crs == file.crs
        assert np.array_equal(image.raw(0, height, 0, width), np.moveaxis(file.read(bands), 0, -1), equal_nan=True)
        mask = file.dataset_mask() > 0
        valid = image.valid(0, height, 0, width)
        assert np.array_equal(np.ones(file.shape, bool) if valid is None else valid, mask)
        fed = image.at((height // 2, width // 3)).read(0, height // 2, 0, width // 3)
        assert fed.shape == (height // 2, width // 3, len(bands))
        assert (fed.min(), fed.max()) >= (0, 0)
        assert fed.max() <= 1
        if not mask.any():
            assert (fed == np.float32(0.4)).all()


@pytest.mark.parametrize("name", ["RGB.byte.tif", "RGBA.byte.tif"])
def test_what_lies_outside_a_scene(name):
    with rasterio.open(SAMPLES / "geotiff" / name) as file, open_image(SAMPLES / "geotiff" / name) as image:
        valid = image.valid(0, 718, 0, 791)
        assert np.array_equal(valid, file.dataset_mask() > 0)
        assert 0.6 < valid.mean() < 0.7
        assert (image.read(0, 718, 0, 791)[~valid] == [124, 116, 104]).all()


def test_labels_of_a_flood(tmp_path):
    (tmp_path / "flood.toml").write_text(FLOOD)
    path = SAMPLES / "sen1floods11" / "Labels" / "Spain_7370579_LabelHand.tif"
    with rasterio.open(path) as file:
        stored = file.read(1)
    labels = read_labels(path, load(tmp_path / "flood.toml"))
    assert (stored == -1).any()
    assert np.array_equal(labels == IGNORE, stored == -1)
    assert np.array_equal(labels[stored >= 0], stored[stored >= 0])
    images = Images(bands=(4, 3, 2))
    scene, flood = SAMPLES / "sen1floods11" / "S2" / "Spain_7370579_S2Hand.tif", load(tmp_path / "flood.toml")
    with open_image(scene, images) as image, open_labels(path, flood, image) as windows:
        assert np.array_equal(windows.read(100, 200, 300, 512), labels[100:200, 300:])


def test_masks_of_a_city():
    masks = sorted((SAMPLES / "dubai").glob("*/Tile */masks/*.png"))[::9]
    dubai = load("dubai")
    for path in masks:
        labels = read_labels(path, dubai)
        with Image.open(path) as stored:
            colours = np.array(stored.convert("RGB"))
        for index, label in enumerate(dubai.classes):
            assert np.array_equal(labels == index, (colours == label.rgb).all(axis=-1))
        assert read_image(path.parent.parent / "images" / f"{path.stem}.jpg").shape[:2] == labels.shape


def test_a_large_photograph_at_a_quarter():
    path = SAMPLES / "deepglobe" / "118757_sat.jpg"
    with open_image(path) as image:
        assert image.shape == (2448, 2448)
        small = image.at((612, 612)).read(0, 612, 0, 612).astype(int)
    mean = read_image(path).reshape(612, 4, 612, 4, 3).mean(axis=(1, 3))
    assert abs(small - mean).mean() < 1
    harvey = SAMPLES / "harvey"
    labels = read_labels(harvey / "train_masks" / "6411.png", load("centralesupelec-harvey"))
    with Image.open(harvey / "train_masks" / "6411.png") as stored:
        assert np.array_equal(labels, np.array(stored))
