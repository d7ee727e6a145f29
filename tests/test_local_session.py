"""A session on this machine: Kaggle's folders, a supervisor that outlives its launcher, every way to end."""

import os
import signal

import pytest

from lib import files
from lib.launching.fetching.fetch import fetch
from lib.launching.following.follow import follow
from lib.launching.here.local import LocalSession
from tests.programs import wait_for

WAIT = 'import sys, time\nprint("ready", flush=True)\n[time.sleep(0.05) for _ in range(2000)]\n'


@pytest.fixture
def start(tmp_path):
    """Pushes a script as a kernel; whatever still runs at the end is stopped."""
    started = []

    def start(script: str, timeout: int | None = None, **more):
        kernel = tmp_path / f"kernel{len(started)}"
        files.write(kernel / "kernel.py", script)
        files.write_json(kernel / "kernel-metadata.json", {"id": "local/mine"})
        session = LocalSession(tmp_path / f"run{len(started)}" / "session", **more)
        ref = session.push(kernel, timeout)
        started.append((session, ref))
        return session, ref

    yield start
    for session, ref in started:
        session.stop(ref)


def end_of(session, ref, tmp_path):
    lines = []
    followed = follow(session, ref, tmp_path / "log.txt", lines.append, poll=0.05)
    assert followed.log_whole
    return followed.status, lines


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rsplit(")", 1)[1].split()[0] != "Z"


def test_the_folders_are_kaggles(start, tmp_path):
    data = tmp_path / "my data"
    files.write(data / "train" / "a.txt", "hello")
    script = """
import os, pathlib, sys
here = pathlib.Path(__file__)
assert (here.parent.name, here.name) == ("src", "script.py"), here
assert pathlib.Path.cwd() == here.parent.parent / "working"
assert sys.argv == [str(here)]
assert not [name for name in os.environ if name.startswith("PYTHON")]
print((here.parent.parent / "input/datasets/me/mine/train/a.txt").read_text())
pathlib.Path("sub").mkdir()
pathlib.Path("sub/out.txt").write_text("made")
print("to stderr", file=sys.stderr)
"""
    session, ref = start(script, data=data, mount="datasets/me/mine")
    status, lines = end_of(session, ref, tmp_path)
    assert (status.state, status.message) == ("complete", "")
    assert sorted(lines) == ["hello", "to stderr"]
    assert sorted((tmp_path / "log.txt").read_text().split("\n")) == ["", "", "hello", "to stderr"][1:]
    assert [output.name for output in session.outputs(ref)] == ["sub/out.txt"]
    assert fetch(session, ref, tmp_path / "home").moved == 1
    assert (tmp_path / "home" / "sub" / "out.txt").read_text() == "made"


def test_a_failing_kernel(start, tmp_path):
    session, ref = start('open("kept.txt", "w").write("x")\nraise SystemExit(7)')
    status, _ = end_of(session, ref, tmp_path)
    assert (status.state, status.message) == ("failed", "the kernel ended with exit code 7")
    assert [output.name for output in session.outputs(ref)] == ["kept.txt"]


def test_a_kernel_that_is_killed(start, tmp_path):
    session, ref = start("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    status, _ = end_of(session, ref, tmp_path)
    assert (status.state, status.message) == ("failed", "the kernel was killed by SIGKILL (out of memory?)")


def test_the_time_limit_ends_the_kernel_and_its_children(start, tmp_path):
    script = 'import subprocess, sys\nchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])\n'
    script += "print(child.pid, flush=True)\nimport time\ntime.sleep(60)"
    session, ref = start(script, timeout=1)
    status, lines = end_of(session, ref, tmp_path)
    assert (status.state, status.message) == ("failed", "the session's time limit of 1 s was reached")
    wait_for(lambda: not is_alive(int(lines[0])))


def test_stopping(start, tmp_path):
    session, ref = start(WAIT)
    assert session.status(ref).state == "running"
    session.stop(ref)
    assert session.status(ref).state == "stopped"
    assert end_of(session, ref, tmp_path)[0].state == "stopped"
    session.stop(ref)
    assert session.status(ref).state == "stopped"


OWN_NUMBER = "import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(60)\n"


def test_a_killed_supervisor_is_noticed_and_its_kernel_does_not_run_on(start):
    session, ref = start(OWN_NUMBER)
    kernel = int(next(session.logs(ref)).data)
    os.kill(files.read_json(session.folder / "state.json")["supervisor"], signal.SIGKILL)
    wait_for(lambda: session.status(ref).over)
    assert session.status(ref).state == "failed"
    assert "supervisor was killed" in session.status(ref).message
    wait_for(lambda: not is_alive(kernel))


def test_a_kernel_that_does_not_listen_is_killed_after_a_while(start, tmp_path, monkeypatch):
    monkeypatch.setenv("SWATH_GRACE_SECONDS", "0.5")
    session, ref = start("import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + OWN_NUMBER)
    kernel = int(next(session.logs(ref)).data)
    session.stop(ref)
    assert session.status(ref).state == "stopped"
    assert not is_alive(kernel)


def test_a_launcher_that_dies_before_its_supervisor_leaves_no_run_that_waits_for_ever(tmp_path, monkeypatch):
    session = LocalSession(tmp_path / "run" / "session")
    files.write_json(session.folder / "state.json", {"state": "queued", "message": ""})
    ref = session.find("run")
    assert session.status(ref).state == "queued"
    monkeypatch.setattr("lib.launching.here.supervised.START_SECONDS", 0)
    assert session.status(ref).state == "failed"
    session.stop(ref)


def test_the_log_is_live_and_replays_from_the_start(start):
    session, ref = start('import time\nfor n in range(3):\n    print("line", n, flush=True)\n    time.sleep(0.3)\n')
    first = next(session.logs(ref))
    assert first.data == "line 0\n"
    assert first.stream == "stdout"
    assert session.status(ref).state == "running"
    assert "".join(record.data for record in session.logs(ref)) == "line 0\nline 1\nline 2\n"


def test_another_process_can_look(start, tmp_path):
    """The session's state lives in its folder alone."""
    session, ref = start(WAIT)
    other = LocalSession(session.folder)
    assert other.status(ref).state == "running"
    records = list(other.logs(ref, live=False))
    wait_for(lambda: list(other.logs(ref, live=False)))
    assert len(records) <= 1
    other.stop(ref)
    assert session.status(ref).state == "stopped"
