"""Reading and writing pixels: codings exact over odd sizes, palettes read by meaning, damage told."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lib.competitions import IGNORE, load
from lib.errors import DataError
from lib.rasters import (
    Coding,
    colours,
    encode_png,
    from_pixels,
    header_size,
    read_image,
    read_labels,
    read_prediction,
    write_colours,
    write_labels,
)

LAS = """
name = "las"
[data.train]
images = "{id}_RGB.png"
masks = "{id}_CLS.png"
[[classes]]
name = "ground"
value = 2
[[classes]]
name = "tree"
value = 300
[[ignore]]
name = "unlabelled"
value = 65
[submission.zip]
pixels = "index"
"""


@pytest.fixture
def las(tmp_path):
    (tmp_path / "las.toml").write_text(LAS)
    return load(tmp_path / "las.toml")


def labels_of(data, classes: int) -> np.ndarray:
    height, width = data.draw(st.integers(1, 23)), data.draw(st.integers(1, 23))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    labels = rng.integers(0, classes + 1, (height, width)).astype(np.uint8)
    labels[labels == classes] = IGNORE
    return labels


@settings(max_examples=40)
@given(st.data())
def test_colours_there_and_back(tmp_path_factory, data):
    competition = load("dubai")
    labels = labels_of(data, len(competition.classes))
    path = tmp_path_factory.mktemp("masks") / "mask.png"
    write_colours(path, labels, competition)
    assert np.array_equal(read_labels(path, competition), labels)
    assert np.array_equal(read_prediction(path, competition), labels)
    assert np.array_equal(np.array(Image.open(path).convert("RGB")), colours(competition)[labels])


def test_values_there_and_back(tmp_path, las):
    labels = np.array([[0, 1, IGNORE], [1, 0, 0]], np.uint8)
    write_labels(tmp_path / "mask.png", labels, las)
    stored = cv2.imread(str(tmp_path / "mask.png"), cv2.IMREAD_UNCHANGED)
    assert stored.tolist() == [[2, 300, 255], [300, 2, 2]]
    assert np.array_equal(read_prediction(tmp_path / "mask.png", las), labels)
    with pytest.raises(DataError, match="value 255 is no class's"):
        read_labels(tmp_path / "mask.png", las)


def test_an_ignored_value(tmp_path, las):
    (tmp_path / "mask.png").write_bytes(encode_png(np.array([[2, 65, 300]], np.uint16)))
    assert read_labels(tmp_path / "mask.png", las).tolist() == [[0, IGNORE, 1]]


def test_a_colour_that_no_class_has(tmp_path):
    picture = np.full((10, 10, 3), load("dubai").classes[0].rgb, np.uint8)
    picture[3, 4:7] = (1, 2, 3)
    (tmp_path / "mask.png").write_bytes(encode_png(picture))
    with pytest.raises(
        DataError, match=r"colour #010203 is no class's \(3.00% of the pixels, first at row 3, column 4\)"
    ) as caught:
        read_labels(tmp_path / "mask.png", load("dubai"))
    assert "#3C1098" in caught.value.hint


def test_near_colours_count_with_a_threshold_and_only_then():
    near = np.array([[[3, 250, 200]]], np.uint8)  # almost #00FFFF
    assert from_pixels(near, Coding.of(load("deepglobe")), "mask").tolist() == [[0]]
    edge = np.array([[[127, 128, 128]]], np.uint8)
    assert from_pixels(edge, Coding.of(load("deepglobe")), "mask").tolist() == [[0]]
    with pytest.raises(DataError):
        from_pixels(near, Coding.of(load("dubai")), "mask")


def test_a_palette_png_is_read_by_what_it_means(tmp_path, las):
    dubai = load("dubai")
    palette = Image.fromarray(np.array([[0, 1], [1, 0]], np.uint8), mode="P")
    palette.putpalette([*dubai.classes[3].rgb, *dubai.classes[1].rgb])
    palette.save(tmp_path / "colour.png")
    with Image.open(tmp_path / "colour.png") as stored:
        assert stored.mode == "P"
    assert read_labels(tmp_path / "colour.png", dubai).tolist() == [[3, 1], [1, 3]]
    indices = Image.fromarray(np.array([[2, 65]], np.uint8), mode="P")
    indices.putpalette([value for value in range(256) for _ in range(3)])
    indices.save(tmp_path / "index.png")
    assert read_labels(tmp_path / "index.png", las).tolist() == [[0, IGNORE]]


def test_a_colour_picture_is_no_index_mask(tmp_path, las):
    (tmp_path / "mask.png").write_bytes(
        encode_png(np.dstack([np.full((4, 4), value, np.uint8) for value in (1, 2, 3)]))
    )
    with pytest.raises(DataError, match="is a colour picture"):
        read_labels(tmp_path / "mask.png", las)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_file_cut_short_is_an_error(tmp_path, scenes, suffix):
    image = read_image(next(iter(sorted((scenes / "train").glob("*_sat.png")))))
    content = cv2.imencode(suffix, image)[1].tobytes()
    whole, part = tmp_path / f"whole{suffix}", tmp_path / f"part{suffix}"
    whole.write_bytes(content)
    part.write_bytes(content[: len(content) * 2 // 3])
    assert read_image(whole).shape == image.shape
    assert header_size(part) == image.shape[:2]
    with pytest.raises(DataError, match="is cut short"):
        read_image(part)


@pytest.mark.parametrize("content", [b"", b"no picture at all"])
def test_a_file_that_is_no_image(tmp_path, content):
    path = tmp_path / "x.jpg"
    path.write_bytes(content)
    for reader in (read_image, header_size):
        with pytest.raises(DataError, match="not a readable image"):
            reader(path)
    with pytest.raises(DataError, match=r"gone.png is missing|cannot be read"):
        read_image(tmp_path / "gone.png")


def test_images_are_rgb_as_stored(tmp_path):
    red = np.zeros((2, 3, 3), np.uint8)
    red[..., 0] = 255
    turned = Image.fromarray(red)
    exif = turned.getexif()
    exif[0x0112] = 6  # "rotate me": masks have no such tag, so images must not follow it
    turned.save(tmp_path / "red.jpg", exif=exif, quality=100, subsampling=0)
    image = read_image(tmp_path / "red.jpg")
    assert image.shape == (2, 3, 3) == (*header_size(tmp_path / "red.jpg"), 3)
    assert image[..., 0].min() > 250
    assert image[..., 1:].max() < 10


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P"])
def test_grey_colour_palette_and_transparency_all_become_rgb(tmp_path, mode):
    rgb = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    picture = Image.fromarray(rgb).convert(mode)
    if mode == "RGBA":
        picture.putalpha(7)
    picture.save(tmp_path / "a.png")
    assert np.array_equal(read_image(tmp_path / "a.png"), np.array(picture.convert("RGB")))


def test_pixels_that_eight_bits_of_rgb_cannot_hold_are_refused(tmp_path):
    deep = np.full((5, 7), 3000, np.uint16)
    (tmp_path / "deep.png").write_bytes(encode_png(deep))
    cv2.imwrite(str(tmp_path / "real.tif"), np.zeros((5, 7, 3), np.float32))
    for name, said, bands in (("deep.png", "1 band of uint16", "[1]"), ("real.tif", "of float32", "[1, 2, 3]")):
        with pytest.raises(DataError, match=said) as caught:
            read_image(tmp_path / name)
        assert f"[images] bands = {bands}" in caught.value.hint
