"""A session on Colab: its machine's folders, data, limits and ends, through the real supervisor and a stand-in."""

import ast
import io
import os
import signal
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path

import pytest
from filelock import FileLock

from lib import files
from lib.competitions import find_pairs, load
from lib.errors import Refused
from lib.launching.colab import data as colab_data
from lib.launching.colab.session import ColabSession
from tests.programs import PROJECT, wait_for


def test_the_data_arrive_as_they_are(small_dubai, start, end_of):
    root, needed = small_dubai
    script = """
import pathlib
root = pathlib.Path("../input/datasets/me/land")
found = {path.relative_to(root).as_posix(): path.read_text() for path in root.rglob("*") if path.is_file()}
print(sorted(found), found["Semantic segmentation dataset/Tile 1/masks/b.png"], flush=True)
"""
    session, ref = start(script, data=root, mount="datasets/me/land")
    assert end_of(session, ref).state == "complete"
    assert logged(session) == f"{sorted(needed)} bytes b.png\n"
    assert not list((session.folder / "upload").glob("*"))


def test_data_go_up_in_pieces_and_not_without_bounds(small_dubai, tmp_path):
    root, _ = small_dubai
    pairs = find_pairs(load("dubai").data.train, root)
    pieces = [
        (part.path.read_bytes(), part.path)
        for part in colab_data.parts(colab_data.named(pairs, root, "here"), tmp_path, most=1000)
    ]
    assert {len(content) for content, _ in pieces[:-1]} == {1000}
    assert not any(path.exists() for _, path in pieces)
    with tarfile.open(fileobj=io.BytesIO(b"".join(content for content, _ in pieces))) as tar:
        assert len(tar.getnames()) == 4
        assert all(member.isfile() for member in tar.getmembers())
    with pytest.raises(Refused, match="44 bytes, and more than 43 bytes is not sent up"):
        colab_data.check_size(pairs, largest=43)


