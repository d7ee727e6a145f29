"""`--on colab`: the real launcher and supervisor, a stand-in for Google's command, machines that are folders here."""

import json
import os
import signal
import sys
from pathlib import Path

import pytest

from lib import files
from tests.loopback.colab import Colab
from tests.programs import Program, interrupt, program_in, wait_for
from tests.ready import field, ready_run

ON_COLAB = ("launch.py", "--on", "colab", "--gpu", "t4", "-c", "sample")


@pytest.fixture
def on_colab(colab, tmp_path, cache) -> Program:
    """A program whose `colab` is the stand-in."""
    return program_in(tmp_path, cache, **colab.env)


def run_of(program: Program) -> Path:
    (run,) = program.runs.glob("2*")
    return run


def test_a_run_goes_up_is_followed_and_comes_home(colab, on_colab):
    done = on_colab(*ON_COLAB, "--timeout", "2h", "--json")
    run = run_of(on_colab)
    document = json.loads(done.stdout)
    name = f"swath-{run.name}"
    assert (document["status"], document["place"], document["accelerator"]) == ("complete", "colab", "t4")
    assert document["metrics"]["value"] == 0.5
    assert "t4: asked as T4, Colab gives 1 x T4" in done.stderr
    assert "colab: 42.50 compute units left" in done.stderr
    assert "devices: CPU only" in done.stderr
    assert colab.calls("new") == [["new", "-s", name, "--gpu", "T4"]]
    assert float(only_word(colab, "exec", "--timeout")) > 2 * 3600
    assert (colab.content / "kaggle" / "src" / "script.py").read_bytes() == (run / "kernel" / "kernel.py").read_bytes()
    assert "SESSION = {'limit': 7200, 'resumes': None}" in (run / "kernel" / "kernel.py").read_text()
    assert (run / "log.txt").read_text().startswith("devices: CPU only\n@progress ")
    assert (run / "outputs" / "checkpoints" / "best.safetensors").read_bytes() == b"no weights" * 1000
    assert files.read_json(run / "outputs" / "manifest.json")["files"]
    assert colab.calls("stop") == [["stop", "-s", name]]
    assert colab.held == []
    assert "next: python submit.py" in done.stderr
    assert not (run / "session" / "working").exists()
    calls = len(colab.calls())
    for words in (("status",), ("fetch",), ("logs",)):
        on_colab("launch.py", *words)
    assert len(colab.calls()) == calls, "a run that is home asks nobody"


def test_a_chain_takes_a_machine_for_each_session_and_its_state_along(colab, on_colab):
    run = on_colab.json(*ON_COLAB, "--chain", 3, QUICK_KERNEL_SESSIONS="2")
    assert (run["finished"], len(run["attempts"])) == (True, 2)
    log = (run_of(on_colab) / "log.txt").read_text()
    assert [line for line in log.splitlines() if line.startswith("session")] == ["session 1", "session 2"]
    names = [call[call.index("-s") + 1] for call in colab.calls("new")]
    assert names == [f"swath-{run['id']}", f"swath-{run['id']}-2"]
    for number in ("kernel", "kernel-2"):
        assert "SESSION = {'limit': 43200, " in (run_of(on_colab) / number / "kernel.py").read_text()
    assert colab.held == []


def only_word(colab: Colab, command: str, flag: str) -> str:
    (call,) = colab.calls(command)
    return call[call.index(flag) + 1]


@pytest.mark.parametrize(
    ("trouble", "said", "hint"),
    [
        ("missing", "Google's command `colab` is not on PATH", "pip install google-colab-cli"),
        ("another", "the `colab` on PATH is not Google's", "pip install google-colab-cli"),
        ("old", "the `colab` on PATH is 0.7.2; 0.7.4 is needed", "colab update --install"),
        ("stranger", "the `colab` command is not signed in", "sign in once: colab usage"),
        ("offline", "Colab cannot be reached: Warning: failed to fetch", "look at the network"),
        ("no T4", "Colab refused the allocation: Backend rejected accelerator 'T4'", "colab usage; colab sessions"),
        ("full", "Colab refused the allocation: Allocation refused (precondition failed)", "colab usage"),
        ("other card", "Colab gave A100 instead of T4; the machine was released again", "launch again later"),
        ("error", "Colab gave no machine: ColabRequestError: Failed to issue request", "then launch again"),
    ],
)
def test_what_is_refused_leaves_nothing_behind(colab, on_colab, trouble, said, hint):
    match trouble:
        case "missing":
            colab.uninstall()
        case "another":
            colab.order("version", say="colab: a game for two", code=0)
        case "old":
            colab.account(version="0.7.2")
        case "stranger":
            colab.account(signed_in=False)
        case "offline":
            colab.order("usage", say="[colab] Warning: failed to fetch compute-unit info: Max retries exceeded")
        case "no T4":
            colab.account(gpus=["NONE"])
        case "full":
            colab.account(most=0)
        case "other card":
            colab.order("new", gives="A100")
        case "error":
            colab.order("new", say="Traceback\nColabRequestError: Failed to issue request POST x: Forbidden")
    done = on_colab(*ON_COLAB, code=3)
    assert said in done.stderr
    assert hint in done.stderr
    assert not list(on_colab.runs.glob("*"))
    assert colab.held == []
    assert len(colab.calls("new")) <= 1


