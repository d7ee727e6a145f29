"""The bundle's kernel in its session's folders: asked to end, past its limit, and gone on from, in real processes."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lib import files
from lib.competitions.loader import find
from lib.launching.preparing import bundle
from lib.progress import parse
from lib.recipe import resolve
from lib.training import state
from tests.programs import given

SETTINGS = {"train.epochs": 2, "train.steps": 60, "train.batch": 2, "data.crop": 32, "infer.window": 512}

NVIDIA_SMI = """#!/bin/sh
[ "$*" = "--query-gpu=utilization.gpu,memory.used,memory.total --format=csv,noheader,nounits" ] || exit 1
echo "97, 9011, 15360"
echo "[N/A], 10, 15360"
"""


@pytest.fixture(scope="module")
def packed(competition):
    recipe, _ = resolve([("sample", competition.recipe), ("test", SETTINGS)])
    return bundle.pack("train.py", find("sample"), recipe, "none").source


def session(root: Path, source: bytes) -> list[str]:
    """Lay out a session's folders; the command that runs the bundle in them."""
    for name in ("src", "input", "working", "temp"):
        (root / name).mkdir(parents=True)
    (root / "src" / "script.py").write_bytes(source)
    return [sys.executable, str(root / "src" / "script.py")]


def environment(cache, **more) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("SWATH_", "PYTHON"))}
    return clean | {"SWATH_CACHE": str(cache), "OMP_NUM_THREADS": "1"} | more


@pytest.fixture(scope="module")
def asked(tmp_path_factory, packed, cache, scenes):
    """A session that was asked to end in the midst of an epoch: its folder, exit code and words."""
    root = tmp_path_factory.mktemp("asked")
    tools = root / "tools"
    tools.mkdir()
    (tools / "nvidia-smi").write_text(NVIDIA_SMI)
    (tools / "nvidia-smi").chmod(0o755)
    process = subprocess.Popen(
        session(root / "kaggle", bundle.next_session(packed, 40000, None)),
        env=environment(cache, PATH=f"{tools}{os.pathsep}{os.environ['PATH']}"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    lines = []
    for line in process.stdout:
        lines.append(line)
        if parse(line):
            process.send_signal(signal.SIGTERM)
            break
    said, errors = process.communicate(timeout=120)
    return root / "kaggle" / "working", process.returncode, "".join(lines) + said, errors


def test_a_session_that_is_asked_to_end_leaves_its_state(asked):
    working, code, _, errors = asked
    assert code == 1
    assert "asked to end, at epoch" in errors
    assert "its state lies in checkpoints/last.ckpt" in errors
    assert "Traceback" not in errors
    left = state.read(working / state.STATE)
    summary = files.read_json(working / "summary.json")
    assert summary["finished"] is False
    assert 0 < left["step"] == summary["training"]["steps"] < 120
    listed = {entry["name"]: entry for entry in files.read_json(working / "manifest.json")["files"]}
    assert listed["checkpoints/last.ckpt"]["sha256"] == files.sha256(working / state.STATE)
    assert "summary.json" in listed


def test_the_progress_line(asked):
    _, _, said, _ = asked
    record = next(filter(None, map(parse, said.splitlines())))
    assert {"epoch", "epochs", "step", "steps", "loss", "lr", "images_per_s", "seconds"} < record.keys()
    assert record["gpus"] == [
        {"use": 0.97, "memory": 9011 * 2**20, "of": 15360 * 2**20},
        {"use": None, "memory": 10 * 2**20, "of": 15360 * 2**20},
    ]
    assert 0 <= record["data_wait"] <= 1
    assert 0 < record["limit_s"] < 40000


def test_the_next_session_goes_on_to_the_end(asked, tmp_path, packed, cache):
    """The outputs are mounted where Kaggle mounted them before 2026."""
    left = state.read(asked[0] / state.STATE)
    command = session(tmp_path, bundle.next_session(packed, None, "me/first"))
    (tmp_path / "input" / "first").symlink_to(asked[0])
    done = subprocess.run(command, env=environment(cache), capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert f"goes on from me/first: epoch {left['validations'] + 1}, step {left['step']} of 120\n" in done.stdout
    records = list(filter(None, map(parse, done.stdout.splitlines())))
    assert records[0]["step"] >= left["step"], "equal, when an epoch ended just there and is validated first"
    assert records[0]["seconds"] > left["ranks"][0]["watch"]["seconds"]
    assert (records[-1]["epoch"], records[-1]["step"]) == (2, 120)
    summary = files.read_json(tmp_path / "working" / "summary.json")
    assert (summary["finished"], summary["epochs_done"], summary["limit"]) == (True, 2, None)


def test_it_never_starts_anew_in_silence(tmp_path, packed, cache):
    command = session(tmp_path, bundle.next_session(packed, None, "me/first"))
    (tmp_path / "input" / "datasets" / "me" / "other").mkdir(parents=True)
    done = subprocess.run(command, env=environment(cache), capture_output=True, text=True, timeout=240)
    assert done.returncode == 1
    assert "this session goes on from me/first, and no checkpoints/last.ckpt is under" in done.stderr
    assert "    datasets/me/other/\n" in done.stderr, "the top of what is mounted"
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "working" / "checkpoints").exists()


def test_the_watchdog_ends_a_kernel_that_did_not(tmp_path, packed, cache):
    """A kernel that is past its limit before training began: what lies there is listed, and nothing else is done."""
    command = session(tmp_path, packed)
    subprocess.run([*command, "unpack", str(tmp_path / "inside")], check=True, capture_output=True)
    files.write(tmp_path / "working" / "metrics.csv", "epoch\n1\n")
    (tmp_path / "working" / ".last.ckpt.x.part").write_bytes(b"half")
    own = {
        "SWATH_ROOT": str(tmp_path),
        "SWATH_PAYLOAD": str(tmp_path / "inside"),
        "SWATH_BUNDLE": "x",
        "SWATH_BEGIN": "1000.0",
        "SWATH_LIMIT": "43200",
        "PYTHONPATH": os.pathsep.join([str(tmp_path / "inside"), str(tmp_path / "inside" / "site")]),
    }
    done = subprocess.run(
        [sys.executable, str(tmp_path / "inside" / "kernels" / "train.py")],
        cwd=tmp_path / "working",
        env=environment(cache, **own),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    assert "before the session's limit of 43200 s, and ended itself" in done.stderr
    assert [entry["name"] for entry in files.read_json(tmp_path / "working" / "manifest.json")["files"]] == [
        "metrics.csv"
    ]


def test_a_launch_that_is_stopped_brings_its_state_home(program):
    """Through the front door: stopped here, fetched, and its summary without a metric is no obstacle."""
    launcher = program.start("launch.py", *given(SETTINGS | {"train.steps": 5000}), OMP_NUM_THREADS="1")
    log = None
    for line in launcher.stderr:
        if "data: " in line:
            (log,) = program.runs.glob("*/session/log.jsonl")
            break
    while "@progress" not in log.read_text():
        assert launcher.poll() is None
    program("launch.py", "stop", "-y")
    launcher.communicate(timeout=120)
    assert launcher.returncode == 1
    (run,) = program.runs.glob("2*")
    assert files.read_json(run / "run.json")["metrics"] is None
    assert files.read_json(run / "outputs" / "summary.json")["finished"] is False
    assert state.read(run / "outputs" / state.STATE)["step"] > 0
