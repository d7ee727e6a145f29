"""Callers of the server: their credentials, and calls from one client or several."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from slugify import slugify

from tests.server.helpers import text_of

# Credentials


def test_a_good_token_names_its_user(connect):
    api = connect()
    assert api.config_values["username"] == "tester"
    assert api.config_values["auth_method"] == "ACCESS_TOKEN"
    assert api.kernels_list() == []


def test_a_user_name_and_key(server, connect):
    api = connect(KAGGLE_USERNAME="tester", KAGGLE_KEY=server.key)
    assert api.config_values["auth_method"] == "LEGACY_API_KEY"
    assert api.kernels_list() == []
    assert server.count("IntrospectToken") == 0


@pytest.mark.parametrize(
    "credentials",
    [
        {"KAGGLE_USERNAME": "tester", "KAGGLE_KEY": "wrong"},
        {"KAGGLE_USERNAME": "wrong", "KAGGLE_KEY": "0123456789abcdef0123456789abcdef"},
        {
            "KAGGLE_USERNAME": "tester",
            "KAGGLE_KEY": "0123456789abcdef0123456789abcdef",
            "KAGGLE_API_TOKEN": "KGAT_expired",
        },
    ],
    ids=["bad key", "bad user", "a bad token shadows a good key"],
)
def test_bad_credentials(server, connect, credentials):
    api = connect(**credentials)
    with pytest.raises(requests.HTTPError) as caught:
        api.kernels_list()
    assert caught.value.response.status_code == 401
    error = {"code": 401, "message": "Unauthenticated", "status": "UNAUTHENTICATED"}
    assert caught.value.response.json() == {"error": error}


def test_a_bad_token_alone_ends_the_client(connect, capsys):
    with pytest.raises(SystemExit):
        connect(KAGGLE_API_TOKEN="KGAT_expired")
    assert "Kaggle" in capsys.readouterr().out


# Calls


def test_unknown_calls_are_refused(server):
    auth = (server.owner, server.key)
    for path in ("kernels.KernelsApiService/CancelKernelSession", "datasets.DatasetApiService/SaveKernel"):
        answer = requests.post(f"{server.url}/v1/{path}", json={}, auth=auth)
        assert answer.status_code == 404
        assert answer.json()["error"]["code"] == 404
    assert (
        requests.post(f"{server.url}/v1/kernels.KernelsApiService/ListKernels", data="[", auth=auth).status_code == 400
    )


def test_a_list_of_kernels(api, push):
    for title in ("First run", "Second run", "Other"):
        push(title=title)
    assert [kernel.slug for kernel in api.kernels_list(mine=True)] == ["other", "second-run", "first-run"]
    assert [kernel.slug for kernel in api.kernels_list(search="run", page_size=1, page=2)] == ["first-run"]
    assert api.kernels_list(user="somebody") == []


def test_several_clients_at_once(server, push, api):
    server.cpu_slots = 8
    titles = [f"Kernel {number}" for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        pushed = list(pool.map(lambda title: push(f"print({title!r})", title), titles))
    assert sorted(answer.kernel_id for answer in pushed) == list(range(1, 9))
    for title in titles:
        version = server.kernels[slugify(title)].latest
        assert version.wait() == "COMPLETE"
        assert text_of(version.records) == f"{title}\n"


def test_a_client_in_a_process_of_its_own(server, push, tmp_path):
    push()
    server.kernels["sea-ice"].latest.wait()
    program = """
import os, sys
from kagglesdk import kaggle_env
kaggle_env._env_to_endpoint[kaggle_env.KaggleEnv.PROD] = os.environ["KAGGLE_API_ENDPOINT"]
from kaggle.cli import main
sys.argv[1:] = ["kernels", "status", "tester/sea-ice"]
main()
"""
    env = {"PATH": os.environ["PATH"], **server.client_env(tmp_path / "another home")}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    assert 'tester/sea-ice has status "KernelWorkerStatus.COMPLETE"' in done.stdout
