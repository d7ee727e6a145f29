"""log.txt and metrics.csv: written as they come, never doubled, whole after a kill; alarms and the table that moves."""

import csv
import json
import os
import signal

import pytest

from lib.errors import Failed
from lib.launching.following import follow as following
from lib.launching.following import queueing
from lib.launching.following.follow import DELETED, Follower, follow, look
from lib.launching.following.live_table import draw
from lib.launching.following.log_file import Keeper
from lib.launching.following.metrics_file import MetricsFile
from lib.launching.following.training_progress import Progress, parse
from lib.launching.session import KernelRef, LogRecord, LostConnection, NotThere, Status, StreamRefused

REF = KernelRef("me", "kernel", 1)


def said(step: int, **more) -> str:
    return "@progress " + json.dumps({"epoch": 1, "step": step, "steps": 9, "seconds": 2.0 * step, **more}) + "\n"


def keep(keeper: Keeper, *texts: str) -> list[str]:
    return [line for number, text in enumerate(texts) for line in keeper.take(LogRecord("stdout", float(number), text))]


def rows(path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_two_readers_and_any_number_of_replays_write_the_log_once(tmp_path):
    log = tmp_path / "log.txt"
    texts = ["devices: 2\n", said(1), "half ", "line\n", said(2), "ümläut \ud83d\n"]
    first, second = Keeper(log), Keeper(log)
    keep(first, *texts[:3])
    keep(second, *texts[:5])
    assert keep(first, *texts[3:])[0] == "half line"
    keep(second, texts[5])
    keep(Keeper(log), *texts)
    assert log.read_text() == "".join(texts).encode("utf-8", "replace").decode()
    assert [row["step"] for row in rows(tmp_path / "metrics.csv")] == ["1", "2"]


def test_what_a_killed_reader_left_half_written_is_completed(tmp_path):
    texts = [said(1), "ünïcode\n", said(2), said(3)]
    keep(Keeper(tmp_path / "whole.txt"), *texts)
    whole = (tmp_path / "whole.txt").read_bytes()
    table = (tmp_path / "metrics.csv").read_bytes()
    for cut in range(0, len(whole) + 1, 7):
        (tmp_path / "log.txt").write_bytes(whole[:cut])
        (tmp_path / "metrics.csv").write_bytes(table[:cut])
        keep(Keeper(tmp_path / "log.txt"), *texts)
        assert (tmp_path / "log.txt").read_bytes() == whole
        assert (tmp_path / "metrics.csv").read_bytes() == table


def test_a_later_session_stands_behind_the_earlier_ones(tmp_path):
    log = tmp_path / "log.txt"
    keep(Keeper(log), "first\n", said(1))
    start = log.stat().st_size
    for _ in range(2):
        keep(Keeper(log, start, session=2), "second\n", said(2))
    assert log.read_text() == "first\n" + said(1) + "second\n" + said(2)
    assert [(row["session"], row["step"]) for row in rows(tmp_path / "metrics.csv")] == [("1", "1"), ("2", "2")]


def test_a_log_that_somebody_cuts_short_is_not_called_whole(tmp_path):
    keeper = Keeper(tmp_path / "log.txt")
    keep(keeper, "one\n", "two\n")
    (tmp_path / "log.txt").write_text("")
    keep(keeper, "three\n")
    assert (tmp_path / "log.txt").read_text() == ""
    assert not keeper.file.is_whole
    keep(Keeper(tmp_path / "log.txt"), "one\n", "two\n", "three\n")
    assert (tmp_path / "log.txt").read_text() == "one\ntwo\nthree\n"


def test_the_metrics_of_gpus_widen_the_table_and_foreign_columns_stay(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text("session,time,note\n1,0.5,mine\n")
    table = MetricsFile(path, session=2)
    table.add(parse(said(1).strip()), 1.04)
    gpus = [{"use": 0.5, "memory": 2e9, "of": 16e9}, {"use": 1, "memory": 3e9, "of": 16e9}]
    table.add(parse(said(2, loss=0.5, metric=0.25, lr=0.001, data_wait=0.1, gpus=gpus).strip()), 2.0)
    found = rows(path)
    assert [row["session"] for row in found] == ["1", "2", "2"]
    assert found[0]["note"] == "mine"
    assert list(found[0])[:3] == ["session", "time", "note"]
    assert list(found[0])[-4:] == ["gpu0_use", "gpu0_memory_gb", "gpu1_use", "gpu1_memory_gb"]
    assert found[-2]["gpu1_use"] == ""
    assert (found[-2]["time"], found[-1]["gpu1_memory_gb"], found[-1]["metric"]) == ("1.0", "3.0", "0.25")


def test_odd_progress_lines_are_no_error(tmp_path):
    odd = ["@progress {}", '@progress {"epoch": "two", "gpus": 3, "loss": true}', '@progress {"seconds": Infinity}']
    assert [parse(line) for line in odd] == [Progress()] * 3
    keep(Keeper(tmp_path / "log.txt"), *(f"{line}\n" for line in odd))
    assert len(rows(tmp_path / "metrics.csv")) == 3
    assert "epoch -/-" in draw(Progress(), "Dice", None, None).plain


def test_bars_without_end_do_not_pile_up(tmp_path):
    keeper = Keeper(tmp_path / "log.txt")
    assert keep(keeper, *(f"\r{number}%" for number in range(100))) == []
    assert keeper.lines.open == {"stdout": "99%"}
    assert keep(keeper, "\r", "\n") == ["99%"]


class Clock:
    """Shows the time that it was set to; its `sleep` sets it on."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Place:
    """Statuses in order, the last one for ever; a stream that is what `logs` says."""

    def __init__(self, statuses, logs=lambda: iter(()), has_kernel=False):
        self.statuses, self.stream, self.has_kernel, self.asked = list(statuses), logs, has_kernel, []

    def status(self, ref):
        answer = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        if isinstance(answer, Exception):
            raise answer
        return Status(answer)

    def logs(self, ref, live=True):
        self.asked.append(live)
        yield from self.stream()

    def find(self, slug):
        return REF if self.has_kernel else None


def test_a_refused_stream_is_tried_again_now_and_then_and_at_the_end(tmp_path):
    clock, tries = Clock(), []

    def refuse():
        tries.append(clock.now)
        if clock.now < 2002:
            raise StreamRefused("no")
        yield LogRecord("stdout", 0.0, "all of it\n")

    lines = []
    place = Place(["running"] * 100 + ["complete"], refuse)
    keeper = Keeper(tmp_path / "log.txt")
    ended = Follower(place, REF, keeper, lambda line, seconds: lines.append(line), 20, clock.sleep, clock).to_end()
    assert tries[:6] == [0, 40, 120, 280, 580, 880], "each pause is twice the last, up to five minutes"
    assert tries[-2:] == [2000, 2002], "the end of a session is read at once"
    assert (ended.status.state, ended.log_whole, lines) == ("complete", True, ["all of it"])


def test_an_answer_that_is_shorter_than_what_was_seen_is_not_the_whole_log(tmp_path):
    streams = [["a\n", "b\n"], ["a\n"], [], ["a\n", "b\n", "c\n"]]
    place = Place(["complete"], lambda: (LogRecord("stdout", 0.0, text) for text in streams.pop(0)))
    keeper = Keeper(tmp_path / "log.txt")
    assert Follower(place, REF, keeper, lambda line, seconds: None, 1, lambda seconds: None).to_end().log_whole
    assert (tmp_path / "log.txt").read_text() == "a\nb\nc\n"


def test_a_ctrl_c_between_two_lines_waits_for_the_second(tmp_path):
    """Following may go on after it: no line is lost, and none is said twice."""
    lines = []

    def show(line, seconds):
        lines.append(line)
        if line == "a":
            os.kill(os.getpid(), signal.SIGINT)

    place = Place(["complete"], lambda: iter([LogRecord("stdout", 0.0, "a\nb\n"), LogRecord("stdout", 1.0, "c\n")]))
    follower = Follower(place, REF, Keeper(tmp_path / "log.txt"), show, 1, lambda seconds: None)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            follower.to_end()
        assert lines == ["a", "b"]
        assert follower.to_end().log_whole
    finally:
        signal.signal(signal.SIGINT, before)
    assert lines == ["a", "b", "c"]


def test_a_session_that_said_nothing_has_an_empty_log(tmp_path):
    assert follow(Place(["complete"]), REF, tmp_path / "log.txt", print).log_whole
    assert (tmp_path / "log.txt").read_text() == ""


GONE = NotThere("no such kernel")


def test_a_kernel_counts_as_deleted_when_it_is_missing_again_and_again():
    pauses = []
    status = look(Place([GONE]), REF, 20, pauses.append)
    assert (status.state, status.message, status.is_gone) == ("stopped", DELETED, True)
    assert len(pauses) == following.LOOKS - 1
    assert look(Place([GONE, "running"]), REF, 20, pauses.append).state == "running"
    with pytest.raises(NotThere, match="no such kernel"):
        look(Place([GONE], has_kernel=True), REF, 20, pauses.append)
    with pytest.raises(LostConnection):
        look(Place([LostConnection("…")]), REF, 20, pauses.append)


def test_a_long_queue_is_remarked_on_once_and_left_at_last():
    clock, shown, notes = Clock(), [], []
    with pytest.raises(Failed, match="queued for 2h00m; it stays in the queue") as caught:
        queueing.wait("abc", Place(["queued"]), REF, shown.append, notes.append, 20, clock.sleep, clock)
    assert "launch.py status abc" in caught.value.hint
    assert len(notes) == 1
    assert "queued for 10m00s" in notes[0]
    assert "launch.py stop abc" in notes[0]
    assert shown[1] == "queued for 20s"
    place = Place(["queued", "queued", "running"])
    assert queueing.wait("abc", place, REF, shown.append, notes.append, 20, clock.sleep, clock).state == "running"
