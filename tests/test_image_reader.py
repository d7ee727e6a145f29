"""Images of any format, bands and type: read as GDAL, Pillow and numpy read them, upright, and what has no data."""

import io

import cv2
import numpy as np
import pytest
import rasterio
from PIL import Image, ImageOps

from lib.competitions.pixels import Images
from lib.errors import DataError
from lib.rasters import header_size, read_image
from lib.rasters.radiometry import Radiometry
from lib.rasters.reader import exif_orientation, open_image
from lib.rasters.resize import resized
from tests.inferring import picture

TYPES = ("uint8", "uint16", "int16", "float32")
PLACE = {"crs": "EPSG:32631", "transform": rasterio.Affine(10, 0, 500_000, 0, -10, 4_600_000)}


def tiff(path, image, **more):
    """A GeoTIFF of an (H, W, B) array."""
    form = {"driver": "GTiff", "dtype": image.dtype.name, "count": image.shape[2], **PLACE}
    with rasterio.open(path, "w", height=image.shape[0], width=image.shape[1], **{**form, **more}) as file:
        file.write(np.moveaxis(image, -1, 0))
    return path


def noise(shape, dtype="uint8", seed=0):
    low, high = (-3000, 3000) if dtype in ("int16", "float32") else (0, 250)
    return np.random.default_rng(seed).integers(low, high, shape).astype(dtype)


def whole(image):
    return 0, image.shape[0], 0, image.shape[1]


def stretched(bands):
    return Radiometry((0.5,) * bands, (0.2,) * bands, (-3000.0,) * bands, (3000.0,) * bands)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("bands", [(1,), (4, 2), (1, 2, 3, 4, 5)])
def test_the_chosen_bands_of_a_tiff_of_any_suffix(tmp_path, dtype, bands):
    image = noise((40, 50, 5), dtype)
    path = tiff(tmp_path / "a.gtif", image, tiled=True, blockxsize=16, blockysize=32, interleave="band")
    with open_image(path, Images(bands=bands), stretched(len(bands))) as source:
        expected = image[3:33, 11:50][..., [band - 1 for band in bands]]
        raw = source.raw(3, 33, 11, 50)
        assert raw.dtype == image.dtype
        assert np.array_equal(raw, expected)
        assert source.valid(3, 33, 11, 50) is None
        assert source.shape == (40, 50) == header_size(path)
        assert source.georeference.crs == PLACE["crs"]
        if dtype != "uint8":
            fed = source.read(3, 33, 11, 50)
            assert fed.dtype == np.float32
            assert np.allclose(fed, (np.clip(expected.astype(float), -3000, 3000) + 3000) / 6000, atol=1e-6)


def test_png_of_16_bits_palette_and_one_band(tmp_path):
    deep = noise((20, 30), "uint16")
    Image.fromarray(deep).save(tmp_path / "deep.png")
    with open_image(tmp_path / "deep.png", Images(bands=(1,))) as source:
        assert np.array_equal(source.raw(2, 20, 0, 30), deep[2:, :, None])
    rgb16 = noise((20, 30, 3), "uint16")
    cv2.imwrite(str(tmp_path / "rgb16.png"), rgb16)
    with open_image(tmp_path / "rgb16.png", Images(bands=(3, 1))) as source:
        assert np.array_equal(source.raw(0, 20, 0, 30), rgb16[..., [0, 2]])  # OpenCV writes blue first
    palette = Image.fromarray(noise((20, 30, 3))).quantize(9)
    palette.save(tmp_path / "palette.png")
    assert np.array_equal(read_image(tmp_path / "palette.png"), np.array(palette.convert("RGB")))
    palette.save(tmp_path / "palette.tif")
    assert np.array_equal(read_image(tmp_path / "palette.tif"), np.array(palette.convert("RGB")))
    grey = noise((20, 30))
    Image.fromarray(grey).save(tmp_path / "grey.jpg", quality=100)
    with open_image(tmp_path / "grey.jpg", Images(bands=(1,))) as source:
        assert np.array_equal(source.raw(*whole(source))[..., 0], np.array(Image.open(tmp_path / "grey.jpg")))


