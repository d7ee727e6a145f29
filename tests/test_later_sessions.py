"""A chain's later sessions, and a sweep's later trials, are asked for as the first one was."""

import re
import signal
import subprocess
import sys
import threading
import time

import pytest

from lib import files
from tests.loopback.quick_kernel import quick_python
from tests.programs import ON_T4, PROJECT, WITHOUT_GPU, wait_for
from tests.test_chain import session_line
from tests.test_preflight import busy, card

PUSH = (*ON_T4, *WITHOUT_GPU)


@pytest.fixture(autouse=True)
def quick(server, tmp_path):
    """These tests are of the launcher: the kernel that is pushed is real, what runs it here is not."""
    server.python = quick_python(tmp_path)
    server.env["QUICK_KERNEL_SESSIONS"] = "3"


@pytest.fixture
def unfinished(server, on_kaggle):
    """A run that stopped itself after its first session."""
    on_kaggle(*PUSH)
    (run,) = on_kaggle.runs.glob("2*")
    return run


def latest(server):
    return list(server.kernels.values())[-1].latest


# A run's next session


def test_the_next_session_gets_the_hours_that_are_left_then(server, on_kaggle, unfinished):
    server.gpu_hours_left = 3.02
    done = on_kaggle("launch.py", "--resume", unfinished.name)
    assert latest(server).metadata["sessionTimeoutSeconds"] == 10860
    assert session_line(latest(server))["limit"] == 10860
    assert card(done.stderr)["time limit"][1] == "3h01m, all that this week has left"
    assert card(done.stderr)["quota"][0] == "warn"
    server.gpu_hours_left = 30
    on_kaggle("launch.py", "--resume", unfinished.name)
    assert "sessionTimeoutSeconds" not in latest(server).metadata, "another week has more"
    assert session_line(latest(server))["limit"] == 12 * 3600


@pytest.mark.parametrize(
    ("left", "words", "fix"), [(0.02, (), "wait for the weekly reset"), (2, ("--timeout", "5h"), "--timeout 2h00m")]
)
def test_a_next_session_without_hours_is_refused_and_the_run_stays_as_it_was(
    server, on_kaggle, unfinished, left, words, fix
):
    server.gpu_hours_left = left
    before = files.read_json(unfinished / "run.json")
    done = on_kaggle("launch.py", "--resume", unfinished.name, *words, code=3)
    assert card(done.stderr)["quota"][0] == "fail"
    assert fix in done.stderr
    assert files.read_json(unfinished / "run.json") | {"fetched": ""} == before | {"fetched": ""}
    assert server.count("SaveKernel") == 1
    assert not (unfinished / "kernel-2").exists()
    assert "forced: quota" in on_kaggle("launch.py", "--resume", unfinished.name, *words, "--force").stderr
    assert server.count("SaveKernel") == 2


def test_a_next_session_waits_for_a_slot_only_when_told(server, on_kaggle, unfinished):
    busy(server, "at-dawn", "at-noon")
    done = on_kaggle("launch.py", "--resume", unfinished.name, code=3)
    assert "2 are running: tester/at-dawn, tester/at-noon" in done.stderr
    assert server.count("SaveKernel") == 1
    launcher = on_kaggle.start("launch.py", "--resume", unfinished.name, "--wait-slot")
    said = next(line for line in launcher.stderr if line.startswith("waiting: "))
    assert "at-dawn, at-noon" in said
    server.kernels["at-dawn"].latest.cancel()
    _, more = launcher.communicate(timeout=240)
    assert launcher.returncode == 0, more
    assert server.count("SaveKernel") == 2


def test_a_chain_ends_with_what_is_trained_when_the_week_runs_out(server, on_kaggle):
    server.env["QUICK_KERNEL_SECONDS"] = "1"
    launcher = on_kaggle.start(*PUSH, "--chain", 3)
    wait_for(lambda: server.kernels)
    server.gpu_hours_left = 0
    _, said = launcher.communicate(timeout=240)
    assert launcher.returncode == 1
    assert "GPU hours are used up" in said
    assert "What is trained so far is home" in said
    assert server.count("SaveKernel") == 1, "nothing is pushed to learn it"


def test_ctrl_c_while_a_chain_waits_for_a_slot_says_how_to_go_on(server, on_kaggle):
    server.env["QUICK_KERNEL_SECONDS"] = "1"
    with on_kaggle.start(*PUSH, "--chain", 2) as launcher:
        wait_for(lambda: server.kernels)
        busy(server, "at-dawn")
        server.kernels[next(iter(server.kernels))].latest.wait()
        busy(server, "at-noon")
        next(line for line in launcher.stderr if line.startswith("waiting: 2 of 2 GPU sessions"))
        launcher.send_signal(signal.SIGINT)
        said = launcher.stderr.read()
    (run,) = on_kaggle.runs.glob("2*")
    assert launcher.returncode == 130, said
    assert f"it goes on with\n  python launch.py --resume {run.name}\n" in said
    assert (server.count("SaveKernel"), len(files.read_json(run / "run.json")["attempts"])) == (1, 1)


def test_force_is_for_every_session(server, on_kaggle):
    server.gpu_hours_left = 2
    run = on_kaggle.json(*PUSH, "--chain", 3, "--timeout", "5h", "--force")
    assert [attempt["timeout"] for attempt in run["attempts"]] == [5 * 3600] * 3


