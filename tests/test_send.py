"""`submit.py send` through the official client: once, checked, waited for, remembered."""

import json

import pytest

from lib import files
from lib.submissions.truth import score_file, sizes_of, truths
from tests.conftest import Program, program_in
from tests.loopback import Competition, HtmlPage, KaggleServer, Refuse, Reset


@pytest.fixture
def server(tmp_path):
    with KaggleServer(tmp_path / "server") as server:
        yield server


@pytest.fixture
def sender(server, submission, scenes, tmp_path, cache, competition) -> Program:
    """The main job's run, copied, of a competition that is on Kaggle and scores with this kit's own rule."""
    import shutil

    from lib.submissions import expected

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
        paths = truths(competition, scenes / "truth")
        return round(score_file(path, competition, expected(competition, sizes_of(paths)), paths)[0].value, 5)

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
    assert server.submissions[0].description == "an empty one"


def test_an_answer_that_is_lost_is_not_asked_for_twice(server, sender):
    server.faults.add("CreateSubmission", Reset(work_done=True))
    done = sender("submit.py", "send", code=1)
    assert "may or may not have been made" in done.stderr
    assert len(server.submissions) == 1
    assert sender("submit.py", "send", code=3).stderr.count("second submission") == 1
    assert len(server.submissions) == 1


def test_an_upload_that_fails_submits_nothing_and_may_be_repeated(server, sender):
    server.faults.add("upload", Refuse(403, "The address has expired."))
    done = sender("submit.py", "send", code=3)
    assert "Kaggle took no submission" in done.stderr
    assert server.submissions == []
    assert sender.json("submit.py", "send")["status"] == "COMPLETE"


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


def test_a_competition_that_is_not_on_kaggle(submission):
    program, _ = submission
    assert "sample has no competition on Kaggle" in program("submit.py", "send", code=3).stderr
