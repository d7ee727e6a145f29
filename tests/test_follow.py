"""Following a place that misbehaves: lost streams, answers that do not come, replays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.errors import Failed
from lib.launching.following.follow import PATIENCE, follow
from lib.launching.following.log_file import Lines
from lib.launching.kaggle.log import until_now
from lib.launching.session import KernelRef, LogRecord, LostConnection, Status

REF = KernelRef("me", "kernel", 1)


class Place:
    """A session from a script: what each call answers, in order; an exception is raised."""

    def __init__(self, streams=(), statuses=()):
        self.streams, self.statuses = list(streams), list(statuses)

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
