"""Fetching from a place that misbehaves: wrong bytes, lists that change, names that cannot be here."""

import hashlib
import json

import pytest

from lib import files
from lib.errors import Failed, UsageError
from lib.launching.fetching import outputs, transfer
from lib.launching.fetching.fetch import Watch, fetch
from lib.launching.session import KernelRef, LostConnection, Output

REF = KernelRef("me", "kernel", 1)
LOST = LostConnection("the line went dead")


class Place:
    """A session from a script: what each file's downloads bring, in order; an exception is raised after half."""

    def __init__(self, contents, refusals=0):
        self.contents = contents
        self.downloads: list[str] = []
        self.listings, self.refusals = 0, refusals

    def outputs(self, ref):
        if self.refusals:
            self.refusals -= 1
            raise LOST
        self.listings += 1
        return [Output(name, f"{name}?{self.listings}") for name in self.contents]

    def download(self, output, part):
        self.downloads.append(output.source)
        content = self.contents[output.name]
        content = content.pop(0) if isinstance(content, list) and len(content) > 1 else content
        content = content[0] if isinstance(content, list) else content
        if isinstance(content, Exception):
            part.write(b"half")
            raise content
        part.write(content)


def manifest(**contents: bytes) -> bytes:
    entries = [
        {"name": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in contents.items()
    ]
    return json.dumps({"files": entries}).encode()


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(transfer, "FIRST_PAUSE", 0)


def left(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


class Counted(Watch):
    def __init__(self):
        self.size, self.planned, self.names = 0, None, []

    def begins(self, count, size):
        self.planned = (count, size)

    def moved(self, size):
        self.size += size

    def placed(self, name):
        self.names.append(name)


def test_fetching_verifies_and_a_second_time_moves_nothing(tmp_path):
    contents = {"a.bin": b"aaaa", "deep/er/b.bin": b"b" * 100}
    place = Place({**contents, "manifest.json": manifest(**contents)})
    told = Counted()
    fetched = fetch(place, REF, tmp_path / "out", watch=told)
    assert (fetched.moved, fetched.whole) == (2, True)
    assert (told.planned, told.size, sorted(told.names)) == ((2, 104), 104, ["a.bin", "deep/er/b.bin"])
    for name, content in contents.items():
        assert (tmp_path / "out" / name).read_bytes() == content
    assert files.read_json(tmp_path / "out" / "manifest.json") == json.loads(place.contents["manifest.json"])
    place.downloads.clear()
    assert fetch(place, REF, tmp_path / "out").moved == 0
    assert [source.split("?")[0] for source in place.downloads] == ["manifest.json"]
    (tmp_path / "out" / "a.bin").write_bytes(b"aXaa")
    assert fetch(place, REF, tmp_path / "out").moved == 1
    assert (tmp_path / "out" / "a.bin").read_bytes() == b"aaaa"


def test_what_came_home_from_a_session_that_is_over_is_checked_here_and_nobody_is_asked(tmp_path):
    """Also what the manifest did not name: its bytes were written down when they came."""
    place = Place(
        {"a.bin": b"aaaa", "late.txt": b"written after the manifest", "manifest.json": manifest(**{"a.bin": b"aaaa"})}
    )
    fetch(place, REF, tmp_path)
    asked = (place.listings, len(place.downloads))
    again = fetch(place, REF, tmp_path, settled=True)
    assert (again.files, again.moved, again.whole) == (2, 0, True)
    assert (place.listings, len(place.downloads)) == asked
    (tmp_path / "a.bin").write_bytes(b"aXaa")
    assert fetch(place, REF, tmp_path, settled=True).moved >= 1
    assert (tmp_path / "a.bin").read_bytes() == b"aaaa"
    (tmp_path / "manifest.json").write_text("spoiled")
    assert fetch(place, REF, tmp_path, settled=True).whole
    assert files.read_json(tmp_path / "manifest.json")["files"]


def test_damage_and_lost_lines_are_tried_again_with_a_fresh_address(tmp_path):
    good = b"0123456789"
    place = Place({"a.bin": [b"012345678", LOST, good], "manifest.json": [LOST, manifest(**{"a.bin": good})]})
    assert fetch(place, REF, tmp_path).moved == 1
    assert (tmp_path / "a.bin").read_bytes() == good
    addresses = [source for source in place.downloads if source.startswith("a.bin")]
    assert len(set(addresses)) == 3, "an address expires: each attempt lists again"
    assert left(tmp_path) == ["a.bin", "manifest.json"], "no part is left"


def test_addresses_that_expire_together_are_listed_again_once(tmp_path):
    names = [f"{number}.bin" for number in range(100)]

    class Expired(Place):
        def download(self, output, part):
            if output.source.endswith("?1"):
                raise LostConnection("HTTP 403")
            super().download(output, part)

    place = Expired({name: name.encode() for name in names})
    fetch(place, REF, tmp_path)
    assert left(tmp_path) == sorted(names)
    assert place.listings == 2


def test_what_stays_damaged_is_an_error_and_keeps_no_other_file_from_coming(tmp_path):
    contents = {"a.bin": b"other", "b.bin": b"right", "c.bin": b"also right"}
    place = Place(contents | {"a.bin": b"wrong", "manifest.json": manifest(**contents)})
    with pytest.raises(LostConnection, match=r"a\.bin arrived damaged"):
        fetch(place, REF, tmp_path)
    assert left(tmp_path) == ["b.bin", "c.bin"], "and no manifest, which says that all of it is here"
    assert len([source for source in place.downloads if source.startswith("a.bin")]) == transfer.DAMAGED


def test_a_line_that_is_dead_is_given_up(tmp_path):
    place = Place({f"{number}.bin": LOST for number in range(100)})
    with pytest.raises(LostConnection, match="the line went dead"):
        fetch(place, REF, tmp_path)
    assert len(place.downloads) < 60 * transfer.FRUITLESS, "not every one of the files was tried to the end"
    assert not [name for name in left(tmp_path) if not name.startswith(".parts/")]


@pytest.mark.parametrize(
    "name", ["../out.txt", "/etc/passwd", "a/../../x", "..", "", "a\\..\\..\\x", "a\0b", "\ud800.txt", ".parts/x"]
)
def test_names_that_cannot_be_here_are_refused_before_anything_is_written(tmp_path, name):
    with pytest.raises(Failed, match="refused"):
        fetch(Place({"fine.txt": b"x", name: b"x"}), REF, tmp_path / "in" / "side")
    assert left(tmp_path / "in" / "side") == []


@pytest.mark.parametrize("names", [("a", "a/b"), ("a/b", "a//b"), ("x/./y", "x/y")])
def test_two_names_for_one_file_are_refused(tmp_path, names):
    with pytest.raises(Failed, match="refused"):
        fetch(Place(dict.fromkeys(names, b"x")), REF, tmp_path / "out")
    assert left(tmp_path / "out") == []


def test_names_that_differ_in_case_alone_are_two_files_only_where_the_folder_tells_them_apart(tmp_path, monkeypatch):
    place = Place({"Mask.png": b"1", "mask.png": b"2", "MASKS/a.png": b"3"})
    assert fetch(place, REF, tmp_path / "here").moved == 3
    monkeypatch.setattr(outputs, "_tells_case", lambda folder: False)
    with pytest.raises(Failed, match=r"'Mask\.png' and 'mask\.png' would be one file"):
        fetch(place, REF, tmp_path / "there")
    assert left(tmp_path / "there") == []


def test_a_name_that_is_a_folder_here_is_said(tmp_path):
    (tmp_path / "a.bin").mkdir()
    with pytest.raises(Failed, match=r"a\.bin is a folder"):
        fetch(Place({"a.bin": b"x"}), REF, tmp_path)


def test_a_file_that_is_promised_and_not_listed(tmp_path):
    place = Place({"manifest.json": manifest(gone=b"x", here=b"yy"), "here": b"yy"})
    with pytest.raises(Failed, match="says that it wrote gone"):
        fetch(place, REF, tmp_path)
    assert left(tmp_path) == ["here"], "what is right stays, and nothing says it is all"


def test_a_list_that_is_refused_for_a_moment_is_asked_for_again(tmp_path):
    place = Place({"a.bin": b"abc"}, refusals=2)
    assert fetch(place, REF, tmp_path).moved == 1
    assert place.refusals == 0


def test_without_a_manifest_everything_is_fetched_and_nothing_is_claimed(tmp_path):
    place = Place({"a.bin": b"abc"})
    assert fetch(place, REF, tmp_path).moved == 1
    assert fetch(place, REF, tmp_path).moved == 1, "nobody can say that it is right"
    assert not (tmp_path / "manifest.json").exists()


def test_a_manifest_that_is_no_manifest(tmp_path):
    bad = (b"<html>", b"[]", b'{"files": [{"name": "a"}]}', b'{"files": [{"name": 3, "bytes": 1}]}')
    for content in (*bad, b'{"files": [{"name": "a", "bytes": -1, "sha256": ""}]}'):
        with pytest.raises(Failed, match=r"the manifest of .* is not one"):
            fetch(Place({"manifest.json": content}), REF, tmp_path)


def test_only_some(tmp_path):
    contents = {
        "metrics.csv": b"m",
        "deep/more.csv": b"d",
        "checkpoints/best.bin": b"best",
        "checkpoints/last.bin": b"l",
    }
    place = Place({**contents, "manifest.json": manifest(**contents)})
    fetched = fetch(place, REF, tmp_path, only=["*.csv"])
    assert (fetched.files, fetched.moved, fetched.whole) == (2, 2, False)
    assert left(tmp_path) == ["deep/more.csv", "metrics.csv"], "no manifest: not all is home"
    assert fetch(place, REF, tmp_path, only=["checkpoints/b*", "metrics.csv"]).moved == 1
    with pytest.raises(UsageError, match=r"no output is called '\*\.tif'") as caught:
        fetch(place, REF, tmp_path, only=["*.tif"])
    assert "checkpoints/best.bin" in caught.value.hint
    assert fetch(place, REF, tmp_path).moved == 1
    assert (tmp_path / "manifest.json").is_file()
    assert fetch(place, REF, tmp_path, only=["*.csv"], settled=True).moved == 0


def test_a_manifest_at_home_goes_before_its_files_change(tmp_path):
    """Of an earlier session of the run: its files are replaced by this one's, and the line breaks in between."""
    first = {"a.bin": b"one", "b.bin": b"one"}
    fetch(Place({**first, "manifest.json": manifest(**first)}), REF, tmp_path)
    second = {"a.bin": b"two", "b.bin": b"two!"}
    place = Place({**second, "b.bin": LOST, "manifest.json": manifest(**second)})
    with pytest.raises(LostConnection):
        fetch(place, REF, tmp_path)
    assert (tmp_path / "a.bin").read_bytes() == b"two"
    assert (tmp_path / "b.bin").read_bytes() == b"one"
    assert not (tmp_path / "manifest.json").exists()
