"""The loopback server, and the official client's ways to drive it."""

import json
import os

import pytest
from slugify import slugify

from tests.loopback import Competition, KaggleServer
from tests.server.helpers import score


@pytest.fixture
def server(tmp_path):
    with KaggleServer(tmp_path / "server") as server:
        yield server


@pytest.fixture
def connect(server, tmp_path, monkeypatch):
    """Makes official clients; keyword arguments replace the environment's good token."""

    def connect(**credentials):
        home = tmp_path / "home"
        for name in [name for name in os.environ if name.startswith("KAGGLE_")]:
            monkeypatch.delenv(name)
        env = server.client_env(home)
        if credentials:
            del env["KAGGLE_API_TOKEN"]
        for name, value in {**env, **credentials}.items():
            monkeypatch.setenv(name, value)
        from kagglesdk import kaggle_env

        monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, server.url)
        from kaggle.api.kaggle_api_extended import KaggleApi

        monkeypatch.setattr(KaggleApi, "config", str(home / ".kaggle" / "kaggle.json"))
        api = KaggleApi()
        api.authenticate()
        return api

    return connect


@pytest.fixture
def api(connect):
    return connect()


@pytest.fixture
def push(api, tmp_path):
    """Pushes a script with the official client; keyword arguments go into kernel-metadata.json."""

    def push(text="print('hello')", title="Sea ice", timeout=None, **metadata):
        folder = tmp_path / "push" / slugify(title)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "script.py").write_text(text, encoding="utf-8")
        settings = {
            "id": f"tester/{slugify(title)}",
            "title": title,
            "code_file": "script.py",
            "language": "python",
            "kernel_type": "script",
            "enable_internet": False,
            **metadata,
        }
        (folder / "kernel-metadata.json").write_text(json.dumps(settings))
        return api.kernels_push(str(folder), timeout)

    return push


@pytest.fixture
def sdk(api):
    """Calls an RPC of the kernels service: sdk("get_kernel_session_status", version_label="v1")."""
    from kagglesdk.kernels.types import kernels_api_service as types

    def call(method, **fields):
        name = "Api" + "".join(part.capitalize() for part in method.split("_")) + "Request"
        request = getattr(types, name)()
        kernel = {"user_name": "tester", "kernel_slug": "sea-ice"}
        for field, value in {**(kernel if hasattr(request, "kernel_slug") else {}), **fields}.items():
            setattr(request, field, value)
        return getattr(api.build_kaggle_client().kernels.kernels_api_client, method)(request)

    return call


@pytest.fixture
def download(server, push, sdk):
    """The signed URL of a file with ten digits in it."""
    push("open('digits.txt', 'w').write('0123456789')")
    server.kernels["sea-ice"].latest.wait()

    def download():
        return sdk("list_kernel_session_output").files[0].url

    return download


@pytest.fixture
def submit(server, api, tmp_path):
    """Submits text as a file to the competition sea-ice, which this adds to the server."""
    server.competitions["sea-ice"] = Competition(scorer=score, daily_limit=3)

    def submit(text, competition="sea-ice"):
        path = tmp_path / "submission.csv"
        path.write_text(text)
        return api.competition_submit(str(path), "a note", competition, quiet=True)

    return submit


@pytest.fixture
def ask(api):
    """Asks GetSubmission for a submission."""
    from kagglesdk.competitions.types.competition_api_service import ApiGetSubmissionRequest

    def ask(ref):
        request = ApiGetSubmissionRequest()
        request.ref = ref
        return api.build_kaggle_client().competitions.competition_api_client.get_submission(request)

    return ask
