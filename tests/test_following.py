"""A run followed on Kaggle: refused streams, queues, killed followers, deletions, alarms, Ctrl-C on a terminal."""

import csv
import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading

import pytest
import requests

from lib import files
from lib.launching.kaggle_log import records
from lib.launching.runs import now
from lib.launching.session import KernelRef, StreamRefused
from tests.conftest import ON_T4, PROJECT, WITHOUT_GPU, only, wait_for
from tests.loopback import EMPTY, HtmlPage, Refuse, Replace
from tests.loopback.quick_kernel import quick_python

LAUNCH = (*ON_T4, *WITHOUT_GPU)

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


def log_of(version) -> str:
    return "".join(record["data"] for record in version.records)


def launched(server, on_kaggle, *more, **environment):
    """A launch that follows; it returns when the session has said something."""
    launcher = on_kaggle.start(*LAUNCH, *more, **environment)
    version = wait_for(lambda: server.kernels and only(server.kernels).latest)
    wait_for(lambda: "@progress" in log_of(version))
    return launcher, version


def the_run(on_kaggle):
    (folder,) = on_kaggle.runs.glob("2*")
    return folder


def test_alarms_metrics_and_the_truth_about_a_failure(server, on_kaggle):
    server.env["QUICK_KERNEL_SCRIPT"] = FAILS
    launcher = on_kaggle.start(*LAUNCH, "--set", "train.batch=12", **IMPATIENT)
    shown, talk = launcher.communicate(timeout=60)
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
    server.env["QUICK_KERNEL_SECONDS"] = "5"
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
    printed = [other.communicate(timeout=60)[0] for other in others]
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


def test_a_kernel_deleted_elsewhere_ends_the_following_and_every_command_answers(server, on_kaggle):
    server.env["QUICK_KERNEL_SECONDS"] = "600"
    launcher, version = launched(server, on_kaggle)
    run = the_run(on_kaggle)
    wait_for(lambda: "@progress" in (run / "log.txt").read_text())
    server.delete(run.name)
    shown, talk = launcher.communicate(timeout=60)
    assert launcher.returncode == 1
    assert "stopped (the kernel was deleted elsewhere)" in shown
    assert "Traceback" not in talk
    content = files.read_json(run / "run.json")
    assert (content["status"], content["deleted"]) == ("stopped", True)
    asked = len(server.requests)
    assert on_kaggle("launch.py", "logs").stdout == log_of(version)
    assert "deleted elsewhere" in on_kaggle("launch.py", "fetch", code=1).stdout
    assert len(server.requests) == asked


@pytest.mark.parametrize(
    ("words", "code"),
    [(("status",), 0), (("logs",), 0), (("logs", "-f"), 1), (("fetch",), 1), (("stop", "-y"), 0)],
    ids=lambda words: " ".join(words) if isinstance(words, tuple) else "",
)
def test_a_kernel_deleted_before_anybody_looked(server, on_kaggle, detached_template, words, code):
    done = on_kaggle("launch.py", *words, code=code)
    assert "the kernel was deleted elsewhere" in done.stdout + done.stderr
    content = files.read_json(the_run(on_kaggle) / "run.json")
    assert (content["status"], content["deleted"]) == ("stopped", True)


@pytest.fixture
def detached_template(on_kaggle):
    """A run whose kernel is not on the server: as `--detach` leaves it when the kernel is deleted afterwards."""
    on_kaggle("launch.py", "--gpu", "t4x2", "-c", "sample", *WITHOUT_GPU, "--dry-run")
    run_id = "20261120-092133-sample-4f1c"
    folder = on_kaggle.runs / run_id
    (on_kaggle.runs / "dry-run").rename(folder)
    (folder / "competition.toml").write_bytes((PROJECT / "lib" / "competitions" / "sample.toml").read_bytes())
    attempt = {"ref": f"tester/{run_id}", "version": 1, "url": "", "status": "queued", "started": "", "log_start": 0}
    files.write_json(
        folder / "run.json",
        {
            "id": run_id, "status": "queued", "place": "kaggle", "accelerator": "t4x2", "created": "", "metrics": None,
            "competition_file": "sample.toml", "attempts": [attempt], "submissions": [], "data": None,
        },
    )  # fmt: skip


