"""`submit.py rehearse`: the hidden rerun here, on other images, without a network, with an estimate of its time."""

import hashlib
import socket
import sys

import pytest

from lib.competitions import find_pairs
from lib.launching.rehearsing import isolation
from lib.launching.rehearsing.rerun import Pace, Rehearsal
from lib.rasters import read_image
from lib.submissions.hidden import hidden_root
from lib.submissions.job import find_job
from tests.programs import program_in
from tests.ready import TOML, field, ready_run


def contents(folder, source):
    pairs = find_pairs(source, folder, masks=False)
    return {pair.id: hashlib.sha256(read_image(pair.image).tobytes()).hexdigest() for pair in pairs}


def test_the_builtin_scenes_are_others(competition, scenes, tmp_path):
    root = hidden_root(competition, None, tmp_path / "hidden", count=3)
    job = find_job(competition, root)
    assert (job.which, len(job.images), job.truth) == ("test", 3, {})
    known = [*contents(scenes, competition.data.test).items(), *contents(scenes, competition.data.train).items()]
    new = contents(root, competition.data.test)
    assert not set(new) & {image for image, _ in known}
    assert not set(new.values()) & {content for _, content in known}
    layout = job.layout()
    assert len(layout.rows) == 18
    assert list(layout.images) == sorted(layout.images, reverse=True), "in the sample's order, which is another"
    other = hidden_root(competition, None, tmp_path / "other", count=3, seed=1)
    assert not set(contents(other, competition.data.test).values()) & set(new.values())


@pytest.mark.parametrize("count", [2, 7])
def test_images_of_ones_own_get_other_names(tmp_path, count):
    data = field(tmp_path / "data")
    run = ready_run(tmp_path / "runs", data)
    source = run.competition.data.test
    root = hidden_root(run.competition, data, tmp_path / "hidden", count)
    known, new = contents(data, source), contents(root, source)
    assert len(new) == count
    assert not set(known) & set(new)
    assert set(new.values()) <= set(known.values())
    assert len(set(new.values())) == min(count, len(known))
    assert len(find_job(run.competition, root).layout().rows) == count


def test_a_sample_of_instances_has_none(tmp_path):
    data = field(tmp_path / "data")
    toml = TOML.replace('id = "{id}"', 'id = "{id}"\nunit = "instance"').replace('"dice"', '"instance-fbeta"')
    run = ready_run(tmp_path / "runs", data, toml=toml.replace('"pairs"', '"image"'))
    root = hidden_root(run.competition, data, tmp_path / "hidden", 2)
    sample = (root / "sample_submission.csv").read_text().splitlines()
    assert sample[0] == "id,rle"
    assert all(line.endswith(",") for line in sample[1:])
    assert len(find_job(run.competition, root).layout().rows) == len(sample) - 1 == 2


CONNECT = "import socket, sys; socket.create_connection(('127.0.0.1', int(sys.argv[1])), 5); print('through')"
DATAGRAM = "import socket, sys; socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', int(sys.argv[1])))"
RESOLVE = "import socket; socket.getaddrinfo('localhost', 80); socket.socket().connect(('127.0.0.1', 9))"


@pytest.mark.parametrize("way", ["namespace", "python"])
def test_nothing_gets_through(tmp_path, way):
    if way == "namespace" and isolation.best() != way:
        pytest.skip("this system permits no network namespace")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        for code in (CONNECT, DATAGRAM, RESOLVE) if way == "python" else (CONNECT,):
            said: list[str] = []
            folder = tmp_path / "working"
            folder.mkdir(exist_ok=True)
            assert isolation.run([sys.executable, "-c", code, port], folder, {}, way, None, said.append) == 1
            assert "through" not in said
            assert ("the rehearsal has no network" in said[-1]) == (way == "python")


def test_what_does_not_end_is_ended(tmp_path):
    (tmp_path / "working").mkdir()
    words = [sys.executable, "-c", "import signal; print('on', flush=True); signal.pause()"]
    assert isolation.run(words, tmp_path / "working", {}, "python", 1.0, print) is None


@pytest.mark.parametrize(
    ("images", "verdict"), [(1000, "it fits"), (1900, "too close to fit"), (2000, "it does not fit")]
)
def test_the_estimate_is_kaggles_where_it_is_known(images, verdict):
    paces = (Pace("this machine", 5.0, 0.1), Pace("run r on Kaggle", 60.0, 1.0))
    found = Rehearsal("r", "without", 6, images, 2000, paces, (), "submission.csv")
    assert found.seconds == 60 + images
    assert found.lines[-1].endswith(f"at the pace of run r on Kaggle: {verdict}")
    assert found.fits == (verdict == "it fits")


def test_the_bundle_is_run_checked_and_timed(tmp_path):
    run = ready_run(tmp_path / "runs", field(tmp_path / "data"))
    program = program_in(tmp_path, tmp_path / "cache")
    words = ("submit.py", "rehearse", "--try", "4", "--images", "100000000", "--limit", "30m", "--json")
    done = program(*words, code=1, KAGGLE_KERNEL_RUN_TYPE="Interactive")
    assert "KAGGLE_IS_COMPETITION_RERUN is set" in done.stderr
    assert f"{isolation.WORDS[isolation.best()]}, with KAGGLE_IS_COMPETITION_RERUN set, on 4 images" in done.stderr
    assert f"next: python submit.py rehearse --run {run.id} --set infer.tta=none" in done.stderr
    made = (program.runs / "rehearsal" / "session" / "working" / "submission.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in made] == ["id", *(f"hidden{n:04}" for n in (3, 2, 1, 0))]
    assert '"problems": []' in done.stdout
    assert '"fits": false' in done.stdout
