"""What runs on, and what is left on disk: a push refused, an answer lost, a launcher killed, a run stopped."""

import pytest

from lib import files
from tests.loopback import EMPTY, HtmlPage, Refuse, Replace, Reset, Slow
from tests.loopback.quick_kernel import quick_python
from tests.programs import ON_T4, WITHOUT_GPU, interrupt, only, wait_for


@pytest.fixture(autouse=True)
def quick(server, tmp_path):
    """These tests are of the launcher: the kernel that is pushed is real, what runs it here is not."""
    server.python = quick_python(tmp_path)


QUOTA = "Maximum weekly GPU quota of 30.00 hours reached."


@pytest.mark.parametrize(
    ("prepare", "words", "said"),
    [
        (lambda server: setattr(server, "gpu_hours_left", 0), (*ON_T4, "--force"), QUOTA),
        (
            lambda server: None,
            ("launch.py", "--gpu", "t4x2", "--set", "model.weights=none", "--force"),
            "The kernel was deleted again",
        ),
        (lambda server: server.faults.add("SaveKernel", Reset()), ON_T4, "so nothing was started"),
        (
            lambda server: server.faults.add(
                "SaveKernel", Refuse(409, "The requested title is already in use by a notebook.")
            ),
            ON_T4,
            "The requested title is already in use by a notebook.",
        ),
    ],
    ids=["quota", "rejected source", "connection lost before the push", "title taken"],
)
def test_a_refused_push_spends_nothing_and_says_why(server, on_kaggle, prepare, words, said):
    prepare(server)
    done = on_kaggle(*words, code=3)
    assert said in done.stderr
    assert not [kernel for kernel in server.kernels.values() if kernel.latest.active], "nothing runs on"
    assert server.count("SaveKernel") == 1
    assert not list(on_kaggle.runs.glob("*")), "no half-written run"


@pytest.mark.parametrize("fault", [Reset(work_done=True), HtmlPage(200, work_done=True)], ids=["reset", "html"])
def test_a_push_whose_answer_is_lost_is_not_repeated(server, on_kaggle, fault):
    server.faults.add("SaveKernel", fault)
    run = on_kaggle.json(*ON_T4, *WITHOUT_GPU, "--detach")
    assert server.count("SaveKernel") == 1
    assert run["attempts"][-1]["version"] == 1
    assert list(server.kernels) == [run["id"]]


def test_a_launcher_killed_while_it_pushes_leaves_a_run_that_can_be_picked_up(server, on_kaggle):
    server.faults.add("SaveKernel", Slow(1.5))
    launcher = on_kaggle.start(*ON_T4, *WITHOUT_GPU)
    wait_for(lambda: server.count("SaveKernel"))
    launcher.kill()
    launcher.communicate()
    kernel = wait_for(lambda: next(iter(server.kernels.values()), None))
    assert kernel.latest.wait() == "COMPLETE"
    assert on_kaggle.json("launch.py", "status")["status"] == "complete"
    assert on_kaggle.json("launch.py", "fetch")["metrics"]["value"] > 0
    assert server.count("SaveKernel") == 1


NO_SUCH_DATA = ("launch.py", "--gpu", "t4x2", "--set", "model.weights=none", "--force")
"""DeepGlobe's data set is not on the test server, which the checks before a push would find."""


def test_a_kernel_without_its_data_is_deleted_even_when_that_takes_several_tries(server, on_kaggle):
    server.faults.add("DeleteKernel", HtmlPage(503), times=2)
    assert "balraj98/deepglobe" in on_kaggle(*NO_SUCH_DATA, code=3).stderr
    assert server.kernels == {}


def test_a_kernel_without_its_data_that_cannot_be_deleted_is_named(server, on_kaggle):
    server.env["QUICK_KERNEL_SECONDS"] = "600"
    server.faults.add("DeleteKernel", Refuse(500), times=None)
    done = on_kaggle(*NO_SUCH_DATA, code=1)
    assert "balraj98/deepglobe" in done.stderr
    assert "uses up quota, because it could not be deleted" in done.stderr
    (run,) = on_kaggle.runs.glob("2*")
    assert f"launch.py stop {run.name} -y" in done.stderr
    server.faults = type(server.faults)(server.faults.routes)
    assert "stopped" in on_kaggle("launch.py", "stop", run.name, "-y").stdout
    assert server.kernels == {}


def running(server, on_kaggle):
    """A run that trains for long, and has said so."""
    server.env["QUICK_KERNEL_SECONDS"] = "600"
    run = on_kaggle.json(*ON_T4, *WITHOUT_GPU, "--detach")
    version = only(server.kernels).latest
    wait_for(lambda: any("@progress" in record["data"] for record in version.records))
    return run


