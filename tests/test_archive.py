"""Zips that nobody should unpack: refused with a reason, before a pixel is decoded and without a file on the disk."""

import io
import struct
import tracemalloc
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image

from lib.competitions import load
from lib.errors import Refused
from lib.rasters import encode_png
from lib.submissions import check, expected
from lib.submissions.containers.archive import open_archive

PICTURE = encode_png(np.zeros((8, 9), np.uint8))


@pytest.fixture
def problems(tmp_path):
    """Writes a zip from pairs of name (or ZipInfo) and content; what a check says of it."""

    def problems(*members, compression=zipfile.ZIP_DEFLATED):
        path = tmp_path / "file.zip"
        with zipfile.ZipFile(path, "w", compression) as archive:
            for name, content in members:
                archive.writestr(name, content)
        floods = load("floodnet")
        return " | ".join(check(path, floods, expected(floods, {"a": (8, 9)})))

    return problems


@pytest.mark.parametrize("name", ["../a.png", "/a.png", "x/../../a.png", "C:a.png", "x\\a.png", "..\\a.png"])
def test_names_that_leave_the_folder(problems, name):
    info = zipfile.ZipInfo("a.png")
    info.filename = info.orig_filename = name
    assert "names lead out of the folder" in problems((info, PICTURE))


def test_links_and_twins(problems):
    link = zipfile.ZipInfo("a.png")
    link.external_attr = 0o120777 << 16
    assert "a link instead of a picture" in problems((link, "/etc/passwd"))
    with pytest.warns(UserWarning, match="Duplicate name"):
        assert "1 names stand more than once: a.png" in problems(("a.png", PICTURE), ("a.png", PICTURE))


def test_a_member_that_unpacks_without_end(problems):
    assert "unpacks to 80,000,000 bytes, and its picture has" in problems(("a.png", bytes(80_000_000)))


def test_a_picture_that_announces_more_than_its_image(problems):
    assert "a.png is 9x9, not 9x8" in problems(("a.png", encode_png(np.zeros((9, 9), np.uint8))))


def giant() -> bytes:
    """A PNG of a few bytes that announces 60000x60000 pixels."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 0, 0, 0, 0)
    return PICTURE[:8] + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def test_a_giant_is_refused_even_where_no_size_is_known(tmp_path):
    path = tmp_path / "file.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.png", giant())
    floods = load("floodnet")
    (problem,) = check(path, floods, expected(floods, {"a": None}))
    assert "announces 60000x60000 pixels" in problem


@pytest.mark.parametrize("start", [PICTURE, PICTURE[:8]], ids=["picture", "magic"])
def test_what_unpacks_without_end_is_refused_by_its_header_where_no_size_is_known(tmp_path, start):
    """Nothing of a member is unpacked but its beginning: the whole has ten times as many bytes as may be held."""
    path, floods = tmp_path / "file.zip", load("floodnet")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", start + bytes(80_000_000))
    tracemalloc.start()
    try:
        (problem,) = check(path, floods, expected(floods, {"a": None}))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "a.png unpacks to 80,000" in problem or "a.png is not a readable image" in problem
    assert peak < 8_000_000


def test_folders_in_a_zip_are_no_members_and_pictures_below_one_are_named(problems):
    assert problems(("x/", b""), ("a.png", PICTURE)) == ""
    assert "the pictures stand in a folder: x/a.png instead of a.png" in problems(("x/", b""), ("x/a.png", PICTURE))


def test_a_tiff_under_a_pngs_name(problems):
    file = io.BytesIO()
    Image.fromarray(np.zeros((8, 9), np.uint8)).save(file, format="TIFF")
    assert "a.png is not a PNG" in problems(("a.png", file.getvalue()))


def test_a_folder_is_read_like_a_zip(tmp_path):
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "a.png").write_bytes(PICTURE)
    (tmp_path / "f" / ".DS_Store").write_bytes(b"what a Mac leaves")
    with open_archive(tmp_path / "f") as archive:
        assert archive.names == ["a.png"]
        assert archive.read("a.png", 1000) == PICTURE
        with pytest.raises(Refused, match="and its picture 10 at most"):
            archive.read("a.png", 10)
    covers = load("landcover-ai")
    assert check(tmp_path / "f", covers, expected(covers, {"a": (8, 9)})) == []
