"""`--on colab`: the real launcher and supervisor, a stand-in for Google's command, machines that are folders here."""

import json
from pathlib import Path

import pytest

from lib import files
from tests.conftest import Program, program_in
from tests.loopback.colab import Colab

ON_COLAB = ("launch.py", "--on", "colab", "--gpu", "t4", "-c", "sample")


@pytest.fixture
def colab(tmp_path) -> Colab:
    return Colab(tmp_path / "colab")


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
    assert "accelerator: t4: asked as T4, Colab gives 1 x T4" in done.stderr
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


def only_word(colab: Colab, command: str, flag: str) -> str:
    (call,) = colab.calls(command)
    return call[call.index(flag) + 1]