@pytest.mark.parametrize(
    ("words", "code", "said", "hint"),
    [
        (("--gpu", "t4x2"), 2, "there is no accelerator 't4x2' on Colab", "none, t4, l4, g4, a100, h100"),
        (("--gpu", "v100"), 2, "there is no accelerator 'v100' on Colab", "t4"),
        (("--no-internet",), 2, "--no-internet is for Kaggle", "always on the internet"),
        (("--timeout", "25h"), 2, "Colab ends a session after 24h00m", "leave --timeout out for 12h00m"),
        (("--set", "model.weights=best.safetensors"), 2, "a Colab machine cannot see it", "imagenet or none"),
        (("-c", "dubai"), 2, "dubai needs its data, and Colab mounts nothing of Kaggle's", "--data DIR"),
    ],
)
def test_wrong_words(colab, on_colab, words, code, said, hint):
    done = on_colab("launch.py", "--on", "colab", *words, code=code)
    assert said in done.stderr
    assert hint in done.stderr
    assert colab.calls() == []


def test_the_way_to_sign_in(colab, on_colab):
    done = on_colab(*ON_COLAB, code=2, SWATH_COLAB_AUTH="gcloud")
    assert "SWATH_COLAB_AUTH = 'gcloud' is no way to sign in" in done.stderr
    assert colab.calls() == []
    colab.account(signed_in=False)
    on_colab(*ON_COLAB, code=3, SWATH_COLAB_AUTH="adc")
    assert colab.calls("usage") == [["--auth", "adc", "usage"]]


def test_a_dry_run_asks_nobody(colab, on_colab, small_dubai):
    root, _ = small_dubai
    done = on_colab("launch.py", "--on", "colab", "-c", "dubai", "--data", root, "--dry-run")
    assert "CPU, 2 cores" in done.stdout
    assert "2 images and their masks are sent up, 44 bytes" in done.stdout
    assert colab.calls() == []


def test_a_launcher_killed_while_colab_is_asked_leaves_a_run_that_goes_on(colab, on_colab):
    colab.order("new", gate="go")
    launcher = on_colab.start(*ON_COLAB)
    wait_for(lambda: colab.stands_at("go"))
    launcher.kill()
    launcher.communicate()
    assert on_colab.json("launch.py", "status")["status"] == "queued"
    colab.open_gate("go")
    assert "@progress" in on_colab("launch.py", "logs", "-f").stdout
    assert "complete" in on_colab("launch.py", "fetch").stdout
    assert colab.held == []
    assert len(colab.calls("new")) == 1


def test_a_supervisor_killed_while_colab_is_asked_leaves_no_machine(colab, on_colab):
    colab.order("new", gate="go")
    launcher = on_colab.start(*ON_COLAB)
    wait_for(lambda: colab.stands_at("go"))
    state = wait_for(lambda: list(on_colab.runs.glob("*/session/state.json")))[0]
    os.kill(files.read_json(state)["supervisor"], signal.SIGKILL)
    _, said = launcher.communicate(timeout=240)
    assert launcher.returncode == 1, said
    on_colab("launch.py", "status")
    assert colab.held == []
    colab.open_gate("go")
    wait_for(lambda: files.read_json(state)["state"] == "failed")
    assert (len(colab.gone), colab.held) == (1, [])
    assert "while Colab was asked for a machine" in on_colab("launch.py", "status").stdout


def test_an_allocation_that_broke_off_is_told_and_nothing_that_may_be_anothers_is_ended(colab, on_colab):
    colab.order("new", die=True)
    done = on_colab(*ON_COLAB, code=1)
    assert "a T4 machine without a name has come about: gpu-t4-" in done.stderr
    assert "Manage sessions" in done.stderr
    assert (len(colab.held), len(colab.calls("new"))) == (1, 1)
    assert on_colab.json("launch.py", "status")["status"] == "failed"


def test_ctrl_c_leaves_the_run_running_and_another_terminal_stops_it(colab, on_colab):
    launcher = on_colab.start(*ON_COLAB, QUICK_KERNEL_SECONDS="600")
    wait_for(lambda: (found := list(on_colab.runs.glob("*/log.txt*"))) and "@progress" in found[0].read_text())
    said = interrupt(launcher)
    run = run_of(on_colab)
    assert launcher.returncode == 130
    assert f"python launch.py stop {run.name}" in said
    assert len(colab.held) == 1
    assert on_colab.json("launch.py", "status")["status"] == "running"
    assert "stopped" in on_colab("launch.py", "stop", "-y").stdout
    assert colab.held == []


def test_images_and_weights_go_up_and_the_file_that_comes_home_is_the_one_that_is_made_here(colab, on_colab, tmp_path):
    """With the real kernel."""
    run = ready_run(tmp_path / "runs", field(tmp_path / "data"))
    colab.account(python=sys.executable)
    document = on_colab.json("launch.py", "--kernel", "predict", "--on", "colab", "--run", run.id)
    (made,) = document["submissions"]
    assert (document["status"], document["accelerator"], made["problems"]) == ("complete", "none", [])
    (here,) = on_colab.json("launch.py", "--kernel", "predict", "--run", run.id)["submissions"]
    assert (made["sha256"], made["score"], made["made_of"]) == (here["sha256"], here["score"], here["made_of"])
    inputs = colab.content / "kaggle" / "input"
    there = sorted(path.relative_to(inputs).as_posix() for path in inputs.rglob("*") if path.is_file())
    mount = "competitions/field-segmentation"
    tests = [f"{mount}/{part}/t{number}.png" for part in ("test", "truth") for number in range(3)]
    weights = f"notebooks/local/{run.id}/checkpoints/best.safetensors"
    assert there == [f"{mount}/sample_submission.csv", *tests, weights], "and nothing for training"
    assert colab.held == []
    words = ("--kernel", "predict", "--on", "colab", "--run", run.id, "--dry-run")
    said = on_colab("launch.py", *words).stdout
    assert "3 images are sent up, " in said
    assert "; checkpoints: 1, 1.4 MB" in said