def test_what_the_competitions_file_must_say(tmp_path):
    deep = tiff(tmp_path / "a.tif", noise((9, 9, 4), "uint16"))
    with pytest.raises(DataError, match="4 bands of uint16") as caught:
        open_image(deep)
    assert "[images] bands = [1, 2, 3, 4]" in caught.value.hint
    with pytest.raises(DataError, match=r"asks for band 5") as caught:
        open_image(deep, Images(bands=(1, 5)))
    assert "1 to 4" in caught.value.hint
    with open_image(deep, Images(bands=(1, 2, 3))) as source, pytest.raises(DataError, match=r"data\.radiometry"):
        source.read(0, 9, 0, 9)
    with open_image(deep, Images(bands=(1,))) as source, pytest.raises(DataError, match="gives 1 bands"):
        source.read(0, 9, 0, 9)
    byte = tiff(tmp_path / "b.tif", noise((9, 9, 3)))
    with open_image(byte, Images(), stretched(3)) as source, pytest.raises(DataError, match="8-bit values"):
        source.read(0, 9, 0, 9)
    four = noise((9, 9, 4))
    assert np.array_equal(
        read_image(tiff(tmp_path / "c.tif", four, photometric="rgb", alpha="unspecified")), four[..., :3]
    )


@pytest.mark.parametrize("dtype", TYPES)
def test_no_data_is_where_all_chosen_bands_have_its_value(tmp_path, dtype):
    image = noise((30, 40, 3), dtype) // 2 * 2
    nodata = 7
    image[4:9, 10:30] = nodata
    image[20, 20, :2] = nodata  # not the third
    path = tiff(tmp_path / "a.tif", image, nodata=nodata)
    with rasterio.open(path) as file:
        expected = file.dataset_mask() > 0
    for bands in ((1, 2, 3), (1, 2)):
        with open_image(path, Images(bands=bands)) as source:
            if bands == (1, 2):
                expected[20, 20] = False
            assert np.array_equal(source.valid(*whole(source)), expected)
            assert source.valid(25, 30, 0, 40) is None
    untagged = tiff(tmp_path / "b.tif", image)
    with open_image(untagged, Images(bands=(1, 2), nodata=nodata), stretched(2)) as source:
        assert np.array_equal(source.valid(*whole(source)), expected)
        if dtype != "uint8":
            assert (source.read(4, 9, 10, 30) == np.float32(0.5)).all()


def test_a_value_that_the_type_cannot_hold_is_nowhere(tmp_path):
    path = tiff(tmp_path / "a.tif", noise((9, 9, 1), "uint16"))
    with open_image(path, Images(bands=(1,), nodata=-9999)) as source:
        assert source.valid(0, 9, 0, 9) is None


def test_what_is_no_number_in_any_chosen_band(tmp_path):
    image = noise((30, 40, 3), "float32")
    image[3, 4, 0], image[5, 6, 1], image[7, 8, 2] = np.nan, np.inf, np.nan
    path = tiff(tmp_path / "a.tif", image, nodata=np.nan)
    with open_image(path, Images(bands=(1, 2)), stretched(2)) as source:
        assert np.argwhere(~source.valid(*whole(source))).tolist() == [[3, 4], [5, 6]]
        assert (source.read(*whole(source))[[3, 5], [4, 6]] == np.float32(0.5)).all()
        assert np.isnan(source.raw(3, 4, 4, 5)[0, 0, 0])


def test_transparency_and_masks_are_no_data(tmp_path):
    rgba = noise((30, 40, 4))
    rgba[..., 3] = 200
    rgba[2:5, 3:9, 3] = 0
    expected = rgba[..., 3] > 0
    Image.fromarray(rgba).save(tmp_path / "a.png")
    tiff(tmp_path / "a.tif", rgba, photometric="rgb", alpha="yes")
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        tiff(tmp_path / "mask.tif", rgba[..., :3])
        with rasterio.open(tmp_path / "mask.tif", "r+") as file:
            file.write_mask(expected)
    for name in ("a.png", "a.tif", "mask.tif"):
        with open_image(tmp_path / name) as source:
            assert np.array_equal(source.raw(*whole(source)), rgba[..., :3])
            assert np.array_equal(source.valid(*whole(source)), expected)
            assert source.read(2, 3, 3, 4).tolist() == [[[124, 116, 104]]]  # ImageNet's mean
    with open_image(tmp_path / "a.tif", Images(bands=(1, 4))) as source:
        assert source.valid(*whole(source)) is None, "the model sees transparency itself"
    rgba[..., 3] = 0
    Image.fromarray(rgba).save(tmp_path / "none.png")
    assert np.array_equal(read_image(tmp_path / "none.png"), rgba[..., :3])


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["jpg", "png", "tif"])
def test_a_camera_on_its_side(tmp_path, orientation, form):
    image, path = picture(24, 40), tmp_path / f"a.{form}"
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(image).save(path, exif=exif, **({"quality": 95} if form == "jpg" else {}))
    with Image.open(path) as stored:
        expected = np.array(ImageOps.exif_transpose(stored))
    as_stored = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)
    if form == "tif":
        as_stored = image
    upright = Images(orientation="exif")
    assert exif_orientation(path) == orientation
    with open_image(path, upright) as source:
        assert source.shape == expected.shape[:2] == header_size(path, upright)
        assert np.array_equal(source.read(*whole(source)), expected)
        assert np.array_equal(source.read(3, 20, 5, 19), expected[3:20, 5:19])
        small = source.at((12, 12))
        assert abs(small.read(0, 12, 0, 12).astype(int) - resized(expected, (12, 12))).max() <= 3
    assert np.array_equal(read_image(path), as_stored)
    assert header_size(path) == as_stored.shape[:2]


