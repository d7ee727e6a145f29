"""Masks from anywhere, into a file and back: what they mean is read exactly, or refused, and nothing is overwritten."""

import numpy as np
import pytest
from PIL import Image

from lib.competitions import load
from lib.errors import DataError
from lib.rasters import read_prediction

BINARY = """
name = "roads"
[data.train]
images = "{id}.jpg"
masks = "masks/{id}.png"
[[classes]]
name = "land"
[[classes]]
name = "road"
[submission]
size = [2, 3]
[submission.csv]
classes = ["road"]
id = "{id}"
"""

LABELS = np.uint8([[0, 1, 1], [1, 0, 1]])


@pytest.fixture
def roads(tmp_path):
    """A competition of one foreground class, as its file."""
    (tmp_path / "roads.toml").write_text(BINARY)
    return tmp_path / "roads.toml"


@pytest.fixture
def encode(program, roads, tmp_path):
    """Encodes a folder of masks; the file's rows."""

    def encode(code: int = 0):
        out = tmp_path / "out.csv"
        done = program("submit.py", "encode", tmp_path / "m", "-c", roads, "--out", out, code=code)
        return out.read_text().splitlines()[1:] if code == 0 else done.stderr

    (tmp_path / "m").mkdir()
    return encode


def save(path, pixels, **more):
    Image.fromarray(pixels).save(path, **more)


def test_however_masks_are_stored(encode, tmp_path):
    save(tmp_path / "m" / "grey.png", LABELS)
    save(tmp_path / "m" / "tiff.TIF", LABELS, format="TIFF")
    save(tmp_path / "m" / "bits.png", LABELS.astype(bool))
    save(tmp_path / "m" / "wide.png", LABELS.astype(np.uint16))
    save(tmp_path / "m" / "rgb.PNG", np.dstack([LABELS] * 3), format="PNG")
    (tmp_path / "m" / "._grey.png").write_bytes(b"what a Mac leaves on a foreign disk")
    assert encode() == [f"{name},2 2 5 2" for name in ("bits", "grey", "rgb", "tiff", "wide")]


@pytest.mark.parametrize(
    ("name", "pixels", "said"),
    [
        ("a.jpg", LABELS, "is a JPEG, which changes the values of a mask"),
        ("a.tif", LABELS, "are both masks of a"),
        ("a.png", LABELS + 1, "value 2 is no class's"),
        ("a.png", np.dstack([LABELS, LABELS, LABELS * 0]), "is a colour picture, and masks are coded by index"),
    ],
    ids=["jpeg", "twins", "strange value", "colours"],
)
def test_what_masks_cannot_mean(encode, tmp_path, name, pixels, said):
    if name == "a.tif":
        save(tmp_path / "m" / "a.png", LABELS)
    save(tmp_path / "m" / name, pixels)
    assert said in encode(code=1)
    assert not (tmp_path / "out.csv").exists()


def test_one_foreground_class_may_be_stored_as_255(program, roads, encode, tmp_path):
    save(tmp_path / "m" / "a.png", LABELS * 255)
    save(tmp_path / "m" / "b.png", LABELS)
    assert encode() == ["a,2 2 5 2", "b,2 2 5 2"]
    said = program("submit.py", "encode", tmp_path / "m", "-c", roads, "--out", tmp_path / "x.csv").stderr
    assert "masks of 0 and 255 were read as 0 and 1: road is the one foreground class" in said


def test_0_and_255_among_several_classes(tmp_path):
    save(tmp_path / "a.png", LABELS * 255)
    with pytest.raises(DataError, match="holds only 0 and 255, as a mask of one foreground class does"):
        read_prediction(tmp_path / "a.png", load("severstal"))


def test_a_mask_that_is_tagged_as_turned_is_read_as_stored(tmp_path):
    sample = load("sample")
    colours = np.uint8([[[0, 255, 255], [255, 255, 0]], [[255, 0, 255], [0, 255, 0]], [[0, 0, 255], [255] * 3]])
    exif = Image.Exif()
    exif[0x0112] = 6
    save(tmp_path / "a.png", colours, exif=exif)
    assert np.array_equal(read_prediction(tmp_path / "a.png", sample), [[0, 1], [2, 3], [4, 5]])


def test_there_and_back_where_the_foreground_is_stored_as_255(program, roads, encode, tmp_path):
    roads.write_text(BINARY.replace('name = "road"', 'name = "road"\nvalue = 255'))
    save(tmp_path / "m" / "a.png", LABELS * 255)
    assert encode() == ["a,2 2 5 2"]
    back = tmp_path / "back"
    words = ("-c", roads, "--out", back, "--sample", tmp_path / "out.csv")
    program("submit.py", "decode", tmp_path / "out.csv", *words)
    assert np.array_equal(np.array(Image.open(back / "a.png")), LABELS * 255)


def test_no_file_that_is_not_the_kits_own_is_overwritten(program, roads, encode, tmp_path):
    save(tmp_path / "m" / "a.png", LABELS)
    encode()
    own = (tmp_path / "m" / "a.png").read_bytes()
    words = ("submit.py", "decode", tmp_path / "out.csv", "-c", roads, "--sample", tmp_path / "out.csv", "--out")
    assert "nothing says that this kit wrote them" in program(*words, tmp_path / "m", code=2).stderr
    for wrong in (tmp_path / "m" / "a.png", tmp_path / "m", tmp_path / "x.zip"):
        done = program("submit.py", "encode", tmp_path / "m", "-c", roads, "--out", wrong, code=2)
        assert "takes a .csv file" in done.stderr
    assert (tmp_path / "m" / "a.png").read_bytes() == own
    program(*words, tmp_path / "new")
    program(*words, tmp_path / "new")
    (tmp_path / "folder.csv").mkdir()
    done = program("submit.py", "encode", tmp_path / "m", "-c", roads, "--out", tmp_path / "folder.csv", code=1)
    assert "is not a file" in done.stderr


def test_a_file_that_cannot_be_decoded_leaves_no_masks(program, roads, tmp_path):
    (tmp_path / "bad.csv").write_text("id,rle\na,2 2 5 2\nb,2 2 5 99\n")
    words = ("-c", roads, "--sample", tmp_path / "bad.csv", "--out", tmp_path / "back")
    assert "b: '2 2 5 99' ends at pixel" in program("submit.py", "decode", tmp_path / "bad.csv", *words, code=1).stderr
    assert not list((tmp_path / "back").iterdir())


def test_ids_do_not_lead_out_of_the_folder(program, roads, tmp_path):
    (tmp_path / "bad.csv").write_text("id,rle\n../../evil,1 1\n")
    words = ("-c", roads, "--sample", tmp_path / "bad.csv", "--out", tmp_path / "a" / "b")
    assert "leads out of" in program("submit.py", "decode", tmp_path / "bad.csv", *words, code=1).stderr
    assert not list(tmp_path.rglob("evil*"))


def test_masks_of_an_earlier_time_do_not_stay_among_the_new(program, roads, tmp_path):
    back = tmp_path / "back"
    for names in (("a", "b"), ("b", "c")):
        path = tmp_path / "file.csv"
        path.write_text("id,rle\n" + "".join(f"{name},1 1\n" for name in names))
        program("submit.py", "decode", path, "-c", roads, "--sample", path, "--out", back)
        assert sorted(found.stem for found in back.glob("*.png")) == list(names)
