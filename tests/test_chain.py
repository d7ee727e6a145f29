"""Runs that are longer than a session: the next one goes on from what the last one left, pushed once each."""

import ast

import pytest
from slugify import slugify

from lib import files
from tests.loopback import Refuse, Reset
from tests.loopback.quick_kernel import quick_python
from tests.programs import ON_T4, WITHOUT_GPU, interrupt, wait_for


@pytest.fixture(autouse=True)
def quick(server, tmp_path):
    """These tests are of the launcher: the kernel that is pushed is real, what runs it here is not."""
    server.python = quick_python(tmp_path)
    server.env["QUICK_KERNEL_SECONDS"] = "0.3"


def session_line(version) -> dict:
    line = next(line for line in version.text.splitlines() if line.startswith("SESSION = "))
    return ast.literal_eval(line.removeprefix("SESSION = "))


def test_a_chain_is_one_run_with_one_log(server, on_kaggle):
    server.env["QUICK_KERNEL_SESSIONS"] = "3"
    run = on_kaggle.json(*ON_T4, *WITHOUT_GPU, "--chain", 5, "--timeout", "9h")
    folder = on_kaggle.runs / run["id"]
    names = [run["id"], f"{run['id']}-2", f"{run['id']}-3"]
    assert list(server.kernels) == names, "a session more than the epochs need is not pushed"
    assert [attempt["ref"] for attempt in run["attempts"]] == [f"tester/{name}" for name in names]
    assert {attempt["status"] for attempt in run["attempts"]} == {run["status"]} == {"complete"}
    assert run["finished"] is True
    for kernel, before in zip(server.kernels.values(), [None, *names], strict=False):
        sent = kernel.latest.metadata
        source = f"tester/{before}" if before else None
        assert sent.get("kernelDataSources", []) == [source] * bool(source)
        assert session_line(kernel.latest) == {"limit": 9 * 3600, "resumes": source}
        assert slugify(sent["newTitle"]) == kernel.slug
        assert sent["sessionTimeoutSeconds"] == 9 * 3600
    log = (folder / "log.txt").read_text()
    assert [line for line in log.splitlines() if line.startswith("session")] == ["session 1", "session 2", "session 3"]
    assert log == "".join(record["data"] for kernel in server.kernels.values() for record in kernel.latest.records)
    assert not (folder / "outputs" / "checkpoints" / "last.ckpt").exists(), "a finished run has no use for it"
    assert "has done all its epochs" in on_kaggle("launch.py", "--resume", run["id"], code=1).stderr


def test_an_unfinished_run_is_gone_on_with_by_hand(server, on_kaggle):
    server.env["QUICK_KERNEL_SESSIONS"] = "3"
    done = on_kaggle(*ON_T4, *WITHOUT_GPU)
    (run,) = on_kaggle.runs.glob("2*")
    assert "unfinished" in done.stdout or "1 of 1 epochs are done" in done.stdout
    assert f"next: python launch.py --resume {run.name}" in done.stderr
    assert f"next: python launch.py --resume {run.name}" in on_kaggle("launch.py", "status").stderr
    done = on_kaggle("launch.py", "--resume", run.name[-4:], "--timeout", "2h")
    assert session_line(list(server.kernels.values())[1].latest)["limit"] == 7200
    assert f"next: python launch.py --resume {run.name}" in done.stderr
    detached = on_kaggle.json("launch.py", "--resume", run.name, "--detach")
    assert len(detached["attempts"]) == 3
    assert list(server.kernels.values())[2].latest.wait() == "COMPLETE"
    assert on_kaggle.json("launch.py", "fetch")["finished"] is True


def test_what_a_resumed_run_cannot_change_is_refused(server, on_kaggle):
    for words in (("--set", "train.epochs=9"), ("-c", "dubai"), ("--gpu", "t4x2")):
        said = on_kaggle("launch.py", "--resume", "x", *words, code=2).stderr
        assert f"{words[0].replace('-c', '--competition')} means nothing with --resume" in said
    assert "nobody to push the next session" in on_kaggle(*ON_T4, "--chain", 2, "--detach", code=2).stderr
    assert server.requests == []


