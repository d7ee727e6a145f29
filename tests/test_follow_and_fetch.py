"""Following and fetching against a place that misbehaves: lost streams, wrong bytes, names that lead out."""

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib import files
from lib.errors import Failed
from lib.launching import fetch as fetching
from lib.launching.fetch import fetch
from lib.launching.follow import PATIENCE, follow
from lib.launching.kaggle_log import until_now
from lib.launching.log_file import Lines
from lib.launching.session import KernelRef, LogRecord, LostConnection, Output, Status

REF = KernelRef("me", "kernel", 1)


class Place:
    """A session from a script: what each call answers, in order; an exception is raised."""

    def __init__(self, streams=(), statuses=(), contents=None, refusals=0):
        self.streams, self.statuses = list(streams), list(statuses)
        self.contents = contents or {}
        self.downloads: list[str] = []
        self.listings, self.refusals = 0, refusals

    def logs(self, ref, live=True):
        for item in self.streams.pop(0):
            if isinstance(item, Exception):
                raise item
            yield LogRecord("stdout", 0.0, item)

    def status(self, ref):
        answer = self.statuses.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return Status(answer)

    def outputs(self, ref):
        if self.refusals:
            self.refusals -= 1
            raise LOST
        self.listings += 1
        return [Output(name, f"{name}?{self.listings}") for name in self.contents]

    def download(self, output, file):
        self.downloads.append(output.source)
        content = self.contents[output.name]
        content = content.pop(0) if isinstance(content, list) and len(content) > 1 else content
        content = content[0] if isinstance(content, list) else content
        if isinstance(content, Exception):
            file.write(b"half")
            raise content
        file.write(content)


def followed(place, tmp_path):
    lines, pauses = [], []
    ended = follow(place, REF, tmp_path / "log.txt", lines.append, poll=20, sleep=pauses.append)
    assert (tmp_path / "log.txt").is_file()
    return ended.status.state, lines, pauses


LOST = LostConnection("the line went dead")


def test_a_replay_is_skipped_and_nothing_is_lost(tmp_path):
    place = Place(
        streams=[["a\nb", LOST], ["a\nb", "c\n", LOST], ["a\nb", "c\n", "d\n"], ["a\nb", "c\n", "d\n", "e"]],
        statuses=["running", "running", "complete"],
    )
    state, lines, pauses = followed(place, tmp_path)
    assert state == "complete"
    assert lines == ["a", "bc", "d", "e"]
    assert (tmp_path / "log.txt").read_text() == "a\nbc\nd\ne"
    assert pauses == [20, 20]


def test_a_stream_that_closes_early_is_not_the_end(tmp_path):
    place = Place(streams=[[], ["x\n"], ["x\n", "y\n"]], statuses=["queued", "complete"])
    assert followed(place, tmp_path)[:2] == ("complete", ["x", "y"])


def test_the_end_of_the_log_may_come_late(tmp_path):
    place = Place(streams=[["x\n"], [LOST], [LOST], ["x\n", "y\n"]], statuses=["failed"])
    assert followed(place, tmp_path)[:2] == ("failed", ["x", "y"])


def test_a_log_that_cannot_be_read_to_its_end_does_not_count_as_whole_and_takes_no_longer_ones_place(tmp_path):
    (tmp_path / "log.txt").write_text("x\ny\nz\n")
    place = Place(streams=[["x\n", LOST]] + [[LOST]] * 3, statuses=["complete"])
    ended = follow(place, REF, tmp_path / "log.txt", print, poll=20, sleep=lambda seconds: None)
    assert (ended.status.state, ended.log_whole) == ("complete", False)
    assert (tmp_path / "log.txt").read_text() == "x\ny\nz\n"


def test_a_status_that_is_not_answered_is_asked_again(tmp_path):
    place = Place(streams=[["x\n"]] * 3, statuses=[LOST, LOST, "unknown", LOST, "complete"])
    state, lines, pauses = followed(place, tmp_path)
    assert (state, lines) == ("complete", ["x"])
    assert pauses == [20] * 4


def test_following_gives_up_at_last_and_says_that_the_run_goes_on(tmp_path):
    place = Place(streams=[["x\n"]], statuses=[LOST] * PATIENCE)
    with pytest.raises(Failed, match=f"no answer after {PATIENCE} tries") as caught:
        followed(place, tmp_path)
    assert "the run goes on" in caught.value.hint


@given(st.lists(st.text("ab\n", max_size=6), max_size=12))
def test_lines_do_not_depend_on_where_records_end(chunks):
    lines = Lines()
    found = [line for chunk in chunks for line in lines.feed("stdout", chunk)] + list(lines.rest())
    whole = "".join(chunks).split("\n")
    assert found == whole[:-1] + [line for line in whole[-1:] if line]


def test_streams_do_not_mix_and_bars_collapse():
    lines = Lines()
    fed = [("stdout", "par"), ("stderr", "10%\r20%"), ("stdout", "tial\n"), ("stderr", "\r100%\nwindows\r\n")]
    assert [line for stream, data in fed for line in lines.feed(stream, data)] == ["partial", "100%", "windows"]


