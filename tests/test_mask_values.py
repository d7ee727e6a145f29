"""What the values of a competition's own masks mean: types, negative ones, soft borders, near colours, no-data tags."""

import warnings

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from rasterio.errors import NotGeoreferencedWarning
from scipy.spatial.distance import cdist

from lib.competitions import IGNORE, load
from lib.errors import DataError
from lib.rasters import Coding, from_pixels, read_labels, read_prediction
from lib.rasters.labels import open_labels
from tests.test_rasters import LAS

FLOOD = """
name = "flood"
[data.train]
images = "{id}.tif"
masks = "{id}_mask.tif"
[[classes]]
name = "land"
[[classes]]
name = "water"
[[ignore]]
name = "no data"
value = -1
[submission.zip]
pixels = "index"
"""

ROADS = FLOOD.replace('name = "water"', 'name = "road"\nvalue = 255').replace("value = -1", "value = 7")


@pytest.fixture
def named(tmp_path):
    """A competition from its file's text."""

    def made(text):
        (tmp_path / "it.toml").write_text(text)
        return load(tmp_path / "it.toml")

    return made


def tiff(path, pixels, **more):
    planes = pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)
    form = {"driver": "GTiff", "height": planes.shape[1], "width": planes.shape[2], "count": len(planes)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, "w", dtype=pixels.dtype.name, **form, **more) as file:
            file.write(planes)
    return path


@pytest.mark.parametrize("dtype", ["int16", "int32", "float32", "float64"])
def test_a_value_below_zero_is_ignored(named, tmp_path, dtype):
    flood = named(FLOOD)
    pixels = np.array([[0, 1, -1], [1, 0, 0]], dtype)
    expected = [[0, 1, IGNORE], [1, 0, 0]]
    path = tiff(tmp_path / "a.gtif", pixels)
    assert read_labels(path, flood).tolist() == expected
    with open_labels(path, flood) as labels:
        assert labels.read(1, 2, 0, 2).tolist() == [[1, 0]]
    pixels[1, 2] = -2
    with pytest.raises(DataError, match=r"value -2 is no class's \(16.67% of the pixels, first at row 1, column 2\)"):
        read_labels(tiff(tmp_path / "b.tif", pixels), flood)


def test_real_numbers(named, tmp_path):
    flood = named(FLOOD)
    pixels = np.array([[0, 1, np.nan]], np.float32)
    assert read_labels(tiff(tmp_path / "a.tif", pixels), flood).tolist() == [[0, 1, IGNORE]]
    for strange, said in ((0.5, "value 0.5 is"), (np.inf, "value inf is"), (1e30, r"value 1.0\d*e\+30 is")):
        pixels[0, 1] = strange
        with pytest.raises(DataError, match=said):
            read_labels(tiff(tmp_path / "a.tif", pixels), flood)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "uint32", "float32"])
def test_codes_of_any_type_become_classes(named, tmp_path, dtype):
    las = named(LAS.replace("value = 300", "value = 5"))
    assert read_labels(tiff(tmp_path / "a.tif", np.array([[2, 65, 5]], dtype)), las).tolist() == [[0, IGNORE, 1]]
    assert read_prediction(tmp_path / "a.tif", las).tolist() == [[0, IGNORE, 1]]


def test_a_large_value_is_not_taken_for_a_small_one(named, tmp_path):
    pixels = np.array([[0, 65536 + 1, 1]], np.uint32)
    with pytest.raises(DataError, match="value 65537"):
        read_labels(tiff(tmp_path / "a.tif", pixels), named(FLOOD))
    with pytest.raises(DataError, match="not whole numbers of 0 to 65535"):
        read_prediction(tmp_path / "a.tif", named(FLOOD))


def test_a_tag_of_no_data_is_ignored_unless_a_class_has_its_value(named, tmp_path):
    flood = named(FLOOD)
    pixels = np.array([[0, 1, 99]], np.uint8)
    path = tiff(tmp_path / "a.tif", pixels, nodata=99)
    with open_labels(path, flood) as labels:
        assert labels.read(0, 1, 0, 3).tolist() == read_labels(path, flood).tolist() == [[0, 1, IGNORE]]
    assert read_labels(tiff(tmp_path / "b.tif", pixels[:, :2], nodata=0), flood).tolist() == [[0, 1]]
    dubai = load("dubai")
    colours = np.array([[dubai.classes[2].rgb, (99, 99, 99)]], np.uint8)
    assert read_labels(tiff(tmp_path / "c.tif", colours, nodata=99), dubai).tolist() == [[2, IGNORE]]
    with pytest.raises(DataError, match="#636363"):
        read_labels(tiff(tmp_path / "d.tif", colours), dubai)


def test_soft_borders_of_black_and_white_masks(named, tmp_path):
    soft = np.array([[0, 3, 127, 128, 251, 255]], np.uint8)
    Image.fromarray(soft).save(tmp_path / "a.png")
    with pytest.raises(DataError, match="value 3 is no class's"):
        read_labels(tmp_path / "a.png", named(ROADS))
    roads = named(ROADS + "[masks]\nthreshold = 128\n")
    assert read_labels(tmp_path / "a.png", roads).tolist() == [[0, 0, 0, 1, 1, 1]]
    assert read_labels(tiff(tmp_path / "a.tif", soft.astype(np.float32)), roads).tolist() == [[0, 0, 0, 1, 1, 1]]