def test_an_orientation_behind_the_pixels_and_none(tmp_path):
    content = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 8
    Image.fromarray(picture(8, 9)).save(content, "png", exif=exif)
    content = content.getvalue()
    begin = content.index(b"eXIf") - 4
    size = int.from_bytes(content[begin : begin + 4], "big") + 12
    end = content.index(b"IEND") - 4
    moved = content[:begin] + content[begin + size : end] + content[begin : begin + size] + content[end:]
    (tmp_path / "a.png").write_bytes(moved)
    assert exif_orientation(tmp_path / "a.png") == 8
    assert exif_orientation(tiff(tmp_path / "a.tif", noise((4, 5, 9), "int16"))) == 1


def test_the_place_of_a_turned_geotiff(tmp_path):
    path = tiff(tmp_path / "a.tif", picture(20, 30))
    content = bytearray(path.read_bytes())
    at = int.from_bytes(content[4:8], "little")
    entries = int.from_bytes(content[at : at + 2], "little")
    tags = [int.from_bytes(content[at + 2 + 12 * k : at + 4 + 12 * k], "little") for k in range(entries)]
    for name, orientation in (("right", 6), ("under", 3)):
        turned = content[:]  # SamplesPerPixel becomes Orientation in a copy of the directory at the file's end
        directory = content[at : at + 2 + 12 * entries + 4]
        entry = (274).to_bytes(2, "little") + (3).to_bytes(2, "little") + (1).to_bytes(4, "little")
        place = 2 + 12 * sum(tag < 274 for tag in tags)
        directory[0:2] = (entries + 1).to_bytes(2, "little")
        directory[place:place] = entry + orientation.to_bytes(4, "little")
        turned[4:8] = len(turned).to_bytes(4, "little")
        (tmp_path / f"{name}.tif").write_bytes(turned + directory)
        with open_image(path) as stored, open_image(tmp_path / f"{name}.tif", Images(orientation="exif")) as source:
            corner = source.georeference.transform @ (0, 0)
            wanted = (0, 20) if orientation == 6 else (30, 20)  # which corner of the file is the upper left
            assert corner == pytest.approx(stored.georeference.transform @ wanted)
            expected = cv2.rotate(picture(20, 30), cv2.ROTATE_90_CLOCKWISE if orientation == 6 else cv2.ROTATE_180)
            assert np.array_equal(source.read(*whole(source)), expected)


@pytest.mark.parametrize("form", ["jpg", "png", "tif", "deflate.tif"])
def test_damage_is_an_error(tmp_path, form):
    image, path = noise((200, 300, 3)), tmp_path / f"a.{form}"
    if form.endswith("tif"):
        tiff(path, image, **({"compress": "deflate"} if "deflate" in form else {}))
    else:
        Image.fromarray(image).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    said = r"a\.\S*tif cannot be read" if form.endswith("tif") else "cut short"
    with pytest.raises(DataError, match=said):
        read_image(path)
    with pytest.raises(DataError, match=said), open_image(path) as source:
        source.at((20, 30)).read(0, 20, 0, 30)


def test_the_size_of_any_file(tmp_path, caplog):
    for dtype in (*TYPES, "float64", "uint32"):
        for bands in (1, 2, 5, 13):
            path = tiff(tmp_path / f"{dtype}{bands}.img", np.zeros((7, 11, bands), dtype))
            assert header_size(path) == (7, 11)
    assert caplog.text == "", "Pillow says that it cannot decode more than a few bands"