@pytest.fixture
def start(colab, tmp_path, monkeypatch):
    """Pushes a script as a kernel; at the end whatever still runs is stopped, and no machine is held."""
    started = []
    for name, value in {**colab.env, "HOME": str(tmp_path / "home"), "SWATH_CACHE": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    colab.account(python=sys.executable)

    def start(script: str, timeout: int | None = None, **more):
        run = tmp_path / f"run{len(started)}"
        files.write(run / "kernel" / "kernel.py", script)
        files.write_json(run / "kernel" / "kernel-metadata.json", {"id": f"colab/{run.name}"})
        files.write(run / "competition.toml", (PROJECT / "lib/competitions/dubai.toml").read_text())
        session = ColabSession(run / "session", gpu="T4", **more)
        ref = session.push(run / "kernel", timeout)
        started.append((session, ref))
        return session, ref

    yield start
    for session, ref in started:
        session.stop(ref)
    assert colab.held == []


@pytest.fixture
def end_of(colab):
    """Waits for a session's end; by then its machine is released."""

    def end_of(session, ref):
        wait_for(lambda: session.status(ref).over)
        assert colab.held == []
        assert len(colab.calls("new")) == 1
        return session.status(ref)

    return end_of


def logged(session) -> str:
    return "".join(record.data for record in session.logs(session.find(""), live=False))


LINES = "import time\nfor n in range(30):\n    print('line', n, flush=True)\n    time.sleep(0.03)\n"
WHOLE = "".join(f"line {n}\n" for n in range(30))
WAIT = "import pathlib, time\nprint('ready', flush=True)\npathlib.Path('kept.txt').write_text('x')\ntime.sleep(600)\n"


def test_the_folders_are_kaggles_and_every_output_comes_home(start, end_of):
    script = """
import os, pathlib, sys
here = pathlib.Path(__file__)
assert (here.parent.parent.name, here.parent.name, here.name) == ("kaggle", "src", "script.py"), here
assert pathlib.Path.cwd() == here.parent.parent / "working"
print("to stderr", file=sys.stderr)
for name in ("sub/out.txt", ".hidden/x", "empty"):
    pathlib.Path(name).parent.mkdir(exist_ok=True)
    pathlib.Path(name).write_text(name[:-5])
with open("large", "wb") as file:
    file.truncate((32 << 20) + 5)
"""
    session, ref = start(script)
    status = end_of(session, ref)
    assert (status.state, status.message) == ("complete", "")
    assert [record.stream for record in session.logs(ref)] == ["stderr"]
    sizes = {output.name: Path(output.source).stat().st_size for output in session.outputs(ref)}
    assert sizes == {"sub/out.txt": 6, ".hidden/x": 4, "empty": 0, "large": (32 << 20) + 5}


def test_a_failing_kernel(start, end_of):
    session, ref = start('open("kept.txt", "w").write("x")\nraise SystemExit(7)')
    status = end_of(session, ref)
    assert (status.state, status.message) == ("failed", "the kernel ended with exit code 7")
    assert [output.name for output in session.outputs(ref)] == ["kept.txt"]


def test_the_time_limit(start, end_of):
    session, ref = start(WAIT, timeout=1)
    status = end_of(session, ref)
    assert (status.state, status.message) == ("failed", "the session's time limit of 1 s was reached")
    assert [output.name for output in session.outputs(ref)] == ["kept.txt"]


@pytest.mark.parametrize("fault", [{"cut_after": 5}, {"silent_after": 5}, {"garbled": 5}])
def test_a_connection_that_breaks_off_or_falls_silent_costs_nothing(colab, start, end_of, monkeypatch, fault):
    monkeypatch.setenv("SWATH_SILENCE_SECONDS", "0.6")
    colab.order("exec", **fault)
    session, ref = start(LINES)
    assert end_of(session, ref).state == "complete"
    assert logged(session) == WHOLE


def test_a_file_that_arrives_damaged_is_fetched_again(colab, start, end_of):
    session, ref = start("open('a.txt', 'w').write('content')")
    colab.order("download", gate="go")  # the listing…
    colab.order("download", damage=True)  # …and the file
    colab.open_gate("go")
    assert end_of(session, ref).state == "complete"
    assert (session.folder / "working" / "a.txt").read_text() == "content"


def test_what_the_image_lacks_is_installed_and_torch_stays(colab, start, end_of, tmp_path):
    python = tmp_path / "python"
    words = f"open({str(tmp_path / 'pip.txt')!r}, 'w').write(repr(sys.argv[1:]))"
    python.write_text(f"#!{sys.executable}\nimport sys\nif sys.argv[1] == '-m':\n    {words}\nprint('ran')\n")
    python.chmod(0o755)
    colab.account(python=str(python), lacks=["pytorch_lightning", "timm"])
    session, ref = start("")
    assert end_of(session, ref).state == "complete"
    words = ast.literal_eval((tmp_path / "pip.txt").read_text())
    assert words[:2] == ["-m", "pip"]
    assert words[-2:] == ["pytorch-lightning>=2.4", "timm>=1.0.20"]
    kept = Path(words[words.index("--constraint") + 1].replace("/machines/", "/gone/")).read_text()
    assert f"torch=={version('torch')}\n" in kept
    assert logged(session) == "installing pytorch-lightning>=2.4, timm>=1.0.20\nran\nran\n"


@pytest.mark.parametrize("how", ["stop", "SIGTERM", "SIGINT"])
def test_stopping(start, end_of, how):
    session, ref = start(WAIT)
    wait_for(lambda: "ready" in logged(session))
    if how == "stop":
        session.stop(ref)
    else:
        os.kill(files.read_json(session.folder / "state.json")["supervisor"], getattr(signal, how))
    status = end_of(session, ref)
    assert (status.state, status.message) == ("stopped", "stopped by request")
    assert [output.name for output in session.outputs(ref)] == ["kept.txt"]


def kill_supervisor(session) -> None:
    os.kill(files.read_json(session.folder / "state.json")["supervisor"], signal.SIGKILL)
    wait_for(lambda: not session._supervised())


def test_after_a_killed_supervisor_another_goes_on(start, end_of, tmp_path):
    gate = tmp_path / "gate"
    wait = f"import os\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.02)\nprint('after', flush=True)\n"
    session, ref = start(LINES + wait)
    wait_for(lambda: "line 3" in logged(session))
    kill_supervisor(session)
    assert session.status(ref).state == "running"
    gate.touch()
    assert end_of(session, ref).state == "complete"
    assert logged(session) == WHOLE + "after\n"


def test_a_run_without_a_supervisor_can_be_stopped(start, end_of):
    session, ref = start(WAIT)
    wait_for(lambda: "ready" in logged(session))
    kill_supervisor(session)
    session.stop(ref)
    assert end_of(session, ref).state == "stopped"


@pytest.mark.parametrize("killed", [False, True])
def test_of_a_machine_that_colab_takes_away_stays_what_came_home(colab, start, end_of, monkeypatch, tmp_path, killed):
    monkeypatch.setenv("SWATH_SILENCE_SECONDS", "1")
    monkeypatch.setenv("SWATH_KEEP_SECONDS", "0.3")
    gate = tmp_path / "gate"
    wait = f"import os, time\nprint('up', flush=True)\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.02)\n"
    session, ref = start(wait + WAIT)
    wait_for(lambda: "up" in logged(session))
    if killed:
        kill_supervisor(session)
    gate.touch()
    wait_for(lambda: session.status(ref) and session.outputs(ref))
    assert [output.name for output in session.outputs(ref)] == ["kept.txt"]
    colab.reap()
    status = end_of(session, ref)
    assert status.state == "failed"
    assert "Colab ended the machine before the kernel did" in status.message


def test_a_cell_that_never_started(colab, start, end_of, monkeypatch):
    monkeypatch.setenv("SWATH_SILENCE_SECONDS", "0.3")
    colab.order("exec", unsent=True)
    session, ref = start(WAIT)
    status = end_of(session, ref)
    assert status.state == "failed"
    assert "the machine did not start the kernel" in status.message


def test_a_machine_that_could_not_be_released_is_released_by_the_next_who_asks(colab, start, end_of):
    for _ in range(4):
        colab.order("stop", say="ConnectionError: no route")
    session, ref = start("")
    wait_for(lambda: session._state()["state"] == "complete")
    assert "the machine could not be released: ConnectionError: no route" in session._state()["message"]
    assert len(colab.held) == 1
    assert not session.is_tidied
    with FileLock(session.folder / "lock"):  # as its supervisor has it to the very end of the process
        session.status(ref)
    wait_for(lambda: colab.held == [])
    wait_for(lambda: session._state()["machine"] == "released")
    assert end_of(session, ref).message == ""
