"""Misbehaviour on command: calls, logs, downloads and uploads that go wrong."""

import contextlib
import json
import time

import pytest
import requests

from tests.loopback import (
    EMPTY,
    UNKNOWN_STATUS,
    CutLog,
    Expired,
    HtmlPage,
    Refuse,
    Replace,
    Reset,
    Slow,
    Truncate,
    WrongBytes,
)
from tests.server.helpers import message


def test_when_a_fault_strikes(server, api):
    with pytest.raises(ValueError, match="no route 'SaveKernels'"):
        server.faults.add("SaveKernels", Reset())
    server.faults.add("ListKernels", Refuse(500), times=2, skip=1)
    server.faults.add("ListKernels", Refuse(503), match="elsewhere")
    codes = []
    for _ in range(5):
        try:
            api.kernels_list()
            codes.append(200)
        except requests.HTTPError as error:
            codes.append(error.response.status_code)
    assert codes == [200, 500, 500, 200, 200]
    assert server.faults.pending == [("ListKernels", Refuse(503))]


# Calls


def test_a_push_that_is_reset_before_and_after(server, push):
    server.faults.add("SaveKernel", Reset())
    with pytest.raises(requests.exceptions.ConnectionError, match="reset by peer"):
        push()
    assert server.kernels == {}
    server.faults.add("SaveKernel", Reset(work_done=True))
    with pytest.raises(requests.exceptions.ConnectionError):
        push()
    assert server.kernels["sea-ice"].latest.wait() == "COMPLETE"
    assert server.count("SaveKernel") == 2
    assert server.faults.pending == []


def test_html_where_json_belongs(server, push):
    server.faults.add("SaveKernel", HtmlPage(200, work_done=True))
    with pytest.raises(json.JSONDecodeError):
        push()
    assert server.kernels["sea-ice"].latest.number == 1
    server.faults.add("SaveKernel", HtmlPage(503))
    with pytest.raises(requests.HTTPError) as caught:
        push()
    assert caught.value.response.status_code == 503
    assert caught.value.response.headers["Content-Type"].startswith("text/html")
    assert server.kernels["sea-ice"].latest.number == 1


def test_too_many_requests(server, api, push):
    push()
    server.faults.add("GetKernelSessionStatus", Refuse(429, "Too many requests.", retry_after="0"), times=2)
    with pytest.raises(requests.HTTPError) as caught:
        api.kernels_status("tester/sea-ice")
    assert caught.value.response.headers["Retry-After"] == "0"
    assert message(caught) == "Too many requests."
    assert api.with_retry(api.kernels_status)("tester/sea-ice").status.name in ("RUNNING", "COMPLETE")
    assert server.count("GetKernelSessionStatus") == 3


def test_odd_answers(server, api, push):
    push()
    server.kernels["sea-ice"].latest.wait()
    server.faults.add("GetKernelSessionStatus", EMPTY)
    assert api.kernels_status("tester/sea-ice").status.name == "QUEUED"
    server.faults.add("GetKernelSessionStatus", UNKNOWN_STATUS)
    with pytest.raises(KeyError):
        api.kernels_status("tester/sea-ice")
    server.faults.add("SaveKernel", Replace({"error": "Something is off.", "versionNumber": 0}))
    assert push().error == "Something is off."
    assert len(server.kernels["sea-ice"].versions) == 1


def test_a_slow_answer(server, api):
    server.faults.add("ListKernels", Slow(0.3))
    started = time.monotonic()
    assert api.kernels_list() == []
    assert time.monotonic() - started >= 0.3


# Logs, downloads and uploads


@pytest.mark.parametrize("clean", [True, False])
def test_a_log_stream_that_is_cut(server, api, push, clean):
    server.record_bytes = 2
    push("print('abcdef')")
    version = server.kernels["sea-ice"].latest
    version.wait()
    server.faults.add("logs", CutLog(2, clean))
    seen = []

    def follow():
        for record in api.kernels_logs_stream("tester/sea-ice"):
            seen.append(record)

    if clean:
        follow()
    else:
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            follow()
    assert seen == version.records[:2]
    assert list(api.kernels_logs_stream("tester/sea-ice")) == version.records


def test_a_download_that_breaks_off(server, download, api, tmp_path):
    url = download()
    server.faults.add("download", Truncate(4))
    answer = requests.get(url, stream=True)
    assert answer.headers["Content-Length"] == "10"
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        answer.content  # noqa: B018
    server.faults.add("download", Truncate(4), match="digits")
    with contextlib.suppress(requests.exceptions.ChunkedEncodingError):  # newer clients try again by themselves
        api.kernels_output("tester/sea-ice", str(tmp_path / "outputs"))
    assert server.faults.pending == []
    assert requests.get(url).content == b"0123456789"


def test_a_download_with_wrong_bytes(server, download):
    server.faults.add("download", WrongBytes())
    answer = requests.get(download())
    assert len(answer.content) == 10
    assert answer.content[:9] == b"012345678"
    assert answer.content != b"0123456789"


def test_a_url_that_has_expired(server, download):
    url = download()
    server.faults.add("download", Expired())
    assert [requests.get(url).status_code for _ in range(2)] == [403, 403]
    assert requests.get(download()).content == b"0123456789"


def test_an_upload_that_fails(server, api, submit):
    server.faults.add("upload", Refuse(400))
    answer = submit("0.5")
    assert answer.message == "Could not submit to competition"
    assert answer.ref == 0
    assert server.count("CreateSubmission") == 0
