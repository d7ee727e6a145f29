"""A push whose answer is lost, late or none, and a launcher that is killed: one launch is one session at most."""

import json
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from lib import files
from lib.launching.kaggle.client import _retry_after
from tests.loopback import EMPTY, HtmlPage, KaggleServer, Late, Refuse, Reset, Slow, Truncate
from tests.loopback.faults import Faults
from tests.loopback.quick_kernel import quick_python
from tests.programs import ON_T4, PROJECT, WITHOUT_GPU, only, wait_for

PUSHER = """
import json, sys
from pathlib import Path
from lib.errors import SwathError
from lib.launching.kaggle.session import KaggleSession
for line in sys.stdin:
    try:
        ref = KaggleSession().push(Path(line.strip()), None)
        answer = {"pushed": f"{ref.owner}/{ref.slug} v{ref.version}"}
    except SwathError as error:
        answer = {"exit": error.exit_code, "said": f"{error.reason} {error.hint}"}
    print(json.dumps(answer), flush=True)
"""
"""Pushes the folders that it is told, one after another: the real client in a process of its own."""


class Pusher:
    """A Kaggle whose sessions end at once, and a process that pushes to it."""

    def __init__(self, server: KaggleServer, folder):
        self.server, self.folder, self.count = server, folder, 0
        environment = server.client_env(folder / "home") | {"SWATH_POLL_SECONDS": "0.05", "SWATH_READ_SECONDS": "0.5"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", PUSHER],
            cwd=PROJECT,
            env={"PATH": "/usr/bin:/bin", **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def push(self) -> tuple[dict, int]:
        """Push a new kernel; what became of it, and how many sessions the server started for it."""
        self.count += 1
        slug = f"kernel-{self.count}"
        identity = {"id": f"tester/{slug}", "title": slug.replace("-", " "), "code_file": "kernel.py"}
        about = {"language": "python", "kernel_type": "script", "enable_internet": False}
        files.write_json(self.folder / slug / "kernel-metadata.json", identity | about)
        files.write(self.folder / slug / "kernel.py", "print(1)\n")
        self.server.requests.clear()
        self.process.stdin.write(f"{self.folder / slug}\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        kernel = self.server.kernels.get(slug)
        return answer, len(kernel.versions) if kernel else 0


@pytest.fixture(scope="module")
def one_pusher(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pusher")
    with KaggleServer(folder / "server", python=shutil.which("true")) as server:
        pusher = Pusher(server, folder)
        yield pusher
        pusher.process.stdin.close()
        pusher.process.wait(timeout=30)
        pusher.process.stdout.close()


@pytest.fixture
def pusher(one_pusher):
    one_pusher.server.faults = Faults(one_pusher.server.faults.routes)
    return one_pusher


ANSWER_LOST = {
    "reset": Reset(work_done=True),
    "html 200": HtmlPage(200, work_done=True),
    "html 503": HtmlPage(503, work_done=True),
    "500": Refuse(500, work_done=True),
    "503": Refuse(503, work_done=True),
    "429": Refuse(429, work_done=True),
    "429 later": Refuse(429, retry_after="0.1", work_done=True),
    "504": Refuse(504, work_done=True),
    "cut": Truncate(20),
    "nothing in it": Truncate(0),
    "too slow": Slow(1.0, work_first=True),
}
NOT_TAKEN = {
    "reset": Reset(),
    "html 200": HtmlPage(200),
    "html 503": HtmlPage(503),
    "500": Refuse(500),
    "503": Refuse(503, retry_after="0.1"),
    "502": HtmlPage(502),
    "empty": EMPTY,
}


@pytest.mark.parametrize("fault", ANSWER_LOST.values(), ids=ANSWER_LOST)
def test_a_push_whose_answer_is_lost_is_found_and_not_repeated(pusher, fault):
    """Also when the server does not show the new kernel for a moment, or cannot be asked for one."""
    pusher.server.faults.add("SaveKernel", fault)
    pusher.server.faults.add("GetKernel", Refuse(404))
    pusher.server.faults.add("GetKernel", HtmlPage(200))
    answer, sessions = pusher.push()
    assert (answer.get("pushed"), sessions) == (f"tester/kernel-{pusher.count} v1", 1)
    assert pusher.server.count("SaveKernel") == 1
    assert pusher.server.count("GetKernel") == 3


@pytest.mark.parametrize("fault", NOT_TAKEN.values(), ids=NOT_TAKEN)
def test_a_push_that_the_server_knows_nothing_of_is_refused_and_not_repeated(pusher, fault):
    pusher.server.faults.add("SaveKernel", fault)
    answer, sessions = pusher.push()
    assert (answer["exit"], sessions) == (3, 0)
    assert "so nothing was started" in answer["said"]
    assert pusher.server.count("SaveKernel") == 1
    assert pusher.server.count("GetKernel") == 4, "the server's lists lag behind: one question is not enough"


@pytest.mark.parametrize("retry_after", [None, "0.1"])
def test_too_many_requests_are_waited_out_after_asking_what_the_server_has(pusher, retry_after):
    pusher.server.faults.add("SaveKernel", Refuse(429, retry_after=retry_after), times=2)
    answer, sessions = pusher.push()
    assert (answer["pushed"], sessions) == (f"tester/kernel-{pusher.count} v1", 1)
    names = [name for name, _ in pusher.server.requests if name in ("SaveKernel", "GetKernel")]
    assert names == (["SaveKernel"] + ["GetKernel"] * 4) * 2 + ["SaveKernel"]


def test_a_server_that_stays_too_busy_is_a_refusal(pusher):
    pusher.server.faults.add("SaveKernel", Refuse(429), times=None)
    answer, sessions = pusher.push()
    assert (answer["exit"], sessions, pusher.server.count("SaveKernel")) == (3, 0, 3)
    pusher.server.faults = Faults(pusher.server.faults.routes)
    pusher.server.faults.add("SaveKernel", Refuse(429, retry_after="3600"))
    answer, sessions = pusher.push()
    assert (answer["exit"], sessions, pusher.server.count("SaveKernel")) == (3, 0, 1)


def test_a_push_that_is_taken_after_it_was_refused_is_ended_with_its_twin(pusher):
    pusher.server.faults.add("SaveKernel", Late(429))
    answer, sessions = pusher.push()
    assert (answer["exit"], sessions) == (3, 0)
    assert "is a second session. The kernel was deleted again" in answer["said"]


@pytest.mark.parametrize(
    ("prepare", "why"),
    [
        (lambda faults: faults.add("SaveKernel", Slow(1.5)), "it may still be at work on it"),
        (lambda faults: faults.add("SaveKernel", Refuse(504)), "it may still be at work on it"),
        (lambda faults: faults.add("GetKernel", Refuse(500), times=None), "it cannot be asked"),
        (lambda faults: faults.add("GetKernel", Refuse(401), times=None), "it cannot be asked"),
    ],
    ids=["at work", "gateway", "no answer", "signed out"],
)
def test_what_cannot_be_known_is_not_called_a_refusal(pusher, prepare, why):
    """A refusal would remove the run, and a session that began late could not be found any more."""
    prepare(pusher.server.faults)
    pusher.server.faults.add("SaveKernel", Reset())
    answer, _ = pusher.push()
    assert answer["exit"] == 1
    assert why in answer["said"]
    assert f"launch.py status kernel-{pusher.count}" in answer["said"]
    assert pusher.server.count("SaveKernel") == 1


def test_a_network_that_goes_with_the_answer_is_waited_for_until_kaggle_can_be_asked(pusher):
    """Seconds longer than all questions take."""
    taken, gone = threading.Event(), threading.Event()

    def take_and_leave(exchange):
        exchange.work()
        taken.set()
        assert gone.wait(10)
        exchange.reset()

    def be_away():
        assert taken.wait(10)
        with pusher.server.away():
            gone.set()
            time.sleep(1)

    pusher.server.faults.add("SaveKernel", take_and_leave)
    with ThreadPoolExecutor(1) as pool:
        away = pool.submit(be_away)
        answer, sessions = pusher.push()
        away.result()
    assert (answer.get("pushed"), sessions) == (f"tester/kernel-{pusher.count} v1", 1)
    assert pusher.server.count("SaveKernel") == 1


def test_retry_after_is_seconds_or_a_date():
    date = "Fri, 20 Nov 2026 16:00:30 GMT"
    assert _retry_after("7.5") == 7.5
    assert _retry_after(date, now=lambda: 1795190400.0) == 30
    assert _retry_after(date, now=lambda: 1795190500.0) == 0
    assert _retry_after("soon") == _retry_after("") == 0


def killed_at(moment):
    """A fault that kills the launcher, and does what was asked before or after that, or not at all."""

    def fault(exchange):
        answer = exchange.work() if moment != "before" else None
        if moment == "sent":
            exchange.send(answer)
        exchange.kaggle.launcher.kill()
        exchange.kaggle.launcher.wait()
        if moment != "sent":
            exchange.reset()

    return fault


@pytest.mark.parametrize(
    ("route", "moment", "sessions"),
    [
        ("IntrospectToken", "before", 0),
        ("SaveKernel", "before", 0),
        ("SaveKernel", "unheard", 1),
        ("SaveKernel", "sent", 1),
        ("logs", "before", 1),
        ("GetKernelSessionStatus", "sent", 1),
        ("download", "unheard", 1),
    ],
)
def test_a_launcher_killed_anywhere_leaves_one_session_that_another_process_picks_up(
    server, on_kaggle, tmp_path, route, moment, sessions
):
    server.python = quick_python(tmp_path)
    server.env["QUICK_KERNEL_SECONDS"] = "0.1"
    server.faults.add(route, killed_at(moment))
    server.launcher = on_kaggle.start(*ON_T4, *WITHOUT_GPU)
    server.launcher.communicate(timeout=240)
    assert server.faults.pending == []
    assert len(server.kernels) == sessions
    if sessions:
        wait_for(lambda: not only(server.kernels).latest.active)
        assert on_kaggle.json("launch.py", "fetch")["status"] == "complete"
        (run,) = on_kaggle.runs.glob("2*")
        assert (run / "outputs" / "manifest.json").is_file()
        assert (run / "log.txt").read_text().startswith("devices: ")
    else:
        said = on_kaggle("launch.py", "status", code=1 if route == "SaveKernel" else 2).stderr
        assert "python launch.py" in said
    assert server.count("SaveKernel") <= 1
    assert sum(len(kernel.versions) for kernel in server.kernels.values()) == sessions
