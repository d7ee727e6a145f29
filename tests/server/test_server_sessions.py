"""How a session starts and ends, and that it leaves no process behind."""

from pathlib import Path

import pytest
import requests

from tests.loopback import KaggleServer
from tests.server.helpers import push_without_client, text_of, wait_for

STRAY = """
import pathlib, subprocess, sys, time
command = [sys.executable, "-c", "import time; time.sleep(600)"]
stray = subprocess.Popen(command, start_new_session=True)
pathlib.Path("stray.tmp").write_text(str(stray.pid))
pathlib.Path("stray.tmp").rename("stray")
"""


def stray_of(version):
    """The process that STRAY starts in a session of its own, where killing the group does not reach it."""
    path = version.folder / "working/stray"
    wait_for(path.exists)
    return int(path.read_text())


def is_alive(pid):
    """Whether a process runs; one that has ended and waits for its parent to notice does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_failing_script_is_an_error_and_keeps_its_files(server, api, push, tmp_path):
    push("open('partial.csv', 'w').write('x')\nraise ValueError('no such class')")
    assert server.kernels["sea-ice"].latest.wait() == "ERROR"
    answer = api.kernels_status("tester/sea-ice")
    assert answer.status.name == "ERROR"
    assert "code 1" in answer.failure_message
    api.kernels_output("tester/sea-ice", str(tmp_path / "outputs"))
    assert (tmp_path / "outputs/partial.csv").read_text() == "x"
    records = server.kernels["sea-ice"].latest.records
    assert "ValueError: no such class" in text_of(records, "stderr")
    assert text_of(records, "stdout") == ""


def test_the_time_limit_ends_every_process(server, push):
    push(STRAY + "time.sleep(600)", timeout="1")
    version = server.kernels["sea-ice"].latest
    pid = stray_of(version)
    assert is_alive(pid)
    assert version.wait(10) == "ERROR"
    assert "1 seconds" in version.failure_message
    assert not is_alive(pid)


def test_a_finished_script_takes_its_processes_along(server, push):
    push(STRAY)
    version = server.kernels["sea-ice"].latest
    assert version.wait(10) == "COMPLETE"
    assert not is_alive(stray_of(version))


def test_a_closing_server_leaves_nothing_running(tmp_path):
    with KaggleServer(tmp_path) as server:
        assert push_without_client(server, STRAY + "time.sleep(600)")["versionNumber"] == 1
        version = server.kernels["sea-ice"].latest
        pid = stray_of(version)
        assert is_alive(pid)
        session = requests.Session()
        assert session.get(server.url).status_code == 404
    assert not is_alive(pid)
    assert version.status == "CANCEL_ACKNOWLEDGED"
    with pytest.raises(requests.exceptions.ConnectionError):
        session.get(server.url)


def test_deleting_stops_the_session_and_forgets_the_kernel(server, api, push, sdk):
    push(STRAY + "time.sleep(600)")
    version = server.kernels["sea-ice"].latest
    pid = stray_of(version)
    api.kernels_delete("tester/sea-ice", no_confirm=True)
    assert not version.folder.exists()
    assert not is_alive(pid)
    with pytest.raises(requests.HTTPError) as caught:
        sdk("get_kernel_session_status")
    assert caught.value.response.status_code == 404
    assert caught.value.response.json()["error"]["status"] == "NOT_FOUND"
    assert push().version_number == 1


def test_a_cancelled_session(server, api, push):
    push("import time; time.sleep(600)")
    server.kernels["sea-ice"].latest.cancel()
    assert api.kernels_status("tester/sea-ice").status.name == "CANCEL_ACKNOWLEDGED"


def test_versions_are_told_apart_by_label_only(server, push, sdk):
    def status(label=None):
        return sdk("get_kernel_session_status", version_label=label).status.name

    push("raise SystemExit(1)")
    server.kernels["sea-ice"].latest.wait()
    server.queue_seconds = 600
    pushed = push("print(2)")
    assert pushed.version_number == 2
    assert " v2" in pushed.ref
    assert (status("v1"), status("v2")) == ("ERROR", "QUEUED")
    assert status() == "ERROR", "without a label the previous run answers while the new one waits"
    for label in ("2", "v3", "latest"):
        with pytest.raises(requests.HTTPError) as caught:
            status(label)
        assert caught.value.response.status_code == 404


def test_a_queued_session_starts_later(server, api, push):
    server.queue_seconds = 1.0
    push()
    assert api.kernels_status("tester/sea-ice").status.name == "QUEUED"
    assert server.kernels["sea-ice"].latest.wait() == "COMPLETE"
