"""What a check knows of a file when little is known about the competition, and of files that look almost right."""

import io
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image

from lib import files
from lib.competitions import load
from lib.errors import UsageError
from lib.rasters import encode_png
from lib.submissions import check, expected, write
from lib.submissions.layout import parse_row_id

CSV = """
name = "land"
[data.train]
images = "{id}.png"
masks = "masks/{id}.png"
[[classes]]
name = "cover"
[[classes]]
name = "land_cover"
[submission.csv]
"""


@pytest.fixture
def own(tmp_path):
    """Makes a competition of two classes whose file is described by some lines of TOML."""

    def make(text: str, classes: str = CSV):
        (tmp_path / "own.toml").write_text(classes + text)
        return load(tmp_path / "own.toml")

    return make


def write_rows(path, *rows):
    path.write_text("\n".join(["id,rle", *(f"{row_id},{text}" for row_id, text in rows)]) + "\n")
    return path


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (("1 4", "3 2"), "both claim pixels of a"),
        (("1_0 2", ""), "'1_0 2' is not a list of whole numbers"),
        (("+1 2", ""), "'+1 2' is not a list of whole numbers"),
        (("\u0661 2", ""), "is not a list of whole numbers"),
        (("1 2.0", ""), "'1 2.0' is not a list of whole numbers"),
        (("9223372036854775800 100", ""), "is not a list of whole numbers"),
        (("1" + "0" * 30 + " 1", ""), "is not a list of whole numbers"),
    ],
)
def test_what_is_wrong_without_any_size(own, tmp_path, texts, said):
    competition = own("")
    sample = write_rows(tmp_path / "sample.csv", ("a_0", "1 1"), ("a_1", ""))
    path = write_rows(tmp_path / "file.csv", ("a_0", texts[0]), ("a_1", texts[1]))
    (problem,) = check(path, competition, expected(competition, None, sample))
    assert said in problem


def test_a_mask_is_empty_in_the_competitions_own_word_only(own, tmp_path):
    competition = own('empty = "-"')
    layout = expected(competition, {"a": (2, 3)})
    right = write_rows(tmp_path / "right.csv", ("a_0", "1 6"), ("a_1", "-"))
    assert check(right, competition, layout) == []
    wrong = write_rows(tmp_path / "wrong.csv", ("a_0", "1 6"), ("a_1", ""))
    (problem,) = check(wrong, competition, layout)
    assert "a_1 is blank, and an empty mask is written '-'" in problem


def test_a_blank_last_line_is_nothing(own, tmp_path):
    competition = own("")
    path = write_rows(tmp_path / "file.csv", ("a_0", "1 6"), ("a_1", ""))
    path.write_text(path.read_text() + "\n\n")
    assert check(path, competition, expected(competition, {"a": (2, 3)})) == []


def test_masks_are_compared_even_when_only_the_masks_know_the_sizes(program, own, tmp_path):
    own("")
    files.write(tmp_path / "masks" / "a.png", encode_png(np.uint8([[0, 1], [1, 1]])))
    right = write_rows(tmp_path / "right.csv", ("a_0", "1 1"), ("a_1", "2 3"))
    wrong = write_rows(tmp_path / "wrong.csv", ("a_0", "2 1"), ("a_1", "1 1 3 2"))
    words = ("-c", tmp_path / "own.toml", "--masks", tmp_path / "masks")
    for more in ((), ("--sample", right)):
        program("submit.py", "check", right, *words, *more)
        done = program("submit.py", "check", wrong, *words, *more, code=1)
        assert "a: 2 pixels decode to another class than the mask has" in done.stdout
    missing = (*words[:3], tmp_path / "nowhere")
    assert "is no folder" in program("submit.py", "check", right, *missing, "--sample", right, code=2).stderr


@pytest.mark.parametrize(
    ("template", "row_id", "image", "index"),
    [
        ("{id}_{name}", "a_b_land_cover", "a_b", 1),
        ("{id}_{name}", "a_cover", "a", 0),
        ("{name}_{id}", "land_cover_x_y", "x_y", 1),
        ("{class}_{id}", "1_x_0", "x_0", 1),
        ("{id}_{class}", "x_0_1", "x_0", 1),
        ("{id}{class}", "x01", "x0", 1),
    ],
)
def test_ids_hold_underscores_and_so_do_names(own, template, row_id, image, index):
    row = parse_row_id(own(f'id = "{template}"'), row_id, "x")
    assert (row.image, row.index) == (image, index)


