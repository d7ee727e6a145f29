"""`--on colab`: the real launcher and supervisor, a stand-in for Google's command, machines that are folders here."""

import ast
import io
import json
import os
import signal
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path

import pytest

from lib import files
from lib.competitions import find_pairs, load
from lib.errors import Refused
from lib.launching.colab import data as colab_data
from lib.launching.colab.session import ColabSession
from tests.conftest import PROJECT, Program, program_in, wait_for
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


@pytest.fixture
def small_dubai(tmp_path) -> tuple[Path, set[str]]:
    """A data root of two pairs, one of them a link, and what a training run needs of it."""
    root, needed = tmp_path / "land", set()
    for name in ("images/a.jpg", "masks/a.png", "images/b.jpg", "masks/b.png"):
        path = root / "Semantic segmentation dataset" / "Tile 1" / name
        files.write(path, f"bytes {name[-5:]}")
        needed.add(path.relative_to(root).as_posix())
    path.rename(tmp_path / "elsewhere.png")
    path.symlink_to(tmp_path / "elsewhere.png")
    files.write(root / "classes.json", "not asked for")
    return root, needed


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
    session.status(ref)
    wait_for(lambda: colab.held == [])
    wait_for(lambda: session._state()["machine"] == "released")
    assert end_of(session, ref).message == ""


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
    _, said = launcher.communicate(timeout=60)
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
    launcher.send_signal(signal.SIGINT)
    _, said = launcher.communicate(timeout=60)
    run = run_of(on_colab)
    assert launcher.returncode == 130
    assert f"python launch.py stop {run.name}" in said
    assert len(colab.held) == 1
    assert on_colab.json("launch.py", "status")["status"] == "running"
    assert "stopped" in on_colab("launch.py", "stop", "-y").stdout
    assert colab.held == []