def manifest(**contents: bytes) -> bytes:
    entries = [
        {"name": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in contents.items()
    ]
    return json.dumps({"files": entries}).encode()


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(fetching, "FIRST_PAUSE", 0)
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda seconds: None)


def test_fetching_verifies_and_a_second_time_moves_nothing(tmp_path):
    contents = {"a.bin": b"aaaa", "deep/er/b.bin": b"b" * 100}
    place = Place(contents={**contents, "manifest.json": manifest(**contents)})
    told = []
    assert fetch(place, REF, tmp_path / "out", lambda name, size: told.append((name, size))).moved == 2
    assert sorted(told) == [("a.bin", 4), ("deep/er/b.bin", 100)]
    for name, content in contents.items():
        assert (tmp_path / "out" / name).read_bytes() == content
    assert files.read_json(tmp_path / "out" / "manifest.json") == json.loads(place.contents["manifest.json"])
    place.downloads.clear()
    assert fetch(place, REF, tmp_path / "out").moved == 0
    assert [source.split("?")[0] for source in place.downloads] == ["manifest.json"]
    (tmp_path / "out" / "a.bin").write_bytes(b"aXaa")
    assert fetch(place, REF, tmp_path / "out").moved == 1
    assert (tmp_path / "out" / "a.bin").read_bytes() == b"aaaa"


def test_damage_and_lost_lines_are_tried_again_with_a_fresh_address(tmp_path):
    good = b"0123456789"
    place = Place(contents={"a.bin": [b"012345678", LOST, good], "manifest.json": [LOST, manifest(**{"a.bin": good})]})
    assert fetch(place, REF, tmp_path).moved == 1
    assert (tmp_path / "a.bin").read_bytes() == good
    addresses = [source for source in place.downloads if source.startswith("a.bin")]
    assert len(set(addresses)) == 3, "an address expires: each attempt lists again"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.bin", "manifest.json"], "no .part is left"


def test_what_stays_damaged_is_an_error_and_leaves_nothing_behind(tmp_path):
    place = Place(
        contents={
            "a.bin": b"wrong",
            "b.bin": b"right",
            "manifest.json": manifest(**{"a.bin": b"other", "b.bin": b"right"}),
        }
    )
    with pytest.raises(LostConnection, match=r"a\.bin arrived damaged"):
        fetch(place, REF, tmp_path)
    assert not (tmp_path / "a.bin").exists()
    assert not (tmp_path / "manifest.json").exists(), "the manifest says that all of it is here"
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("name", ["../out.txt", "/etc/passwd", "a/../../x", "..", "a\\..\\..\\x"])
def test_names_that_lead_out_are_refused(tmp_path, name):
    with pytest.raises(Failed, match="refused"):
        fetch(Place(contents={name: b"x"}), REF, tmp_path / "in" / "side")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_file_that_is_promised_and_not_listed(tmp_path):
    place = Place(contents={"manifest.json": manifest(gone=b"x", here=b"yy"), "here": b"yy"})
    with pytest.raises(Failed, match="says that it wrote gone"):
        fetch(place, REF, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["here"], "what is right stays, and nothing says it is all"


def test_a_listing_that_is_refused_for_a_moment_is_asked_for_again(tmp_path):
    place = Place(contents={"a.bin": b"abc"}, refusals=2)
    assert fetch(place, REF, tmp_path).moved == 1
    assert place.refusals == 0


def test_without_a_manifest_everything_is_fetched_and_nothing_is_claimed(tmp_path):
    place = Place(contents={"a.bin": b"abc"})
    assert fetch(place, REF, tmp_path).moved == 1
    assert fetch(place, REF, tmp_path).moved == 1, "nobody can say that it is right"
    assert not (tmp_path / "manifest.json").exists()


def test_a_manifest_that_is_no_manifest(tmp_path):
    for content in (b"<html>", b"[]", b'{"files": [{"name": "a"}]}', b'{"files": [{"name": 3, "bytes": 1}]}'):
        with pytest.raises(Failed, match=r"the manifest of .* is not one"):
            fetch(Place(contents={"manifest.json": content}), REF, tmp_path)


class Clock:
    """Shows the time that it was set to."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("every", [0.05, 1.9, 30.0], ids=["chatty", "steady", "quiet"])
def test_a_replay_ends_where_the_present_begins(every):
    """A day of records comes in two seconds, the rest as it is written: nobody waits for more than a few of those."""
    now, written = 86_400.0, [n * every for n in range(round(86_400 / every))]
    clock = Clock(now)

    def stream():
        for number, seconds in enumerate(written):
            clock.now = now + 2 * number / len(written)
            yield LogRecord("stdout", seconds, "x")
        for number in range(1000):
            clock.now = now + 2 + number * every
            yield LogRecord("stdout", now + number * every, "x")

    seen = sum(1 for _ in until_now(stream(), clock))
    assert len(written) <= seen <= len(written) + 2 + 5 / every
