"""What `submit.py send` says and refuses before anything is spent; uploads that go on where they stopped."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lib import files
from lib.errors import Refused
from lib.launching.kaggle import board
from lib.launching.kaggle.board import Board
from tests.loopback import Competition, CutUpload, HtmlPage, Refuse, Replace, Reset, Slow
from tests.programs import Program, program_in, wait_for
from tests.ready import SLUG, field, ready_run, with_file

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def sender(server, tmp_path, monkeypatch) -> Program:
    """A run with a checked file, whose competition scores every file with 0.75."""
    monkeypatch.setenv("SWATH_RUNS", str(tmp_path / "runs"))
    with_file(ready_run(tmp_path / "runs", field(tmp_path / "data")), flip=0.1)
    server.competitions[SLUG] = Competition(lambda path: 0.75, others=(0.9, 0.7), metric="Mean Dice")
    server.scoring_polls = 0
    own = {**server.client_env(tmp_path / "home"), "SWATH_POLL_SECONDS": "0.05"}
    return program_in(tmp_path, tmp_path / "cache", **own)


def entries(sender: Program) -> list[dict]:
    (path,) = sender.runs.glob("*/run.json")
    return files.read_json(path)["submissions"]


def test_before_it_is_sent_everything_that_counts_is_shown_and_dry_nothing_else_happens(server, sender):
    for words in (("--dry-run",), ()):
        done = sender("submit.py", "send", *words)
        assert f"{SLUG}, scored on Kaggle by Mean Dice" in done.stderr
        assert "0 of 5 used today, 5 left" in done.stderr
        assert "2100-01-01 00:00 UTC, in " in done.stderr
        assert "local 0.9" in done.stderr
        assert "nothing scored there yet from this machine" in done.stderr
        assert server.count("StartSubmissionUpload") == len(server.submissions) == (not words)
        assert ("sent" in entries(sender)[0]) == (not words)
    assert "public score 0.75, rank 2; the local score was 0.9" in done.stdout
    (entry,) = entries(sender)
    assert (entry["public_score"], entry["rank"], entry["status"]) == (0.75, 2, "COMPLETE")
    assert entry["made_of"] == {"run": "20260101-000000-field-abcd", "tta": "d4"}
    assert "would cost a second submission" in sender("submit.py", "send", "--dry-run", code=3).stderr


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"user_has_entered": False}, f"accept them in a browser: https://www.kaggle.com/competitions/{SLUG}/rules"),
        ({"deadline": datetime.now(UTC) - timedelta(days=3.2)}, f"the deadline of {SLUG} passed 3 days ago"),
        ({"code_only": True}, "python submit.py send --code"),
    ],
    ids=["rules", "deadline", "code"],
)
def test_what_the_competition_would_not_take_is_refused_before_it_costs(server, sender, changes, said):
    for name, value in changes.items():
        setattr(server.competitions[SLUG], name, value)
    done = sender("submit.py", "send", code=3)
    assert said in done.stderr
    assert server.count("StartSubmissionUpload") == 0
    assert server.submissions == []
    assert "sent" not in entries(sender)[0]


def test_a_late_first_submission_of_a_new_team_is_sent_where_it_is_asked_for(server, sender):
    """Kaggle says zero of everything to who is on no team yet."""
    server.competitions[SLUG].deadline = datetime.now(UTC) - timedelta(hours=1)
    server.competitions[SLUG].takes_late = server.competitions[SLUG].no_team_yet = True
    server.competitions[SLUG].others, server.competitions[SLUG].tells_rank = (0.9, 0.8, 0.77, 0.76, 0.1), False
    done = sender("submit.py", "send", "--late")
    assert "none made yet, 5 a day" in done.stderr
    assert "public score 0.75, rank 5" in done.stdout, "read from the leaderboard, two teams a page"


def test_none_left_today(server, sender, tmp_path):
    server.competitions[SLUG].daily_limit = 1
    sender("submit.py", "send")
    (run,) = sender.runs.glob("2*")
    text = (run / "submission.csv").read_text().splitlines()
    (tmp_path / "other.csv").write_text("\n".join([text[0], text[1].split(",")[0] + ",1 3", *text[2:]]) + "\n")
    done = sender("submit.py", "send", tmp_path / "other.csv", code=3)
    assert "no submission to field-segmentation is left today: 1 submissions were made today" in done.stderr
    assert "send again after midnight UTC" in done.stderr
    assert "best public so far 0.75 (20260101-000000-field-abcd)" in done.stderr
    assert len(server.submissions) == 1


@pytest.mark.parametrize(
    ("board_", "said"),
    [
        (Board("a", left=0, today=5, daily=5), "in 12h00m"),
        (Board("a", left=0, total=9, is_total_reached=True), "all 9 that it has"),
        (Board("a", deadline=NOON - timedelta(minutes=5)), "passed 5m00s ago"),
        (Board("a", disabled=True), "takes no submissions now"),
    ],
)
def test_when_they_come_back(board_, said):
    with pytest.raises(Refused) as caught:
        board.must_take(board_, now=NOON)
    assert said in f"{caught.value.reason} {caught.value.hint}"


def test_a_question_without_an_answer_and_a_hidden_score_stand_in_nobodys_way(server, sender):
    server.faults.add("GetCompetition", HtmlPage(503))
    server.faults.add("GetSubmissionLimits", HtmlPage(200))
    server.competitions[SLUG].hides_scores = True
    done = sender("submit.py", "send")
    assert done.stderr.count("Kaggle did not say") == 2
    assert "public score hidden" in done.stdout
    assert entries(sender)[0]["public_score"] is None
    assert "its score is hidden" in sender("submit.py", "send", code=3).stderr
    assert len(server.submissions) == 1


def test_an_upload_goes_on_where_the_connection_broke(server, sender):
    size = entries(sender)[0]["bytes"]
    server.faults.add("upload", CutUpload(10))
    sender("submit.py", "send")
    assert server.urls.pieces == [10, size - 10]
    assert len(server.submissions) == 1
    assert server.count("StartSubmissionUpload") == 1


def test_an_upload_goes_on_where_a_killed_process_was(server, sender):
    size = entries(sender)[0]["bytes"]
    server.faults.add("upload", CutUpload(10))
    server.faults.add("upload", Slow(60))
    sending = sender.start("submit.py", "send")
    wait_for(lambda: server.urls.pieces == [10] and len(server.faults.pending) == 0)
    sending.kill()
    sending.communicate()
    assert entries(sender)[0]["status"] == "uploading"
    entry = sender.json("submit.py", "send")
    assert entry["public_score"] == 0.75
    assert server.urls.pieces == [10, size - 10]
    assert server.count("StartSubmissionUpload") == 1
    assert len(server.submissions) == 1


def long_ago(sender: Program) -> None:
    """Let the submission whose answer was lost have been asked for months ago."""
    (path,) = sender.runs.glob("*/run.json")
    content = files.read_json(path)
    content["submissions"][-1]["sent"] = "2026-01-01T00:00:00+00:00"
    files.write_json(path, content)


ODD = Replace({"submissions": [{"status": "ODD"}]})


@pytest.mark.parametrize("fault", [HtmlPage(503), Refuse(400, "No."), ODD], ids=["busy", "no", "odd"])
def test_a_list_that_is_not_given_is_not_one_without_the_submission(server, sender, fault):
    server.faults.add("CreateSubmission", Reset(work_done=True))
    server.faults.add("ListSubmissions", fault, times=4)
    assert "may or may not have been made" in sender("submit.py", "send", code=1).stderr
    long_ago(sender)
    assert "whether it was made is not known" in sender("submit.py", "send", code=1).stderr
    assert sender.json("submit.py", "send")["status"] == "COMPLETE"
    assert len(server.submissions) == 1


def test_a_copy_stays_with_the_score_that_it_has_elsewhere(server, sender):
    first = sender.json("submit.py", "send")
    (run,) = sender.runs.glob("2*")
    text = (run / "competition.toml").read_text().replace(SLUG, "another-one")
    (run / "another.toml").write_text(text)
    server.competitions["another-one"] = Competition(lambda path: 0.5)
    server.faults.add("CreateSubmission", Refuse(400, "No."))
    sender("submit.py", "send", "-c", run / "another.toml", code=3)
    assert files.sha256(Path(first["copy"])) == first["sha256"]
