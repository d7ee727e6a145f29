"""`python launch.py` on this machine when it does not go as planned: killed launchers, stops, weights that run away."""

import os

import pytest

from lib import files
from tests.programs import TINY, interrupt, wait_for

LONG = ("launch.py", *TINY, "--set", "train.epochs=500")


@pytest.mark.parametrize("moment", ["run.json", "session/state.json", "session/lock"])
def test_a_launcher_killed_as_it_starts_leaves_a_run_that_can_be_stopped(program, moment):
    launcher = program.start(*LONG)
    wait_for(lambda: list(program.runs.glob(f"*/{moment}")))
    launcher.kill()
    launcher.communicate()
    (run,) = program.runs.glob("2*")
    if not (run / "session" / "state.json").is_file():
        assert "was never pushed" in program("launch.py", "status", code=1).stderr
        return
    assert program.json("launch.py", "status")["status"] in ("queued", "running")
    assert "stopped" in program("launch.py", "stop", "-y").stdout
    state = files.read_json(run / "session" / "state.json")
    wait_for(lambda: not os.path.exists(f"/proc/{state.get('supervisor', 0)}"))


def test_what_a_stopped_run_has_so_far_comes_home_with_a_manifest(program):
    run_id = program(*LONG, "--detach").stdout.strip()
    run = program.runs / run_id
    wait_for(lambda: list(run.glob("session/working/metrics.csv")), seconds=120)
    assert program.json("launch.py", "runs")[0]["status"] in ("queued", "running")
    program("launch.py", "stop", "-y")
    fetched = program("launch.py", "fetch", code=1)
    assert "next: python launch.py runs" in fetched.stderr
    entries = files.read_json(run / "outputs" / "manifest.json")["files"]
    assert {"checkpoints/best.safetensors", "metrics.csv"} <= {entry["name"] for entry in entries}
    assert program("launch.py", "fetch", code=1).stdout.count("all of it was here already") == 1
    made = program.json("submit.py", "--tta", "none")
    assert (made["which"], made["problems"]) == ("test", [])

    (run / "outputs" / "metrics.csv").unlink()
    done = program("launch.py", "fetch", code=1)
    assert "1 of the run's outputs are damaged or gone" in done.stderr
    assert "metrics.csv" in done.stderr


def test_weights_that_are_numbers_no_more_end_the_training(program):
    done = program("launch.py", *TINY, "--set", "train.epochs=50", "--set", "train.weight_decay=1e30", code=1)
    assert "the weights were not numbers any more after epoch 1, and training stopped there" in done.stderr
    assert "--set train.lr=" in done.stderr
    assert "failed" in done.stdout
    (run,) = program.runs.glob("2*")
    assert files.read_json(run / "run.json")["metrics"]["epoch"] == 1


def test_ctrl_c_says_how_to_go_on(program):
    launcher = program.start(*LONG)
    wait_for(lambda: list(program.runs.glob("*/session/lock")))
    said = interrupt(launcher)
    (run,) = program.runs.glob("2*")
    assert launcher.returncode == 130
    assert f"python launch.py logs {run.name} -f" in said
    program("launch.py", "stop", "-y")
