"""Private data sets through the official client: made once whatever breaks, resumed, waited for until READY."""

import pytest

from lib import files
from lib.launching.kaggle.dataset_content import Content
from tests.loopback import CutUpload, HtmlPage, Refuse, Reset, Slow
from tests.programs import interrupt, wait_for

SIZE = 300_000
CODE = """
import sys, pathlib
from lib.errors import guarded
from lib import files
from lib.launching.kaggle.datasets import ensure
folder = pathlib.Path(sys.argv[1])
files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
guarded(lambda: print(ensure(files, "swath state")))()
"""


@pytest.fixture
def state(tmp_path):
    """A run's state: a folder with a file of `SIZE` bytes."""
    files.write(tmp_path / "state" / "checkpoints" / "last.ckpt", (bytes(range(250)) * SIZE)[:SIZE])
    return tmp_path / "state"


@pytest.fixture
def ensure(on_kaggle, state, tmp_path):
    """Sees to the data set in a process of its own; returns what that said."""
    on_kaggle.environment.update(SWATH_CACHE=str(tmp_path / "cache"), SWATH_POLL_SECONDS="0.02")
    return lambda code=0: on_kaggle("-c", CODE, state, code=code)


def begun(server):
    """How often an upload was begun, and a data set asked for."""
    return server.count("StartBlobUpload"), server.count("CreateDataset")


def test_a_data_set_is_private_complete_and_made_once(server, ensure, state):
    (state / "metrics.csv").write_text("epoch\n1\n")
    (state / "empty.txt").touch()
    server.dataset_polls = 3
    name = ensure().stdout.strip()
    made = server.dataset_service.made[name]
    assert made.private is True
    assert made.files == ["checkpoints/last.ckpt", "empty.txt", "metrics.csv"]
    assert made.polls == 4, "asked until it was READY"
    for file in made.files:
        assert (server.datasets[name] / file).read_bytes() == (state / file).read_bytes()
    server.requests.clear()
    assert ensure().stdout.strip() == name
    assert [method for method, _ in server.requests if method != "IntrospectToken"] == ["GetDatasetStatus"]

    (state / "metrics.csv").write_text("epoch\n2\n")
    assert ensure().stdout.strip() != name, "other content is another data set"


def test_an_upload_goes_on_where_its_connection_was_lost(server, ensure):
    server.faults.add("upload", CutUpload(1000))
    server.faults.add("upload", Refuse(503))
    server.faults.add("upload", Reset(), skip=1)
    server.faults.add("CreateDataset", Reset(work_done=True))
    name = ensure().stdout.strip()
    assert server.faults.pending == []
    assert server.urls.pieces == [1000, SIZE - 1000]
    assert begun(server) == (1, 1)
    assert (server.datasets[name] / "checkpoints" / "last.ckpt").stat().st_size == SIZE


def test_the_next_launch_goes_on_with_an_upload_that_was_given_up(server, ensure):
    server.faults.add("upload", CutUpload(1000))
    server.faults.add("upload", Reset(), times=None, skip=1)
    done = ensure(code=3)
    assert f"broke off at 1,000 of {SIZE:,} bytes" in done.stderr
    assert "the same command goes on from there" in done.stderr
    server.faults = type(server.faults)(server.faults.routes)
    ensure()
    assert server.urls.pieces == [1000, SIZE - 1000]
    assert begun(server) == (1, 1)


def test_an_upload_that_the_server_has_forgotten_begins_anew(server, ensure):
    server.faults.add("upload", CutUpload(1000))
    server.faults.add("upload", Refuse(404))
    server.faults.add("upload", CutUpload(2000))
    server.faults.add("upload", Refuse(403, "The signature is no longer valid."))
    assert "The signature is no longer valid." in ensure(code=3).stderr
    ensure()
    assert server.urls.pieces == [1000, 2000, SIZE]
    assert begun(server) == (3, 1)


def test_a_creation_that_was_not_heard_is_not_repeated(server, ensure):
    server.faults.add("CreateDataset", HtmlPage(200))
    done = ensure(code=3)
    assert "Kaggle has no such data set" in done.stderr
    assert begun(server) == (1, 1)
    ensure()
    assert begun(server) == (1, 2)
    assert server.urls.pieces == [SIZE], "nothing is sent twice"


def test_a_name_that_is_taken(server, ensure, state):
    short, long = Content.of({"checkpoints/last.ckpt": state / "checkpoints" / "last.ckpt"}).titles("swath state")
    server.dataset_service.taken = {short, long}
    done = ensure(code=3)
    assert short.replace(" ", "-") in done.stderr
    assert "are taken on Kaggle" in done.stderr
    server.dataset_service.taken = {short}
    name = ensure().stdout.strip()
    assert name == f"tester/{long.replace(' ', '-')}"
    assert ensure().stdout.strip() == name
    assert server.urls.pieces == [SIZE]


def test_a_data_set_that_fails_is_sent_again_as_a_new_version(server, ensure):
    server.dataset_end = "FAILED"
    done = ensure(code=3)
    assert "could not process the data set tester/swath-state-" in done.stderr
    assert "launch again" in done.stderr
    server.dataset_end, server.dataset_polls = "READY", 0
    name = ensure().stdout.strip()
    assert server.dataset_service.made[name].versions == 2
    assert server.count("CreateDataset") == 1


def test_a_full_account_is_told_in_kaggles_words(server, ensure):
    server.faults.add("StartBlobUpload", Refuse(400, "You have exceeded your private dataset quota of 214.75GB."))
    done = ensure(code=3)
    assert "exceeded your private dataset quota of 214.75GB" in done.stderr
    assert "next: " in done.stderr


def interrupted(process):
    said = interrupt(process)
    assert process.returncode == 130, said
    assert "the same command goes on from there" in said
    assert "Traceback" not in said


def test_ctrl_c_loses_nothing(server, ensure, on_kaggle, state):
    server.faults.add("upload", CutUpload(1000))
    server.faults.add("upload", Slow(600))
    uploading = on_kaggle.start("-c", CODE, state)
    wait_for(lambda: len(server.requests) > 4 and not server.faults.pending)
    interrupted(uploading)

    server.dataset_polls = 10**9
    waiting = on_kaggle.start("-c", CODE, state, SWATH_POLL_SECONDS="600")
    assert any("is READY" in line for line in waiting.stderr)
    interrupted(waiting)
    assert server.urls.pieces == [1000, SIZE - 1000]

    server.dataset_polls = 0
    ensure()
    assert begun(server) == (1, 1)
    assert server.urls.pieces == [1000, SIZE - 1000]


def test_two_launches_at_once_make_it_once(server, ensure, on_kaggle, state):
    server.faults.add("CreateDataset", Slow(1.5))
    first = on_kaggle.start("-c", CODE, state)
    wait_for(lambda: server.count("CreateDataset"))
    second = on_kaggle.start("-c", CODE, state)
    (one, _), (other, said) = first.communicate(), second.communicate()
    assert one == other != ""
    assert "another launch is making the data set" in said
    assert begun(server) == (1, 1)
