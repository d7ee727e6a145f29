"""A run followed on Kaggle: refused streams, queues, killed followers, alarms, how it ends and why."""

import csv
import json

import pytest
import requests

from lib import files
from lib.launching.kaggle.log import records
from lib.launching.session import KernelRef, StreamRefused
from tests.following import LAUNCH, launched, log_of, the_run
from tests.loopback import HtmlPage, Refuse, Replace
from tests.loopback.quick_kernel import quick_python
from tests.programs import only, wait_for

FAILS = """
import json, sys, time
gpus = [{"use": 0.01, "memory": 11e9, "of": 15e9}, {"use": 0.9, "memory": 11e9, "of": 15e9}]
for step in range(1, 9):
    record = {"epoch": 1, "epochs": 2, "step": step, "steps": 1000, "loss": float("nan"), "metric": None, "lr": 0.001,
              "images_per_s": 40.0, "data_wait": 0.7, "seconds": 10.0 * step, "limit_s": 60.0, "gpus": gpus}
    print("@progress " + json.dumps(record), flush=True)
    time.sleep(0.1)
time.sleep(1.5)
def main():
    raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 14.74 GiB")
main()
"""
"""A kernel of which everything is wrong."""

IMPATIENT = {f"SWATH_{name}_SECONDS": "0.3" for name in ("IDLE", "WAIT", "LATE")} | {"SWATH_SILENCE_SECONDS": "0.8"}


@pytest.fixture(autouse=True)
def quick(server, tmp_path):
    """These tests are of the launcher: the kernel that is pushed is real, what runs it here is not."""
    server.python = quick_python(tmp_path)