def test_a_source_that_is_gone_is_found_before_the_next_session(server, on_kaggle, tmp_path):
    own, tiles = tmp_path / "own.toml", tmp_path / "tiles"
    text = (PROJECT / "lib" / "competitions" / "sample.toml").read_text().replace('"sample"', '"own"', 1)
    own.write_text(text + '\n[kaggle]\ndatasets = ["tester/tiles"]\n')
    tiles.mkdir()
    server.datasets["tester/tiles"] = tiles
    on_kaggle(*PUSH, "-c", own)
    del server.datasets["tester/tiles"]
    (run,) = on_kaggle.runs.glob("2*")
    assert "the data set tester/tiles is not there" in on_kaggle("launch.py", "--resume", run.name, code=3).stderr
    assert server.count("SaveKernel") == 1


ADMIT = """
from lib.launching.kaggle.client import connect
from lib.launching.offline import sit_out
from lib.launching.preparing.admission import admit
from lib.launching.preparing.demand import Demand

connect()
print("signed in", flush=True)
input()
print(sit_out(lambda: admit(Demand("GPU", {}, None, 43200), lambda *found: None)))
"""


def test_a_night_without_a_network_is_sat_out(server, on_kaggle):
    environment = on_kaggle.environment | {"SWATH_POLL_SECONDS": "0.05"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    asker = subprocess.Popen([sys.executable, "-c", ADMIT], cwd=PROJECT, env=environment, text=True, **pipes)
    assert asker.stdout.readline() == "signed in\n"
    with server.away():
        asker.stdin.write("\n")
        asker.stdin.flush()
        assert "Kaggle cannot be reached" in asker.stderr.readline()
    said, more = asker.communicate(timeout=240)
    assert said.strip() == "43200", more


# A sweep


@pytest.fixture
def sweep(server, tmp_path):
    """Three trials of one session each."""
    server.env["QUICK_KERNEL_SESSIONS"] = "1"
    path = tmp_path / "trials.toml"
    path.write_text("grid.train.seed = [1, 2, 3]\n")
    return (*PUSH, "--sweep", path)


def test_every_trial_is_asked_for_and_gets_the_hours_that_are_left(server, on_kaggle, sweep):
    server.env["QUICK_KERNEL_SECONDS"] = "1"
    server.gpu_slots, server.gpu_hours_left = 1, 6.02
    driver = on_kaggle.start(*sweep)
    wait_for(lambda: server.kernels)
    server.gpu_hours_left = 3.02
    _, said = driver.communicate(timeout=240)
    assert driver.returncode == 0, said
    limits = [session_line(kernel.latest)["limit"] for kernel in server.kernels.values()]
    assert limits == [21660, 10860, 10860]
    assert re.findall(r"^ +bundle ", said, re.MULTILINE) == [" " * 5 + "bundle "], "one card"


def test_sessions_from_elsewhere_are_waited_for_with_a_word(server, on_kaggle, sweep):
    """Before the first trial, and beside one that runs."""
    busy(server, "at-dawn", "at-noon")
    server.env["QUICK_KERNEL_SECONDS"] = "1"
    said = []
    with on_kaggle.start(*sweep) as driver:
        reader = threading.Thread(target=lambda: said.extend(driver.stderr))
        reader.start()
        wait_for(lambda: "waiting: 2 of 2 GPU sessions running: at-dawn, at-noon" in "".join(said))
        assert server.count("SaveKernel") == 0
        server.kernels["at-dawn"].latest.cancel()
        others = re.compile(r"waiting: Kaggle runs 2 GPU sessions .* 2 are running: .*tester/at-noon")
        wait_for(lambda: others.search("".join(said)))
        assert server.count("SaveKernel") == 1
        server.kernels["at-noon"].latest.cancel()
        reader.join()
    assert driver.returncode == 0, "".join(said)
    assert server.count("SaveKernel") == 3


def test_a_network_that_is_gone_for_a_while_ends_no_sweep_and_doubles_no_trial(server, on_kaggle, sweep):
    server.env["QUICK_KERNEL_SECONDS"] = "1"
    with on_kaggle.start(*sweep) as driver:
        wait_for(lambda: server.kernels)
        with server.away():
            time.sleep(2)
        out, said = driver.communicate(timeout=240)
    assert driver.returncode == 0, said
    assert out.count(" complete ") == 3
    assert [len(kernel.versions) for kernel in server.kernels.values()] == [1, 1, 1]


def test_a_dry_sweep_shows_its_trials_and_the_first_ones_card(server, on_kaggle, sweep):
    done = on_kaggle(*sweep, "--dry-run")
    assert [f"train.seed={seed}" in done.stdout for seed in (1, 2, 3)] == [True] * 3
    assert card(done.stdout)["slots"] == ("?", "not asked: a dry run stays off the network")
    document = on_kaggle.json(*sweep, "--dry-run")
    assert [row["state"] for row in document["trials"]] == ["waiting"] * 3
    assert document["recipe"]["train"]["seed"] == 1
    assert server.requests == []
    assert [path.name for path in on_kaggle.runs.iterdir()] == ["dry-run"], "and nothing else is written"


def test_force_is_no_other_sweep(server, on_kaggle, sweep):
    on_kaggle(*sweep)
    assert server.count("SaveKernel") == 3
    on_kaggle(*sweep, "--force")
    assert server.count("SaveKernel") == 3, "what is done is not done again"
