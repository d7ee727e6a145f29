"""`submit.py send --code`: a version pushed, run, checked, submitted once and waited for, from any stage."""

import sys

import pytest

from lib import files
from tests.loopback import Competition, HtmlPage, Refuse, Reset
from tests.loopback.quick_kernel import quick_python
from tests.programs import Program, interrupt, only, program_in, threads, wait_for
from tests.ready import SLUG, field, ready_run

WORDS = ("submit.py", "send", "--code", "--gpu", "none")

QUICK = """
import hashlib, json, pathlib, time
while pathlib.Path("{gate}").exists():
    time.sleep(0.02)
file = pathlib.Path("submission.csv")
file.write_text({text!r})
sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
made = {{"file": "submission.csv", "sha256": sha256, "bytes": 1, "rows": 3, "images": 3, "which": "test"}}
made |= {{"sample": None, "problems": [], "score": None, "made_of": {{"tta": "none"}}}}
pathlib.Path("summary.json").write_text(json.dumps({{"finished": True, "submission": made}}))
"""
RIGHT = "id,rle\nt2,\nt1,\nt0,1 3\n"


def count_rows(path):
    """The hidden set has five images, the visible one three."""
    return (len(path.read_text().splitlines()) - 1) / 10


@pytest.fixture
def sender(server, tmp_path) -> Program:
    """A run that was trained here, and a code competition for it; sessions end at once with a right file."""
    data = field(tmp_path / "data")
    ready_run(tmp_path / "runs", data)
    hidden = field(tmp_path / "hidden", tests=5, seed=3)
    server.competitions[SLUG] = Competition(count_rows, data=data, hidden=hidden, code_only=True)
    server.scoring_polls = 0
    server.python = quick_python(tmp_path)
    server.env["QUICK_KERNEL_SCRIPT"] = QUICK.format(gate=tmp_path / "gate", text=RIGHT)
    own = {**server.client_env(tmp_path / "home"), "SWATH_POLL_SECONDS": "0.05"}
    return program_in(tmp_path, tmp_path / "cache", **own)


def predicting(sender: Program) -> dict:
    """The run.json of the one run that predicts."""
    found = [files.read_json(path) for path in sender.runs.glob("*/run.json")]
    return only({run["id"]: run for run in found if run["kernel"] == "predict"})


def test_a_version_is_run_checked_submitted_and_rerun_on_hidden_images(server, sender):
    """With the real kernel: here on three images, there on five others."""
    server.python, server.env = sys.executable, threads()
    done = sender(*WORDS)
    version = only(server.kernels).latest
    assert version.metadata["enableInternet"] is False
    assert version.metadata["competitionDataSources"] == [SLUG]
    assert version.metadata["sessionTimeoutSeconds"] == 9 * 3600
    (dataset,) = version.metadata["datasetDataSources"]
    assert [path.name for path in server.datasets[dataset].iterdir()] == ["20260101-000000-field-abcd.safetensors"]
    assert "was checked again here: nothing wrong" in done.stderr
    (submission,) = server.submissions
    assert submission.score == 0.5
    assert "public score 0.5" in done.stdout
    (entry,) = predicting(sender)["submissions"]
    assert (entry["public_score"], entry["rank"], entry["problems"]) == (0.5, 1, [])
    assert entry["kernel"].endswith(" v1")

    again = sender(*WORDS, code=3)
    assert "would cost a second submission" in again.stderr
    assert (server.count("SaveKernel"), server.count("CreateCodeSubmission")) == (1, 1)


def test_who_leaves_comes_back_to_the_stage_that_was_reached(server, sender, tmp_path):
    (tmp_path / "gate").touch()
    first = sender.start(*WORDS)
    wait_for(lambda: server.count("GetKernelSessionStatus"))
    first.kill()
    first.communicate()
    (tmp_path / "gate").unlink()
    server.scoring_polls = 10**6
    second = sender.start(*WORDS)
    wait_for(lambda: server.count("GetSubmission") > 2)
    assert "next: python submit.py send --code --run 20260101-000000-field-abcd" in interrupt(second)
    server.scoring_polls = 0
    assert sender.json(*WORDS)["status"] == "COMPLETE"
    assert (server.count("SaveKernel"), server.count("CreateCodeSubmission")) == (1, 1)


def test_of_two_at_once_one_pushes_and_one_submits(server, sender):
    together = [sender.start(*WORDS) for _ in range(2)]
    codes = [process.wait(timeout=120) for process in together]
    said = [process.communicate()[1] for process in together]
    assert 0 in codes, said
    assert (server.count("SaveKernel"), server.count("CreateCodeSubmission")) == (1, 1)


def test_a_lost_answer_is_looked_for_and_not_asked_for_twice(server, sender):
    server.faults.add("CreateCodeSubmission", Reset(work_done=True))
    server.faults.add("ListSubmissions", HtmlPage(503), times=3)
    assert "may or may not have been made" in sender(*WORDS, code=1).stderr
    assert sender.json(*WORDS)["status"] == "COMPLETE"
    assert (server.count("SaveKernel"), len(server.submissions)) == (1, 1)


def test_a_refused_submission_costs_no_second_session(server, sender):
    server.faults.add("CreateCodeSubmission", Refuse(400, "Submission not allowed: not now."))
    assert "not now" in sender(*WORDS, code=3).stderr
    assert "going on with" in sender(*WORDS).stderr
    assert (server.count("SaveKernel"), len(server.submissions)) == (1, 1)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("raise SystemExit(1)", "nothing was submitted"),
        (QUICK.format(gate="/none", text="id,rle\nt2,\n"), "2 ids missing"),
    ],
    ids=["fails", "wrong file"],
)
def test_what_goes_wrong_in_the_session_submits_nothing(server, sender, script, said):
    server.env["QUICK_KERNEL_SCRIPT"] = script
    code = 1 if "SystemExit" in script else 3
    assert said in sender(*WORDS, code=code).stderr
    assert server.count("CreateCodeSubmission") == 0


def test_nothing_is_pushed_for_a_competition_that_would_not_take_it(server, sender):
    server.competitions[SLUG].code_only = False
    assert "takes files, not kernels" in sender(*WORDS, code=3).stderr
    assert "leave FILE out" in sender(*WORDS, "a.csv", code=2).stderr
    server.competitions[SLUG].code_only = True
    plan = sender.json(*WORDS, "--dry-run")
    assert plan["metadata"]["enable_internet"] is False
    assert server.count("SaveKernel") == 0
    assert [member["run"] for member in plan["members"]] == ["20260101-000000-field-abcd"]
