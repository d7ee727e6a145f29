"""Images at another size, by windows and in little memory: as OpenCV makes them of the whole, no data kept apart."""

import subprocess
import sys
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from rasterio.errors import NotGeoreferencedWarning

from lib.competitions.pixels import Images
from lib.rasters import read_image
from lib.rasters.reader import Pixels, open_image, working_shape
from lib.rasters.resize import resized
from tests.inferring import picture
from tests.programs import PROJECT
from tests.test_image_reader import TYPES, noise, tiff


@settings(max_examples=40)
@given(st.data())
def test_any_size_by_windows_is_that_of_opencv(tmp_path_factory, data):
    height, width, h, w = (data.draw(st.integers(1, most)) for most in (70, 90, 100, 100))
    bands, dtype = data.draw(st.sampled_from([1, 3, 7])), data.draw(st.sampled_from(TYPES))
    image = cv2.GaussianBlur(noise((height, width, 8), "int16").astype(np.float32), (5, 5), 0)[..., :bands]
    image = (image / 40 + 100).reshape(height, width, bands).astype(dtype)
    path = tiff(tmp_path_factory.mktemp("images") / "a.tif", image)
    top, left = data.draw(st.integers(0, h - 1)), data.draw(st.integers(0, w - 1))
    with open_image(path, Images(bands=tuple(range(1, bands + 1)))) as source:
        view = source.at((h, w))
        full = view.raw(0, h, 0, w)
        assert full.dtype == image.dtype
        assert np.array_equal(view.raw(top, h, left, w), full[top:, left:])
    if (h <= height) == (w <= width):
        assert abs(full.astype(float) - resized(image, (h, w)).astype(float)).max() <= (
            1 if dtype != "float32" else 0.1
        )


@settings(max_examples=30)
@given(st.integers(1, 60), st.integers(1, 60), st.sampled_from([0.3, 0.5, 0.77, 1.0, 1.4, 2.0]))
def test_the_working_size_is_the_one_of_training(height, width, scale):
    image = noise((height, width, 3))
    shape = working_shape((height, width), scale)
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    expected = image if scale == 1 else cv2.resize(image, shape[::-1], interpolation=way)
    assert np.array_equal(resized(image, shape), expected.reshape((*shape, 3)))
    many = np.dstack([image] * 3)
    assert np.array_equal(Pixels(many).at((9, 7)).read(0, 9, 0, 7)[..., 6:], resized(image, (9, 7)))


@pytest.mark.parametrize("shape", [(10, 13), (11, 9), (45, 60)])
def test_no_data_has_no_part_in_its_neighbours(tmp_path, shape):
    image = np.full((30, 40, 2), 50, "float32")
    image[:, 17:26] = -9999
    image[3, 3] = np.nan
    path = tiff(tmp_path / "a.tif", image)
    with open_image(path, Images(bands=(1, 2), nodata=-9999)) as source:
        view = source.at(shape)
        raw, valid = view.raw(0, shape[0], 0, shape[1]), view.valid(0, shape[0], 0, shape[1])
    assert np.allclose(raw[valid], 50)
    inside = np.zeros((30, 40), np.float32)
    inside[:, 17:26] = 1
    inside[3, 3] = 1
    share = resized(inside, shape)
    assert (valid == (share <= 0.5))[abs(share - 0.5) > 0.1].all()


def test_overviews_are_read_where_a_small_view_is_wanted(tmp_path):
    image = picture(256, 384)
    path = tiff(tmp_path / "a.tif", image, tiled=True, blockxsize=64, blockysize=64)
    with rasterio.open(path, "r+") as file:
        file.build_overviews([2, 4], rasterio.enums.Resampling.average)
    with open_image(path) as source:
        view = source.at((32, 48))
        assert view.image.shape == (64, 96)
        found = view.read(0, 32, 0, 48).astype(int)
        assert abs(found - resized(image, (32, 48))).max() <= 2
        assert view.georeference.transform.a == pytest.approx(80)
        assert source.at((150, 200)).image is source


@pytest.mark.parametrize("size", [(1000, 1400), (801, 1203), (1023, 769), (1024, 768)])
@pytest.mark.parametrize("by", [2, 4, 7.3, 8, 11.5, 30, 32])
def test_a_large_jpeg_at_a_reduced_scale(tmp_path, size, by, monkeypatch):
    image = cv2.add(cv2.GaussianBlur(picture(*size), (5, 5), 0) // 2, noise((*size, 3)) // 8)
    Image.fromarray(image).save(tmp_path / "a.jpg", quality=92)
    full = read_image(tmp_path / "a.jpg")
    shape = int(size[0] / by), int(size[1] / by)
    decoded = []
    decode = cv2.imdecode

    def watched(*args):
        decoded.append(decode(*args))
        return decoded[-1]

    monkeypatch.setattr(cv2, "imdecode", watched)
    with open_image(tmp_path / "a.jpg") as source:
        view = source.at(shape)
        assert view.shape == shape
        found = view.read(0, shape[0], 0, shape[1])
    assert found.shape == (*shape, 3)
    assert abs(found.astype(int) - resized(full, shape)).mean() < 2
    if by > 6 or size[0] % by == size[1] % by == 0:
        assert decoded[0].shape[0] <= -(-size[0] // 2), "not decoded whole"


TILED = """
import sys
from pathlib import Path
from lib.competitions.pixels import Images
from lib.rasters.radiometry import Radiometry
from lib.rasters.reader import open_image

def peak():
    return next(int(line.split()[1]) for line in Path("/proc/self/status").open() if line.startswith("VmHWM"))

rule = Radiometry((0.5,) * 10, (0.2,) * 10, (0.0,) * 10, (5000.0,) * 10)
with open_image(sys.argv[1], Images(bands=tuple(range(1, 11))), rule) as image:
    start = peak()
    for view in (image, image.at((1000, 1000))):
        height, width = view.shape
        for top in range(0, height, 512):
            for left in range(0, width, 512):
                view.read(top, min(height, top + 512), left, min(width, left + 512))
print((peak() - start) // 1000)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells a process's peak of memory")
def test_a_large_raster_is_tiled_in_little_memory(tmp_path):
    """2,400 x 2,400 pixels of 10 bands are 115 MB as stored and 230 MB as fed; a window of 512 is 10 MB."""
    form = {"driver": "GTiff", "height": 2400, "width": 2400, "count": 10, "dtype": "uint16", "sparse_ok": True}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(tmp_path / "a.tif", "w", tiled=True, compress="deflate", **form) as file:
            file.write(np.full((10, 300, 500), 700, np.uint16), window=rasterio.windows.Window(100, 200, 500, 300))
    done = subprocess.run(
        [sys.executable, "-c", TILED, str(tmp_path / "a.tif")], cwd=PROJECT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 180, "MB beyond what opening took: the cache of blocks and a few windows"
