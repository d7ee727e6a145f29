"""What files of every kind say of themselves, and their pixels as stored: the same that other people's readers give."""

import cv2
import numpy as np
import pytest
from PIL import Image

from lib.competitions.loader import parse
from lib.data.discover import discover
from lib.data.doctor import examine
from lib.errors import DataError
from lib.rasters.headers import read_header
from lib.rasters.stored import glance, in_colours, small, strips, window
from tests.doctor_folder import LAYOUT, NAMES, binary, only
from tests.twins import picture, raster

RNG = np.random.default_rng(4)
RGB = RNG.integers(0, 256, (20, 30, 3), dtype=np.uint8)
LABELS = RNG.integers(0, 3, (20, 30)).astype(np.uint8)
COLOURS = np.uint8([(255, 0, 0), (0, 255, 0), (0, 0, 255)])


def whole(path):
    """The header, all pixels, and the same as colours."""
    head = read_header(path)
    ((top, pixels),) = strips(path, head)
    assert top == 0
    assert (pixels.shape[:2], pixels.shape[2], str(pixels.dtype)) == (head.shape, head.bands, head.dtype)
    assert np.array_equal(glance(path, head), pixels)
    assert np.array_equal(window(path, head, 3, 11, 5, 29), pixels[3:11, 5:29])
    return head, pixels, in_colours(pixels, head)