def test_a_chain_whose_launcher_is_killed_is_picked_up_and_no_session_runs_twice(server, on_kaggle):
    server.env |= {"QUICK_KERNEL_SESSIONS": "3", "QUICK_KERNEL_SECONDS": "2"}
    launcher = on_kaggle.start(*ON_T4, *WITHOUT_GPU, "--chain", 3)
    wait_for(lambda: len(server.kernels) == 2)
    launcher.kill()
    launcher.communicate()
    run = on_kaggle.json("launch.py", "--resume", next(on_kaggle.runs.glob("2*")).name, "--chain", 3)
    assert run["finished"] is True
    assert len(server.kernels) == len(run["attempts"]) == 3
    log = (on_kaggle.runs / run["id"] / "log.txt").read_text()
    assert [line for line in log.splitlines() if line.startswith("session")] == ["session 1", "session 2", "session 3"]


def test_a_next_session_whose_answer_is_lost_is_not_pushed_twice(server, on_kaggle):
    server.env["QUICK_KERNEL_SESSIONS"] = "2"
    server.faults.add("SaveKernel", Reset(work_done=True), skip=1)
    assert on_kaggle.json(*ON_T4, *WITHOUT_GPU, "--chain", 2)["finished"] is True
    assert len(server.kernels) == server.count("SaveKernel") == 2


def test_a_next_session_that_is_refused_leaves_the_run_as_it_was(server, on_kaggle):
    server.env["QUICK_KERNEL_SESSIONS"] = "2"
    server.faults.add("SaveKernel", Refuse(400, "Not today."), skip=1)
    done = on_kaggle(*ON_T4, *WITHOUT_GPU, "--chain", 2, code=1)
    (run,) = on_kaggle.runs.glob("2*")
    assert "Not today." in done.stderr
    assert f"--resume {run.name}" in done.stderr
    content = files.read_json(run / "run.json")
    assert (content["status"], len(content["attempts"]), content["finished"]) == ("complete", 1, False)
    assert (run / "outputs" / "checkpoints" / "last.ckpt").is_file()
    assert on_kaggle.json("launch.py", "--resume", run.name)["finished"] is True


def test_the_state_of_a_session_that_failed_goes_up_as_a_private_data_set(server, on_kaggle):
    """Kaggle mounts the outputs of COMPLETE versions only."""
    server.env |= {"QUICK_KERNEL_SESSIONS": "3", "QUICK_KERNEL_FAILS": "1"}
    on_kaggle(*ON_T4, *WITHOUT_GPU, code=1)
    (run,) = on_kaggle.runs.glob("2*")
    assert (run / "outputs" / "checkpoints" / "last.ckpt").read_text() == "1"
    on_kaggle("launch.py", "--resume", run.name, code=1)
    del server.env["QUICK_KERNEL_FAILS"]
    done = on_kaggle.json("launch.py", "--resume", run.name)
    assert (done["finished"], len(done["attempts"])) == (True, 3)
    sent = [kernel.latest.metadata for kernel in server.kernels.values()]
    assert [one.get("kernelDataSources", []) for one in sent] == [[], [], []]
    sources = [one.get("datasetDataSources", []) for one in sent]
    assert [len(found) for found in sources] == [0, 1, 1], "an older state is not mounted beside the newer one"
    assert sources[1] != sources[2]
    assert all(server.dataset_service.made[name].private for (name,) in sources[1:])
    log = (run / "log.txt").read_text()
    assert [line for line in log.splitlines() if line.startswith("session")] == ["session 1", "session 2", "session 3"]


def test_ctrl_c_in_the_second_session(server, on_kaggle):
    server.env |= {"QUICK_KERNEL_SESSIONS": "2", "QUICK_KERNEL_SECONDS": "3"}
    launcher = on_kaggle.start(*ON_T4, *WITHOUT_GPU, "--chain", 2)
    wait_for(lambda: len(server.kernels) == 2 and list(server.kernels.values())[1].latest.records)
    said = interrupt(launcher)
    assert launcher.returncode == 130
    assert "goes on without this terminal" in said
    assert list(server.kernels.values())[1].latest.wait() == "COMPLETE"
    assert on_kaggle.json("launch.py", "fetch")["finished"] is True
