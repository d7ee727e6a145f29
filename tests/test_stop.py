"""`launch.py stop` on Kaggle: it asks by name, fetches first, and deletes nothing that could still come home."""

import signal
import subprocess
import sys

import pytest

from lib import files
from lib.launching.runs import Run
from tests.loopback import Refuse
from tests.loopback.quick_kernel import quick_python
from tests.programs import ON_T4, PROJECT, WITHOUT_GPU, only, wait_for


@pytest.fixture
def running(server, on_kaggle, tmp_path):
    """A run that trains for long, and has written something."""
    server.python = quick_python(tmp_path)
    server.env["QUICK_KERNEL_SECONDS"] = "600"
    run = Run(on_kaggle.runs / on_kaggle.json(*ON_T4, *WITHOUT_GPU, "--detach")["id"])
    version = only(server.kernels).latest
    wait_for(lambda: version.records)
    for name in ("best.pt", "last.pt", "metrics.csv", "summary.json"):
        files.write(version.folder / "working" / name, name)
    return run


class Asked:
    """A `stop` that waits for its answer; `words` is what it said up to there."""

    def __init__(self, on_kaggle):
        self.process = subprocess.Popen(
            [sys.executable, "launch.py", "stop"],
            cwd=PROJECT,
            env=on_kaggle.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        self.words = ""
        while "[y/N]" not in self.words:
            self.words += self.process.stderr.read(1)

    def answer(self, text: str) -> int:
        self.process.communicate(text, timeout=30)
        return self.process.returncode


def test_it_asks_by_name_and_leaves_everything_when_nobody_says_yes(server, on_kaggle, running):
    asked = Asked(on_kaggle)
    assert f"Stop {running.id}? Kaggle has no cancel: kernel tester/{running.id} is deleted" in asked.words
    assert "with its version 1 and what it has written so far, of which Kaggle lists nothing" in asked.words
    assert asked.answer("n\n") == 2
    interrupted = Asked(on_kaggle)
    interrupted.process.send_signal(signal.SIGINT)
    assert interrupted.process.wait(timeout=30) == 130
    interrupted.answer("")
    assert server.count("DeleteKernel") == 0
    assert only(server.kernels).latest.active
    assert Asked(on_kaggle).answer("y\n") == 0
    assert server.kernels == {}
    assert "devices: " in running.log.read_text()


def test_outputs_that_are_listed_come_home_or_nothing_is_deleted(server, on_kaggle, running):
    server.lists_running = True
    asked = Asked(on_kaggle)
    assert "its 4 outputs (best.pt, last.pt, metrics.csv and 1 more)" in asked.words
    assert asked.answer("n\n") == 2
    server.faults.add("download", Refuse(403), times=None)
    assert "so nothing was deleted" in on_kaggle("launch.py", "stop", "-y", code=1).stderr
    assert only(server.kernels).latest.active
    server.faults = type(server.faults)(server.faults.routes)
    on_kaggle("launch.py", "stop", "-y")
    assert server.kernels == {}
    assert (running.outputs / "best.pt").read_text() == "best.pt"


def test_a_session_that_ends_while_its_log_is_fetched_keeps_its_kernel(server, on_kaggle, running):
    version = only(server.kernels).latest

    def end(exchange):
        version._process.kill()
        version.wait()
        exchange.send(exchange.work())

    server.faults.add("logs", end)
    done = on_kaggle("launch.py", "stop", "-y")
    assert "failed" in done.stdout
    assert server.count("DeleteKernel") == 0
    assert on_kaggle.json("launch.py", "fetch", code=1)["fetch"]["moved"] == 4, "also with a summary that is none"
    assert "failed" in on_kaggle("launch.py", "stop").stdout, "no question: it is over"


def test_kernels_of_earlier_sessions_stay_and_are_named_and_their_log_is_kept(server, on_kaggle, running):
    earlier = running.read()["attempts"][0] | {"ref": "tester/the-first-one", "status": "complete"}
    running.log.write_bytes(b"epoch 1\ndevi")
    running.change("attempts", lambda attempts: [earlier, attempts[0] | {"log_start": len(b"epoch 1\n")}])
    done = on_kaggle("launch.py", "stop", "-y")
    assert "earlier kernels stay on Kaggle, with their outputs: tester/the-first-one" in done.stderr
    assert server.kernels == {}
    assert running.log.read_text().startswith("epoch 1\ndevices: ")
