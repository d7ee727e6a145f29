"""`submit.py send` through the official client: once, checked, waited for, remembered."""

import json
import shutil
from pathlib import Path

import pytest

from lib import files
from lib.launching.kaggle.uploads import TRIES
from lib.submissions import expected
from lib.submissions.truth import score_file, truth_in
from tests.loopback import Competition, HtmlPage, Refuse, Replace, Reset, Slow
from tests.programs import Program, interrupt, program_in, wait_for


@pytest.fixture
def sender(server, submission, scenes, tmp_path, cache, competition) -> Program:
    """The main job's run, copied, of a competition that is on Kaggle and scores with this kit's own rule."""
    owner, made = submission
    run = tmp_path / "runs" / made["run"]
    shutil.copytree(owner.runs / made["run"], run, ignore=shutil.ignore_patterns("session"))
    own = (run / "competition.toml").read_text()
    (run / "competition.toml").write_text(own + '\n[kaggle]\ncompetition = "land-from-above"\n')
    content = files.read_json(run / "run.json")
    for entry in content["submissions"]:
        entry["file"] = str(run / "submission.csv")
    files.write_json(run / "run.json", content)

    def scorer(path):
        truth = truth_in(scenes / "truth", competition)
        return round(score_file(path, competition, expected(competition, truth.sizes), truth)[0].value, 5)

    server.competitions["land-from-above"] = Competition(scorer=scorer)
    server.scoring_polls = 2
    server.submission_lag = 1
    return program_in(tmp_path, cache, **server.client_env(tmp_path / "home"), SWATH_POLL_SECONDS="0.05")


def ledger(sender: Program) -> list[dict]:
    (path,) = sender.runs.glob("*/run.json")
    return json.loads(path.read_text())["submissions"]


def test_a_submission_is_sent_scored_and_remembered(server, sender):
    entry = sender.json("submit.py", "send")
    assert entry["status"] == "COMPLETE"
    assert entry["public_score"] == round(entry["score"]["score"], 5)
    assert [sent.competition for sent in server.submissions] == ["land-from-above"]
    (run,) = sender.runs.glob("2*")
    assert server.submissions[0].file.read_bytes() == (run / "submission.csv").read_bytes()
    assert run.name in server.submissions[0].description
    assert ledger(sender)[-1]["public_score"] == entry["public_score"]

    again = sender("submit.py", "send", code=3)
    assert "would cost a second submission" in again.stderr
    assert len(server.submissions) == 1


def test_a_file_changed_since_its_check_is_checked_again(server, sender):
    (path,) = sender.runs.glob("*/submission.csv")
    path.write_text(path.read_text().replace("5000_0,", "5000_9,", 1))
    done = sender("submit.py", "send", code=3)
    assert "would be wasted" in done.stderr
    assert "5000_9" in done.stderr
    assert server.count("StartSubmissionUpload") == 0


def test_somebody_elses_file_is_checked_and_sent(server, sender, tmp_path):
    (path,) = sender.runs.glob("*/submission.csv")
    own = tmp_path / "mine.csv"
    own.write_text("\n".join(line.split(",")[0] + "," for line in path.read_text().splitlines()[1:]))
    own.write_text("ImageClassId,rle_mask\n" + own.read_text() + "\n")
    entry = sender.json("submit.py", "send", own, "-m", "an empty one")
    assert entry["public_score"] == 0.0
    assert server.submissions[0].description.startswith("an empty one")
    (run,) = sender.runs.glob("2*")
    assert sender.json("submit.py", "send")["file"] == str(run / "submission.csv"), "without a name: the run's own"
    assert len(server.submissions) == 2


@pytest.mark.parametrize(
    "fault",
    [Reset(work_done=True), Refuse(408, work_done=True), HtmlPage(200, work_done=True), Replace({}, work_done=True)],
    ids=["reset", "timeout", "html", "empty"],
)
def test_an_answer_that_is_lost_is_looked_for_and_not_asked_for_twice(server, sender, fault):
    server.faults.add("CreateSubmission", fault)
    entry = sender.json("submit.py", "send")
    assert entry["status"] == "COMPLETE"
    assert entry["public_score"] == round(entry["score"]["score"], 5)
    assert len(server.submissions) == 1
    assert sender("submit.py", "send", code=3).stderr.count("second submission") == 1


def test_what_is_neither_answered_nor_listed_is_not_sent_again_before_it_is_sure(server, sender):
    server.faults.add("CreateSubmission", Reset())
    server.faults.add("ListSubmissions", HtmlPage(503), times=3)
    done = sender("submit.py", "send", code=1)
    assert "may or may not have been made" in done.stderr
    assert "it may still arrive" in sender("submit.py", "send", code=1).stderr
    assert server.submissions == []
    (path,) = sender.runs.glob("*/run.json")
    content = files.read_json(path)
    content["submissions"][-1]["sent"] = "2026-01-01T00:00:00+00:00"
    files.write_json(path, content)
    assert sender.json("submit.py", "send")["status"] == "COMPLETE"
    assert len(server.submissions) == 1


