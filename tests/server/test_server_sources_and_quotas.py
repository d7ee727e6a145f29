"""What a session is given: its data sources, GPU hours and a slot."""

from datetime import UTC, datetime

import pytest
import requests

from tests.loopback import Competition, KaggleServer
from tests.server.helpers import text_of

# Sources

LIST_INPUT = """
import os
for folder, _, files in os.walk("../input", followlinks=True):
    for name in files:
        print(os.path.relpath(os.path.join(folder, name), "../input"))
"""


@pytest.mark.parametrize(
    ("layout", "expected"),
    [
        ("new", ["competitions/sea/c.txt", "datasets/me/tiles/d.txt", "notebooks/tester/first-run/out.txt"]),
        ("old", ["first-run/out.txt", "sea/c.txt", "tiles/d.txt"]),
    ],
)
def test_mounts(server, push, tmp_path, layout, expected):
    for name in ("c", "d"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.txt").write_text(name)
    server.layout = layout
    server.datasets["me/tiles"] = tmp_path / "d"
    server.competitions["sea"] = Competition(scorer=float, data=tmp_path / "c")
    push("open('out.txt', 'w').close()", "First run")
    server.kernels["first-run"].latest.wait()
    push("raise SystemExit(1)", "First run")
    server.kernels["first-run"].latest.wait()
    sources = {"dataset_sources": ["me/tiles"], "competition_sources": ["sea"]}
    pushed = push(LIST_INPUT, "Second run", kernel_sources=["tester/first-run"], **sources)
    assert not pushed.invalid_kernel_sources
    version = server.kernels["second-run"].latest
    version.wait()
    assert sorted(text_of(version.records).split()) == expected


def test_a_layout_that_does_not_exist(tmp_path):
    with pytest.raises(ValueError, match="layout"):
        KaggleServer(tmp_path, layout="newest")


def test_rejected_sources_are_told_and_the_run_starts_without_them(server, push):
    server.competitions["rules"] = Competition(scorer=float, user_has_entered=False)
    pushed = push(
        LIST_INPUT,
        dataset_sources=["me/typo"],
        competition_sources=["rules", "nowhere"],
        kernel_sources=["tester/missing"],
        model_sources=["me/unet/pytorch/base/1"],
        keywords=["no such tag"],
    )
    assert pushed.invalid_dataset_sources == ["me/typo"]
    assert pushed.invalid_competition_sources == ["rules", "nowhere"]
    assert pushed.invalid_kernel_sources == ["tester/missing"]
    assert pushed.invalid_model_sources == ["me/unet/pytorch/base/1"]
    assert pushed.invalid_tags == ["no such tag"]
    version = server.kernels["sea-ice"].latest
    assert version.wait() == "COMPLETE"
    assert text_of(version.records) == ""


def test_dataset_status(server, api, tmp_path):
    server.datasets["me/tiles"] = tmp_path
    assert api.dataset_status("me/tiles") == "ready"
    with pytest.raises(requests.HTTPError) as caught:
        api.dataset_status("me/typo")
    assert caught.value.response.status_code == 404


# Quotas


def test_a_spent_quota_is_an_answer(server, api, push):
    server.gpu_hours_left = 0
    pushed = push(enable_gpu=True)
    assert pushed.error == "Maximum weekly GPU quota of 30.00 hours reached."
    assert pushed.version_number == 0
    assert server.kernels == {}
    assert push(enable_gpu=False).version_number == 1


def test_quota(server, api):
    server.gpu_hours_left = 26.96625
    answer = api.quota_view()
    assert answer.gpu_quota.time_used.total_seconds() == pytest.approx(10921.5)
    assert answer.gpu_quota.total_time_allowed.total_seconds() == 108000
    assert answer.gpu_quota.time_reserved.total_seconds() == 0
    now = datetime.now(UTC).replace(tzinfo=None)
    assert 0 < (answer.quota_refresh_time - now).total_seconds() <= 7 * 86400
    assert answer.quota_refresh_time.weekday() == 5


def test_slots(server, push):
    sleep = "import time; time.sleep(600)"
    for title in ("First", "Second"):
        assert push(sleep, title, machine_shape="NvidiaTeslaT4").version_number == 1
    third = push(sleep, "Third", machine_shape="NvidiaTeslaT4")
    assert third.error == "Maximum batch GPU session count of 2 reached."
    assert push("", "Third", machine_shape=None).version_number == 1
    server.kernels["first"].latest.cancel()
    assert push("", "Fourth", machine_shape="NvidiaTeslaT4").version_number == 1