def test_a_single_class_needs_no_word_in_the_id(own, tmp_path):
    competition = own('id = "{id}"\nclasses = ["land_cover"]')
    sample = write_rows(tmp_path / "sample.csv", ("b", "1 1"), ("a", "1 1"))
    layout = expected(competition, {"a": (1, 2), "b": (2, 2)}, sample)
    write({"a": np.uint8([[0, 1]]), "b": np.uint8([[0, 0], [0, 0]])}.__getitem__, competition, layout, sample)
    assert sample.read_text().splitlines() == ["id,rle", "b,", "a,2 1"]
    assert expected(competition, None, sample).rows == layout.rows


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('id = "{id}"', "submission.csv.id: '{id}' gives 2 classes the same rows"),
        ('id = "{class}"', "submission.csv.id: found '{class}': it must hold {id}"),
        ('id = "{id}_{class}_{tile}"', "it must hold {id}, and no other field than {class}, {id}, {name}, {x}, {y}"),
    ],
)
def test_templates_that_lose_rows(own, text, said):
    with pytest.raises(UsageError) as caught:
        own(text)
    assert said in caught.value.reason


ZIP = CSV.replace("csv", "zip")


def test_members_that_lose_images(own):
    for member in ("mask.png", "{name}.png"):
        with pytest.raises(UsageError, match=r"it must hold \{id\}"):
            own(f'member = "{member}"', classes=ZIP)


@pytest.fixture
def zipped(own, tmp_path):
    """Writes a zip whose one member is what it is given; the check's problems."""
    competition = own('pixels = "index"', classes=ZIP)

    def problems(content: bytes, change=lambda path: None) -> list[str]:
        path = tmp_path / "file.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.png", content)
        change(path)
        layout = expected(competition, {"a": LABELS.shape})
        return check(path, competition, layout, lambda image: LABELS)

    return problems


LABELS = np.uint8([[0, 1, 1], [1, 0, 1]])


def png_of(mode: str, **more) -> bytes:
    picture = Image.fromarray(LABELS)
    if mode == "1":
        picture = Image.fromarray(LABELS.astype(bool))
    if mode == "P":
        picture.putpalette([255, 0, 0, 0, 255, 0])
    file = io.BytesIO()
    picture.save(file, **{"format": "PNG", **more})
    return file.getvalue()


@pytest.mark.parametrize("mode", ["L", "1", "P"])
def test_however_a_png_stores_its_indices(zipped, mode):
    assert zipped(png_of(mode)) == []


def test_another_format_under_a_pngs_name(zipped):
    for kind in ("TIFF", "BMP"):
        assert "a.png is not a PNG" in zipped(png_of("L", format=kind))[0]


def damage(path):
    content = bytearray(path.read_bytes())
    start = content.index(b"a.png") + 5
    content[start : start + 12] = b"\xff" * 12
    path.write_bytes(content)


def lock(path):
    content = bytearray(path.read_bytes())
    content[6] |= 1
    content[content.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(content)


@pytest.mark.parametrize(("change", "said"), [(damage, "a.png is damaged"), (lock, "encrypted: a.png")])
def test_a_member_that_cannot_be_unpacked(zipped, change, said):
    assert said in zipped(png_of("L"), change)[0]


def test_a_png_that_announces_more_pixels_than_can_be_decoded(zipped):
    content = bytearray(png_of("L"))
    content[16:24] = b"\0\1\0\0\0\1\0\0"
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    assert "a.png" in zipped(bytes(content))[0]


def test_a_zip_has_no_sample(program, own, tmp_path):
    own('pixels = "index"', classes=ZIP)
    sample = write_rows(tmp_path / "sample.csv", ("a", ""))
    done = program("submit.py", "check", "file.zip", "-c", tmp_path / "own.toml", "--sample", sample, code=2)
    assert "a sample submission is a CSV, and land takes a .zip" in done.stderr