def test_a_stopped_run_keeps_its_log_and_answers_from_home(server, on_kaggle):
    run = running(server, on_kaggle)
    assert "Kaggle has no cancel" in on_kaggle("launch.py", "stop", code=2).stderr
    assert server.kernels, "nobody said yes"
    done = on_kaggle("launch.py", "stop", "-y")
    assert "stopped" in done.stdout
    assert server.kernels == {}
    assert "next: python launch.py runs" in on_kaggle("launch.py", "fetch", code=1).stderr
    asked = len(server.requests)
    assert "@progress" in on_kaggle("launch.py", "logs").stdout
    assert on_kaggle.json("launch.py", "status")["status"] == "stopped"
    assert "stopped" in on_kaggle("launch.py", "stop", "-y").stdout
    assert len(server.requests) == asked, "the kernel is gone, so nobody is asked"
    assert files.read_json(on_kaggle.runs / run["id"] / "run.json")["status"] == "stopped"


def test_what_cannot_be_fetched_does_not_keep_a_session_from_being_stopped(server, on_kaggle):
    running(server, on_kaggle)
    server.faults.add("ListKernelSessionOutput", Refuse(403), times=None)
    server.faults.add("logs", Refuse(404), times=None)
    done = on_kaggle("launch.py", "stop", "-y")
    assert "its log could not be fetched" in done.stderr
    assert "its outputs could not be fetched" in done.stderr
    assert server.kernels == {}


@pytest.mark.parametrize("answer", [EMPTY, Replace({"versionNumber": 1})], ids=["empty", "no address"])
def test_an_answer_that_names_no_kernel_is_not_a_push(server, on_kaggle, answer):
    server.faults.add("SaveKernel", answer)
    done = on_kaggle(*ON_T4, code=3)
    assert "nothing was started" in done.stderr
    assert not list(on_kaggle.runs.glob("*"))


def test_offline(on_kaggle):
    """Nothing was asked of anybody, so nothing can run."""
    done = on_kaggle(*ON_T4, code=3, KAGGLE_API_ENDPOINT="http://127.0.0.1:9")
    assert "Kaggle cannot be reached" in done.stderr
    assert not list(on_kaggle.runs.glob("*"))


def test_ctrl_c_while_it_pushes_says_how_to_find_what_may_have_started(server, on_kaggle):
    server.faults.add("SaveKernel", Slow(1.5))
    launcher = on_kaggle.start(*ON_T4, *WITHOUT_GPU)
    wait_for(lambda: server.count("SaveKernel"))
    said = interrupt(launcher)
    assert launcher.returncode == 130
    (run,) = on_kaggle.runs.glob("2*")
    assert f"python launch.py status {run.name}" in said
    wait_for(lambda: server.kernels)
    assert on_kaggle.json("launch.py", "status")["status"] in ("queued", "running", "complete")


def test_a_fetch_that_fails_leaves_the_run_as_it_is_known_and_may_be_repeated(server, on_kaggle):
    run = on_kaggle.json(*ON_T4, *WITHOUT_GPU, "--detach")
    assert only(server.kernels).latest.wait() == "COMPLETE"
    server.faults.add("ListKernelSessionOutput", Refuse(403, "Not today."))
    assert "Not today." in on_kaggle("launch.py", "fetch", code=1).stderr
    assert on_kaggle.json("launch.py", "runs")[0]["status"] == "complete"

    server.faults.add("ListKernelSessionOutput", HtmlPage(503))
    server.faults.add("download", HtmlPage(200), match="metrics.csv")
    assert on_kaggle.json("launch.py", "fetch")["status"] == "complete"
    assert server.faults.pending == []
    assert (on_kaggle.runs / run["id"] / "outputs" / "metrics.csv").read_text().startswith("epoch,")


def test_ctrl_c_leaves_the_run_running(server, on_kaggle):
    server.env["QUICK_KERNEL_SECONDS"] = "3"
    launcher = on_kaggle.start(*ON_T4, *WITHOUT_GPU)
    version = wait_for(lambda: server.kernels and only(server.kernels).latest)
    wait_for(lambda: version.records)
    said = interrupt(launcher)
    assert launcher.returncode == 130
    assert "goes on without this terminal" in said
    assert "python launch.py fetch" in said
    assert "Traceback" not in said
    assert version.wait() == "COMPLETE"
    assert on_kaggle.json("launch.py", "fetch")["status"] == "complete"


def test_an_answer_of_another_kind_is_not_a_push(server, on_kaggle):
    server.faults.add("SaveKernel", Replace({"error": "Something about tags.", "versionNumber": 0}))
    assert "Kaggle refused the push: Something about tags." in on_kaggle(*ON_T4, code=3).stderr