def test_jpeg_masks_are_read_where_something_is_said_of_values_that_are_not_exact(named, tmp_path):
    labels = np.kron(np.random.default_rng(0).integers(0, 2, (5, 6)), np.ones((16, 16), int)).astype(np.uint8)
    Image.fromarray(labels * 255).save(tmp_path / "grey.jpg", quality=80)
    Image.fromarray(np.dstack([labels * 255] * 3)).save(tmp_path / "rgb.jpg", quality=80)
    roads = named(ROADS + "[masks]\nthreshold = 128\n")
    for name in ("grey.jpg", "rgb.jpg"):
        assert np.array_equal(read_labels(tmp_path / name, roads), labels)
        with pytest.raises(DataError, match="is a JPEG, which changes the values") as caught:
            read_labels(tmp_path / name, named(ROADS))
        assert "masks.threshold" in caught.value.hint
    Image.fromarray(np.uint8([[[250, 20, 20]] * 16] * 16)).save(tmp_path / "red.jpg")
    with pytest.raises(DataError, match="is a colour picture"):
        read_labels(tmp_path / "red.jpg", named(ROADS + "[masks]\nthreshold = 128\n"))


def with_tolerance(tolerance):
    dubai = load("dubai")
    return dubai.model_copy(update={"masks": dubai.masks.model_copy(update={"tolerance": tolerance})})


def test_a_colour_jpeg_within_a_tolerance_that_is_counted(tmp_path):
    dubai = with_tolerance(60)
    labels = np.kron(np.random.default_rng(0).integers(0, 5, (5, 6)), np.ones((16, 16), int)).astype(np.uint8)
    colours = np.array([label.rgb for label in dubai.classes], np.uint8)[labels]
    Image.fromarray(colours).save(tmp_path / "a.jpg", quality=98, subsampling=0)
    stored = np.array(Image.open(tmp_path / "a.jpg"))
    counts = []
    found = read_labels(tmp_path / "a.jpg", dubai, counts.append)
    assert (found == labels).mean() > 0.98
    known = [label.rgb for label in (*dubai.classes, *dubai.ignore)]
    exact = np.any([(stored == rgb).all(axis=-1) for rgb in known], axis=0)
    assert sum(counts) == np.count_nonzero(~exact) > 0
    with open_labels(tmp_path / "a.jpg", dubai) as reader:
        assert np.array_equal(reader.read(0, 80, 0, 96), found)
        assert reader.near == sum(counts)


@settings(max_examples=40)
@given(st.data())
def test_the_nearest_colour_is_the_one_whose_channels_differ_least(data):
    tolerance = data.draw(st.integers(1, 127))
    coding = Coding.of(with_tolerance(tolerance))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    known = np.array([[code >> 16, code >> 8 & 255, code & 255] for code, _ in coding.table])
    classes = np.array([index for _, index in coding.table])
    near = known[rng.integers(0, len(known), 200)] + rng.integers(-tolerance, tolerance + 1, (200, 3))
    pixels = np.clip(near, 0, 255).astype(np.uint8)
    most, squares = cdist(pixels, known, "chebyshev"), cdist(pixels, known, "sqeuclidean")
    expected = classes[np.lexsort((squares, most), axis=-1)[:, 0]]
    counts = []
    assert np.array_equal(from_pixels(pixels[None], coding, "mask", counts.append)[0], expected)
    assert sum(counts) == np.count_nonzero(most.min(axis=1) > 0)


def test_a_colour_beyond_the_tolerance_is_told_as_ever():
    red, green, blue = load("dubai").classes[0].rgb
    for over, pixel in ((False, (red + 10, green, blue)), (True, (red + 11, green, blue))):
        pixels = np.array([[pixel, load("dubai").classes[0].rgb]], np.uint8)
        if over:
            with pytest.raises(DataError, match=r"colour #\w{6} is no class's \(50.00% of the pixels, first at row 0"):
                from_pixels(pixels, Coding.of(with_tolerance(10)), "mask")
        else:
            assert from_pixels(pixels, Coding.of(with_tolerance(10)), "mask").tolist() == [[0, 0]]


@pytest.mark.parametrize("bands", [2, 5])
def test_bands_that_are_no_mask(named, tmp_path, bands):
    path = tiff(tmp_path / "a.tif", np.zeros((3, 4, bands), np.uint16))
    with pytest.raises(DataError, match=rf"{bands} bands of uint16; a mask has one band"):
        read_labels(path, named(FLOOD))


def test_a_palette_tiff_is_read_by_what_it_means(named, tmp_path):
    dubai, las = load("dubai"), named(LAS)
    palette = Image.fromarray(np.array([[2, 65], [65, 2]], np.uint8), mode="P")
    colours = np.zeros((256, 3), np.uint8)
    colours[2], colours[65] = dubai.classes[3].rgb, dubai.classes[1].rgb
    palette.putpalette(colours.reshape(-1).tolist())
    palette.save(tmp_path / "a.tif")
    assert read_labels(tmp_path / "a.tif", dubai).tolist() == [[3, 1], [1, 3]]
    assert read_labels(tmp_path / "a.tif", las).tolist() == [[0, IGNORE], [IGNORE, 0]]
    Image.fromarray(np.array([[0, 1]], bool)).save(tmp_path / "bits.tif")
    assert read_labels(tmp_path / "bits.tif", named(FLOOD)).tolist() == [[0, 1]]
