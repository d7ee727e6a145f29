"""What a session leaves behind: its log and its output files."""

import contextlib
import json
import threading

import pytest
import requests

from tests.loopback import KaggleServer
from tests.server.helpers import GATED, push_without_client, text_of, wait_for

# Logs


def test_a_live_log_is_followed_to_its_end(server, api, push):
    push(GATED)
    version = server.kernels["sea-ice"].latest
    stream = api.kernels_logs_stream("tester/sea-ice")
    first = next(stream)
    assert first.keys() == {"stream_name", "time", "data"}
    assert first["data"].startswith("one")
    assert version.status == "RUNNING"
    (version.folder / "working/gate").touch()
    live = [first, *stream]
    assert text_of(live) == "one\ntwo\n"
    assert version.wait() == "COMPLETE"
    assert live == version.records == list(api.kernels_logs_stream("tester/sea-ice"))
    assert json.loads(api.kernels_logs("tester/sea-ice")) == live


def test_the_two_forms_of_a_log(server, push):
    push(GATED)
    version = server.kernels["sea-ice"].latest
    url = f"{server.url}/v1/kernels/logs/stream/tester/sea-ice?versionLabel=v1"
    assert requests.get(url).status_code == 401
    auth = (server.owner, server.key)
    live = requests.get(url, auth=auth, stream=True)
    (version.folder / "working/gate").touch()
    assert live.headers["Content-Type"] == "text/event-stream"
    assert live.text.splitlines()[-2:] == ["data: END_OF_LOG", ""]
    version.wait()
    finished = requests.get(url, auth=auth)
    assert finished.headers["Content-Type"] == "application/json"
    assert finished.json() == version.records
    assert requests.get(url.replace("Label=v1", "Label=1"), auth=auth).status_code == 404


def test_records_are_not_lines(server, push):
    server.record_bytes = 3
    push("import sys; print('Größe: 12 m²'); sys.stdout.buffer.write(b'\\xff')")
    version = server.kernels["sea-ice"].latest
    version.wait()
    assert len(version.records) > 4
    assert max(len(record["data"].encode()) for record in version.records) <= 4
    assert text_of(version.records) == "Größe: 12 m²\n\ufffd"


def test_a_stream_ends_when_the_server_closes(tmp_path):
    with KaggleServer(tmp_path) as server:
        push_without_client(server, GATED)
        url = f"{server.url}/v1/kernels/logs/stream/tester/sea-ice"
        stream = requests.get(url, auth=(server.owner, server.key), stream=True)

        def read():
            with contextlib.suppress(requests.exceptions.RequestException):
                list(stream.iter_lines())

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        reader.join(0.1)
        assert reader.is_alive()
    reader.join(5)
    assert not reader.is_alive()


# Output files


def test_outputs_come_in_pages(server, api, push, sdk, tmp_path):
    push("for i in range(45): open(f'{i:02}.txt', 'w').write(str(i))")
    server.kernels["sea-ice"].latest.wait()
    pages, token = [], None
    while token is None or token:
        answer = sdk("list_kernel_session_output", version_label="v1", page_token=token)
        pages.append(answer)
        token = answer.next_page_token
    assert [len(page.files) for page in pages] == [20, 20, 5]
    assert [bool(page.log) for page in pages] == [True, False, False]
    assert len(sdk("list_kernel_session_output", page_size=1000).files) == 45
    api.kernels_output("tester/sea-ice", str(tmp_path / "outputs"))
    assert (tmp_path / "outputs/44.txt").read_text() == "44"


def test_two_hundred_files_a_page_at_most(server, push, sdk):
    push("for i in range(201): open(str(i), 'w').close()")
    server.kernels["sea-ice"].latest.wait()
    assert len(sdk("list_kernel_session_output", page_size=1000).files) == 200


def test_a_running_session_shows_no_files(server, push, sdk):
    push("open('a', 'w').close()" + GATED)
    wait_for((server.kernels["sea-ice"].latest.folder / "working/a").exists)
    answer = sdk("list_kernel_session_output")
    assert (answer.files, answer.log) == ([], "")


@pytest.mark.parametrize(
    ("asked", "code", "body", "part"),
    [
        ("bytes=4-", 206, b"456789", "bytes 4-9/10"),
        ("bytes=2-3", 206, b"23", "bytes 2-3/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=8-99", 206, b"89", "bytes 8-9/10"),
        ("bytes=10-", 416, b"", "bytes */10"),
    ],
)
def test_ranges(download, asked, code, body, part):
    url = download()
    answer = requests.get(url, headers={"Range": asked})
    assert (answer.status_code, answer.content, answer.headers["Content-Range"]) == (code, body, part)
    stale = requests.get(url, headers={"Range": asked, "If-Range": '"another"'})
    assert (stale.status_code, stale.content) == (200, b"0123456789")