@pytest.mark.parametrize("ending", ["png", "bmp", "tif", "jpg"])
def test_pixels_are_pillows(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    for pixels in (RGB, LABELS * 90):
        picture(path, pixels)
        head, stored, colours = whole(path)
        kind = {"jpg": "JPEG", "tif": "TIFF"}.get(ending, ending.upper())
        assert (head.format, head.alpha, head.palette) == (kind, False, None)
        seen = np.asarray(Image.open(path))
        assert np.array_equal(stored.squeeze(), seen)
        assert np.array_equal(colours, np.asarray(Image.open(path).convert("RGB")))


@pytest.mark.parametrize("ending", ["png", "bmp", "tif"])
def test_palettes_are_numbers_and_colours(tmp_path, ending):
    path = tmp_path / f"p.{ending}"
    numbered = Image.fromarray(LABELS)
    numbered.putpalette(COLOURS.tobytes())
    numbered.save(path, **({"transparency": bytes([0, 255, 128])} if ending == "png" else {}))
    head, stored, colours = whole(path)
    assert head.palette[:3] == (0xFF0000, 0x00FF00, 0x0000FF)
    assert np.array_equal(stored[..., 0], LABELS)
    assert np.array_equal(colours, COLOURS[LABELS])


@pytest.mark.parametrize("ending", ["png", "bmp", "tif"])
def test_one_bit_is_0_and_1_and_black_and_white(tmp_path, ending):
    path = tmp_path / f"one.{ending}"
    Image.fromarray(LABELS > 0).save(path)
    _, stored, colours = whole(path)
    assert np.array_equal(stored[..., 0], LABELS > 0)
    assert np.array_equal(colours, np.asarray(Image.open(path).convert("RGB")))


def test_transparency_is_a_band_and_no_colour(tmp_path):
    picture(tmp_path / "rgba.png", np.dstack([RGB, LABELS]))
    head, stored, colours = whole(tmp_path / "rgba.png")
    assert head.alpha
    assert np.array_equal(stored, np.dstack([RGB, LABELS]))
    assert np.array_equal(colours, RGB)
    Image.fromarray(np.dstack([LABELS, LABELS * 9]), "LA").save(tmp_path / "la.png")
    head, stored, colours = whole(tmp_path / "la.png")
    assert (head.alpha, head.bands) == (True, 2)
    assert np.array_equal(stored, np.dstack([LABELS, LABELS * 9]))
    assert np.array_equal(colours, np.dstack([LABELS] * 3))
    Image.fromarray(RGB).save(tmp_path / "key.png", transparency=(1, 2, 3))
    head, stored, _ = whole(tmp_path / "key.png")
    assert not head.alpha
    assert np.array_equal(stored, RGB)


def test_sixteen_bits_are_told_by_the_header(tmp_path):
    wide = RGB.astype(np.uint16) * 256 + 7
    cv2.imwrite(str(tmp_path / "a.png"), wide[..., ::-1])
    head, stored, colours = whole(tmp_path / "a.png")
    assert head.dtype == "uint16"
    assert np.array_equal(stored, wide)
    assert np.array_equal(colours, RGB)


@pytest.mark.parametrize("ending", ["png", "jpg", "tif"])
def test_pixels_are_not_turned_and_the_tag_is_told(tmp_path, ending):
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(tmp_path / f"a.{ending}", RGB, exif=exif)
    head, stored, _ = whole(tmp_path / f"a.{ending}")
    assert (head.orientation, head.shape, head.upright) == (6, (20, 30), (30, 20))
    assert stored.shape == (20, 30, 3)


def test_a_picture_that_is_cut_short_has_a_header_and_no_pixels(tmp_path):
    picture(tmp_path / "a.png", RGB)
    (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes()[:900])
    head = read_header(tmp_path / "a.png")
    assert head.shape == (20, 30)
    with pytest.raises(DataError, match="cut short"):
        glance(tmp_path / "a.png", head)
    (tmp_path / "a.png").write_text("no picture")
    with pytest.raises(DataError, match="not a readable image"):
        read_header(tmp_path / "a.png")


def test_a_small_view_is_picked_not_averaged(tmp_path):
    pixels = np.dstack([RGB, RGB[..., :2]])
    raster(tmp_path / "a.tif", pixels)
    head = read_header(tmp_path / "a.tif")
    assert np.array_equal(small(tmp_path / "a.tif", head, 15), pixels[1::2, 1::2])
    assert np.array_equal(small(tmp_path / "a.tif", head, 99), pixels)


# in the doctor and in drafts


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_a_cameras_orientation_in_png_and_tiff(folder, ending):
    exif = Image.Exif()
    exif[0x0112] = 6
    for name, (image, _) in folder.pictures.items():
        folder.path("images", name).unlink()
        folder.image(f"{name}.{ending}", np.ascontiguousarray(np.rot90(image)), exif=exif)
    layout = LAYOUT.replace("images/{id}.png", f"images/{{id}}.{ending}")
    told = only(folder.found(folder.competition(layout=layout)), "sizes", "error", "orientation tag")
    assert told.fix == 'set images.orientation = "exif"'
    assert discover(folder.root).table["images"]["orientation"] == "exif"
    upright = folder.competition(layout=layout, images='orientation = "exif"')
    assert not [each for each in folder.found(upright) if each.check == "sizes"]


def test_one_bit_masks_of_a_competition_in_colours(folder, tmp_path):
    folder.masks(lambda labels: binary(labels).astype(bool))
    folder.competition("colour", classes=2)
    text = (tmp_path / "field.toml").read_text().replace("#00FFFF", "#000000").replace("#FFFF00", "#FFFFFF")
    (tmp_path / "field.toml").write_text(text)
    competition = parse(tmp_path / "field.toml")
    diagnosis = examine(competition, folder.root)
    assert diagnosis.findings == ()
    shares = {row["name"]: row["pixels"] for row in diagnosis.facts["classes"]}
    assert shares[NAMES[1]] == sum(int(binary(labels).sum()) for _, labels in folder.pictures.values())


def test_images_of_sixteen_bits_are_drafted_with_their_bands(tmp_path):
    for seed in range(2):
        rng = np.random.default_rng(seed)
        (tmp_path / "images").mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / f"images/{seed}.png"), rng.integers(0, 65535, (40, 48, 3)).astype(np.uint16))
        picture(tmp_path / f"masks/{seed}.png", rng.integers(0, 3, (40, 48)).astype(np.uint8))
    assert discover(tmp_path).table["images"] == {"bands": [1, 2, 3]}
