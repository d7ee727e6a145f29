"""A kernel that is not on the server any more, or never was: every command answers, and what was read is kept."""

import pytest

from lib import files
from lib.launching.runs import now
from tests.following import launched, log_of, the_run
from tests.loopback import EMPTY
from tests.loopback.quick_kernel import quick_python
from tests.programs import PROJECT, wait_for


@pytest.fixture(autouse=True)
def quick(server, tmp_path):
    """These tests are of the launcher: the kernel that is pushed is real, what runs it here is not."""
    server.python = quick_python(tmp_path)


def test_a_kernel_deleted_elsewhere_ends_the_following_and_every_command_answers(server, on_kaggle):
    server.env["QUICK_KERNEL_SECONDS"] = "600"
    launcher, version = launched(server, on_kaggle)
    run = the_run(on_kaggle)
    wait_for(lambda: (run / "log.txt").is_file() and "@progress" in (run / "log.txt").read_text())
    server.delete(run.name)
    shown, talk = launcher.communicate(timeout=120)
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
def test_a_kernel_deleted_before_anybody_looked(server, on_kaggle, unknown_run, words, code):
    done = on_kaggle("launch.py", *words, code=code)
    assert "the kernel was deleted elsewhere" in done.stdout + done.stderr
    content = files.read_json(the_run(on_kaggle) / "run.json")
    assert (content["status"], content["deleted"]) == ("stopped", True)


@pytest.fixture
def unknown_run(on_kaggle):
    """A run whose kernel is not on the server: as `--detach` leaves it when the kernel is deleted afterwards."""
    run_id = "20261120-092133-sample-4f1c"
    folder = on_kaggle.runs / run_id
    files.write(folder / "competition.toml", (PROJECT / "lib" / "competitions" / "sample.toml").read_bytes())
    attempt = {"ref": f"tester/{run_id}", "version": 1, "url": "", "status": "queued", "started": "", "log_start": 0}
    files.write_json(
        folder / "run.json",
        {
            "id": run_id, "status": "queued", "place": "kaggle", "accelerator": "t4x2", "created": "", "metrics": None,
            "competition_file": "sample.toml", "attempts": [attempt], "submissions": [], "data": None,
        },
    )  # fmt: skip


def test_a_run_whose_launcher_died_before_the_push_does_not_wait_for_ever(server, on_kaggle, unknown_run):
    description = the_run(on_kaggle) / "run.json"
    content = files.read_json(description)
    attempt = content["attempts"][0] | {"version": None, "status": "pushing", "started": now()}
    files.write_json(description, content | {"attempts": [attempt]})
    assert "was never pushed" in on_kaggle("launch.py", "status", code=1).stderr
    assert files.read_json(description)["status"] == "queued", "it may be on its way"
    files.write_json(description, content | {"attempts": [attempt | {"started": "2020-02-02T02:02:02+00:00"}]})
    assert "was never pushed" in on_kaggle("launch.py", "logs", code=1).stderr
    assert files.read_json(description)["status"] == "failed"


def test_an_empty_status_means_queued_only_before_the_session_was_seen_to_run(server, on_kaggle, unknown_run):
    server.faults.add("GetKernelSessionStatus", EMPTY, times=None)
    assert on_kaggle.json("launch.py", "status")["status"] == "queued"
    description = the_run(on_kaggle) / "run.json"
    content = files.read_json(description)
    files.write_json(description, content | {"attempts": [content["attempts"][0] | {"status": "running"}]})
    assert on_kaggle.json("launch.py", "status")["status"] == "running"