def test_a_run_whose_launcher_died_before_the_push_does_not_wait_for_ever(server, on_kaggle, detached_template):
    description = the_run(on_kaggle) / "run.json"
    content = files.read_json(description)
    attempt = content["attempts"][0] | {"version": None, "status": "pushing", "started": now()}
    files.write_json(description, content | {"attempts": [attempt]})
    assert "was never pushed" in on_kaggle("launch.py", "status", code=1).stderr
    assert files.read_json(description)["status"] == "queued", "it may be on its way"
    files.write_json(description, content | {"attempts": [attempt | {"started": "2026-11-20T09:21:33+00:00"}]})
    assert "was never pushed" in on_kaggle("launch.py", "logs", code=1).stderr
    assert files.read_json(description)["status"] == "failed"


def test_an_empty_status_means_queued_only_before_the_session_was_seen_to_run(server, on_kaggle, detached_template):
    server.faults.add("GetKernelSessionStatus", EMPTY, times=None)
    assert on_kaggle.json("launch.py", "status")["status"] == "queued"
    description = the_run(on_kaggle) / "run.json"
    content = files.read_json(description)
    files.write_json(description, content | {"attempts": [content["attempts"][0] | {"status": "running"}]})
    assert on_kaggle.json("launch.py", "status")["status"] == "running"


def test_a_second_sessions_log_and_metrics_stand_behind_the_first_ones(server, on_kaggle):
    on_kaggle(*LAUNCH, "--detach")
    version = only(server.kernels).latest
    version.wait()
    run = the_run(on_kaggle)
    content = files.read_json(run / "run.json")
    first, second = ({**content["attempts"][0], "log_start": start} for start in (0, 6))
    files.write_json(run / "run.json", content | {"attempts": [first, second]})
    (run / "log.txt").write_text("first\n")
    for _ in range(2):
        assert on_kaggle("launch.py", "logs").stdout == "first\n" + log_of(version)
    on_kaggle("launch.py", "fetch")
    assert (run / "log.txt").read_text() == "first\n" + log_of(version)
    with open(run / "metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == log_of(version).count("@progress")
    assert {row["session"] for row in rows} == {"2"}


def test_a_run_cancelled_on_the_site(server, on_kaggle):
    server.env["QUICK_KERNEL_SECONDS"] = "600"
    launcher, version = launched(server, on_kaggle, "--json")
    version.cancel()
    shown, _ = launcher.communicate(timeout=60)
    assert launcher.returncode == 1
    run = json.loads(shown)
    assert (run["status"], run["message"]) == ("stopped", "cancelled on Kaggle's site")


class Terminal:
    """A command on a terminal of its own: what it shows, keys, Ctrl-C."""

    def __init__(self, program, *words, **more):
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, *map(str, words)],
            cwd=PROJECT,
            env={**program.environment, **more, "TERM": "xterm", "COLUMNS": "100"},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        os.close(slave)
        self.shown = ""
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            while chunk := os.read(self.master, 65536):
                self.shown += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", chunk.decode("utf-8", "replace"))
        except OSError:  # the other end was closed
            pass

    def wait_for(self, words: str) -> None:
        """Until the words are shown; forgets everything up to them."""
        wait_for(lambda: words in self.shown or self.process.poll() is not None)
        assert words in self.shown, self.shown
        self.shown = self.shown.partition(words)[2]

    def ctrl_c(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def end(self) -> int:
        return self.process.wait(timeout=30)


def test_ctrl_c_on_a_terminal_asks_and_each_answer_does_what_it_says(server, on_kaggle):
    server.env["QUICK_KERNEL_SECONDS"] = "600"
    terminal = Terminal(on_kaggle, *LAUNCH)
    terminal.wait_for("ETA")
    terminal.ctrl_c()
    terminal.wait_for("l  leave it running (default)")
    terminal.type("what\nk\n")
    terminal.wait_for("ETA")
    terminal.ctrl_c()
    terminal.wait_for("k, l or s?")
    terminal.ctrl_c()
    terminal.wait_for("goes on without this terminal")
    run = the_run(on_kaggle)
    terminal.wait_for(f"python launch.py logs {run.name} -f")
    assert terminal.end() == 130
    version = only(server.kernels).latest
    assert version.active

    terminal = Terminal(on_kaggle, "launch.py", "logs", "-f")
    terminal.wait_for("ETA")
    terminal.ctrl_c()
    terminal.wait_for("s  fetch and stop")
    terminal.type("s\n")
    assert terminal.end() == 1
    assert server.kernels == {}
    content = files.read_json(run / "run.json")
    assert (content["status"], content["message"]) == ("stopped", "stopped by request")
    log = (run / "log.txt").read_text()
    assert log_of(version).startswith(log)
    assert log.splitlines().count("devices: CPU only") == 1