@pytest.mark.parametrize(
    ("route", "fault", "times"),
    [
        ("upload", Refuse(403, "The address has expired."), 1),
        ("StartSubmissionUpload", HtmlPage(503), TRIES + 1),
        ("StartSubmissionUpload", Reset(), TRIES + 1),
    ],
    ids=["upload", "busy", "reset"],
)
def test_an_upload_that_fails_submits_nothing_and_may_be_repeated(server, sender, route, fault, times):
    server.faults.add(route, fault, times)
    done = sender("submit.py", "send", code=3)
    assert "nothing was submitted" in done.stderr
    assert server.submissions == []
    assert sender.json("submit.py", "send")["status"] == "COMPLETE"


def test_who_leaves_while_the_score_is_awaited_can_come_back_for_it(server, sender):
    server.scoring_polls = 10**6
    waiting = sender.start("submit.py", "send")
    wait_for(lambda: server.count("GetSubmission") > 3)
    said = interrupt(waiting)
    assert waiting.returncode == 130
    assert "next: python submit.py send" in said
    server.scoring_polls = 0
    assert sender.json("submit.py", "send")["public_score"] > 0.7
    assert len(server.submissions) == 1


def test_who_leaves_while_the_answer_is_awaited_is_told_how_to_go_on(server, sender):
    server.faults.add("CreateSubmission", Slow(30, work_first=True))
    leaving = sender.start("submit.py", "send")
    wait_for(lambda: server.submissions)
    said = interrupt(leaving)
    assert leaving.returncode == 130
    (command,) = (line for line in said.splitlines() if line.startswith("next: "))
    assert "submit.py send" in command
    assert "sends nothing twice" in command
    assert "ref" not in ledger(sender)[-1]

    for _ in range(4):  # until it is listed, and then until it is scored
        sender("submit.py", "status")
    assert ledger(sender)[-1]["public_score"] > 0.7
    assert "would cost a second submission" in sender("submit.py", "send", code=3).stderr
    assert len(server.submissions) == 1


def test_of_several_at_once_one_submits(server, sender):
    server.faults.add("StartSubmissionUpload", Slow(0.5), times=None)
    together = [sender.start("submit.py", "send") for _ in range(3)]
    codes = sorted(process.wait(timeout=120) for process in together)
    assert len(server.submissions) == 1
    assert codes[0] == 0
    for process in together:
        process.communicate()


def test_the_same_content_is_not_sent_from_another_run(server, sender):
    sender("submit.py", "send")
    (run,) = sender.runs.glob("2*")
    later = run.with_name("2" + run.name[1:-4] + "zzzz")
    shutil.copytree(run, later)
    content = files.read_json(later / "run.json")
    for entry in content["submissions"]:
        for key in ("sent", "sent_to", "copy", "ref", "status", "public_score"):
            entry.pop(key, None)
    files.write_json(later / "run.json", content)
    done = sender("submit.py", "send", "--run", later.name, code=3)
    assert "would cost a second submission" in done.stderr
    assert run.name in done.stderr
    assert len(server.submissions) == 1


def test_the_score_goes_to_what_was_sent_whatever_happens_to_the_file(server, sender):
    server.scoring_polls = 60
    (path,) = sender.runs.glob("*/submission.csv")
    before = path.read_bytes()
    sending = sender.start("submit.py", "send", "--json")
    wait_for(lambda: server.count("GetSubmission"))
    path.write_text("overwritten")
    entry = json.loads(sending.communicate(timeout=120)[0])
    assert entry["public_score"] > 0.7
    assert Path(entry["copy"]).read_bytes() == before, "what was sent is kept"
    assert ledger(sender)[-1] == entry


def test_a_file_of_another_competition_is_checked_by_that_ones_rules(server, sender, tmp_path):
    (run,) = sender.runs.glob("2*")
    other = (run / "competition.toml").read_text().replace('sample = "sample_submission.csv"', "")
    other = other.replace('["ImageClassId", "rle_mask"]', '["id", "px"]')
    (tmp_path / "other.toml").write_text(other)
    done = sender("submit.py", "send", "-c", tmp_path / "other.toml", code=3)
    assert "would be wasted" in done.stderr
    assert server.count("StartSubmissionUpload") == 0


def test_a_file_of_validation_images_is_no_submission(server, sender):
    (run,) = sender.runs.glob("2*")
    own = (run / "competition.toml").read_text()
    start, end = own.index("[data.test]"), own.index("[masks]")
    (run / "competition.toml").write_text(own[:start] + own[end:])
    made = sender.json("submit.py", "--tta", "none")
    assert made["which"] == "validation"
    done = sender("submit.py", "send", code=3)
    assert "images that the run held out" in done.stderr
    assert server.count("StartSubmissionUpload") == 0


def test_rules_that_were_not_accepted(server, sender):
    server.competitions["land-from-above"].user_has_entered = False
    done = sender("submit.py", "send", code=3)
    assert "accept this competition's rules" in done.stderr
    assert ledger(sender)[-1].get("sent") is None


def test_waiting_survives_a_busy_server_and_tells_of_a_file_that_cannot_be_scored(server, sender):
    def broken(path):
        raise ValueError("Submission contains null values")

    server.competitions["land-from-above"].scorer = broken
    server.faults.add("GetSubmission", HtmlPage(503), times=2)
    done = sender("submit.py", "send", code=1)
    assert "could not score submission" in done.stderr
    assert "null values" in done.stderr
    assert ledger(sender)[-1]["status"] == "ERROR"


def test_a_competition_that_is_not_on_kaggle(submission):
    program, _ = submission
    assert "sample has no competition on Kaggle" in program("submit.py", "send", code=3).stderr