def test_alarms_metrics_and_the_truth_about_a_failure(server, on_kaggle):
    server.env["QUICK_KERNEL_SCRIPT"] = FAILS
    launcher = on_kaggle.start(*LAUNCH, "--set", "train.batch=12", **IMPATIENT)
    shown, talk = launcher.communicate(timeout=120)
    assert launcher.returncode == 1
    for words in (
        "GPU 0 has been idle", "wait for data 70%", "the loss is not a number any more", "no output for 1s",
        "the session ends in 1m00s",
    ):  # fmt: skip
        assert sum(words in line for line in talk.splitlines() if line.startswith("alarm: ")) == 1, words
    run = the_run(on_kaggle)
    with open(run / "metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == [str(step) for step in range(1, 9)]
    assert (rows[3]["loss"], rows[3]["data_wait"], rows[3]["gpu1_use"]) == ("nan", "0.7", "0.9")

    failure = files.read_json(run / "run.json")["failure"]
    assert failure["name"] == "CUDA out of memory"
    assert "--set train.batch=6" in failure["fix"]
    again = on_kaggle("launch.py", "status")
    for said in (shown, again.stdout):
        assert "failed (Your notebook failed: script.py exited with code 1.)" in said
        assert "  | Traceback (most recent call last):" in said
        assert "  | RuntimeError: CUDA out of memory." in said
        assert f"  CUDA out of memory: {failure['fix']}" in said


def test_status_alone_finds_out_why_a_detached_run_failed(server, on_kaggle):
    server.env["QUICK_KERNEL_SCRIPT"] = 'print("Killed in its sleep")\nraise SystemExit(137)'
    on_kaggle(*LAUNCH, "--detach")
    only(server.kernels).latest.wait()
    message = "Your notebook tried to allocate more memory than is available. It has restarted."
    server.faults.add("GetKernelSessionStatus", Replace({"status": "ERROR", "failureMessage": message}), times=None)
    found = on_kaggle.json("launch.py", "status")
    assert (found["status"], found["message"]) == ("failed", message)
    assert found["failure"]["name"] == "killed for memory"
    assert (the_run(on_kaggle) / "log.txt").read_text() == "Killed in its sleep\n"


@pytest.mark.parametrize(
    "fault", [*(Refuse(code) for code in (403, 404, 405, 429, 500)), HtmlPage(200), Replace({"error": "…"})], ids=repr
)
def test_an_answer_that_is_no_log_is_a_refusal(server, fault):
    server.faults.add("logs", fault)
    with requests.Session() as http:
        http.headers["Authorization"] = f"Bearer {server.token}"
        with pytest.raises(StreamRefused):
            list(records(http, server.url, KernelRef("tester", "any", 1), live=True))


def test_while_the_stream_is_refused_the_log_comes_from_the_listing(server, on_kaggle):
    server.faults.add("logs", HtmlPage(200), times=None)
    done = on_kaggle(*LAUNCH)
    version = only(server.kernels).latest
    assert (the_run(on_kaggle) / "log.txt").read_text() == log_of(version)
    assert "devices: CPU only" in done.stderr
    tries = sum(name.startswith("/v1/kernels/logs") for name, _ in server.requests)
    assert 1 < tries < server.count("GetKernelSessionStatus") + 3


def test_a_killed_follower_leaves_what_it_read_and_two_others_go_on(server, on_kaggle):
    server.env["QUICK_KERNEL_SECONDS"] = "4"
    launcher, version = launched(server, on_kaggle)
    run = the_run(on_kaggle)
    wait_for(lambda: (run / "metrics.csv").is_file())
    launcher.kill()
    launcher.communicate()
    left = (run / "log.txt").read_text()
    assert "@progress" in left
    assert log_of(version).startswith(left)
    assert files.read_json(run / "run.json")["status"] == "running"

    others = [on_kaggle.start("launch.py", "logs", "-f") for _ in range(2)]
    printed = [other.communicate(timeout=120)[0] for other in others]
    assert printed == [log_of(version)] * 2
    assert (run / "log.txt").read_text() == log_of(version)
    steps = [json.loads(line.partition(" ")[2])["step"] for line in printed[0].splitlines() if line[0] == "@"]
    with open(run / "metrics.csv", newline="") as file:
        assert [int(row["step"]) for row in csv.DictReader(file)] == steps
    assert files.read_json(run / "run.json")["status"] == "complete"
    assert sorted(path.name for path in run.iterdir() if not path.name.endswith(".lock")) == [
        "competition.toml", "kernel", "log.txt", "metrics.csv", "run.json",
    ]  # fmt: skip


def test_a_long_queue_is_told_and_left(server, on_kaggle):
    server.queue_seconds = 600
    done = on_kaggle(*LAUNCH, code=1, SWATH_QUEUE_NOTE_SECONDS="0.1", SWATH_QUEUE_SECONDS="0.7")
    run = the_run(on_kaggle)
    assert done.stderr.count("note: queued for") == 1
    assert "error: the session has been queued for 1s; it stays in the queue" in done.stderr
    assert f"python launch.py stop {run.name}" in done.stderr
    assert only(server.kernels).latest.status == "QUEUED"
    assert files.read_json(run / "run.json")["status"] == "queued"
    assert "it is queued, and has said nothing yet" in on_kaggle("launch.py", "logs").stderr


def test_a_second_sessions_log_and_metrics_stand_behind_the_first_ones(server, on_kaggle):
    on_kaggle(*LAUNCH, "--detach")
    version = only(server.kernels).latest
    version.wait()
    run = the_run(on_kaggle)
    content = files.read_json(run / "run.json")
    first, second = ({**content["attempts"][0], "log_start": start} for start in (0, 6))
    files.write_json(run / "run.json", content | {"attempts": [first, second]})
    (run / "log.txt").write_text("first\n")
    assert on_kaggle("launch.py", "logs").stdout == "first\n" + log_of(version)
    on_kaggle("launch.py", "fetch")
    assert (run / "log.txt").read_text() == "first\n" + log_of(version)
    with open(run / "metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == log_of(version).count("@progress")
    assert {row["session"] for row in rows} == {"2"}


def test_credentials_that_expire_meanwhile_do_not_say_that_nothing_was_spent(server, on_kaggle):
    server.faults.add("GetKernelSessionStatus", Refuse(401), times=None, skip=1)
    done = on_kaggle(*LAUNCH, code=1)
    assert "does not accept the credentials" in done.stderr
    assert "goes on without this terminal; pick it up with" in done.stderr


def test_a_run_cancelled_on_the_site(server, on_kaggle):
    server.env["QUICK_KERNEL_SECONDS"] = "600"
    launcher, version = launched(server, on_kaggle, "--json")
    version.cancel()
    shown, _ = launcher.communicate(timeout=120)
    assert launcher.returncode == 1
    run = json.loads(shown)
    assert (run["status"], run["message"]) == ("stopped", "cancelled on Kaggle's site")
