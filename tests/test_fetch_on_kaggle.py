"""`launch.py fetch` against a server whose lines break: nothing that came comes twice, and only what is right stays."""

import hashlib
import json
import random
import resource
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass

import pytest

from lib import files
from lib.launching.runs import Run
from tests.loopback import Expired, KaggleServer, Refuse, Reset, Stall, Truncate, Version, WrongBytes
from tests.loopback.faults import Faults
from tests.loopback.quick_kernel import quick_python
from tests.programs import ON_T4, PROJECT, WITHOUT_GPU, Program, only, program_in, wait_for

BIG = random.Random(7).randbytes(1_500_000)
"""A checkpoint's content."""


@dataclass
class Finished:
    """A run whose session is over; each test says anew what it left."""

    server: KaggleServer
    program: Program
    run: Run
    version: Version

    def leaves(self, contents: dict[str, bytes], manifest: bool = True) -> None:
        """Let the session have left these files, and bring nothing home yet."""
        working = self.version.folder / "working"
        for folder in (working, self.run.outputs):
            shutil.rmtree(folder, ignore_errors=True)
        for name, content in contents.items():
            files.write(working / name, content)
        if manifest:
            files.write_manifest(working)
        self.run.update(home=None, fetched=None)
        self.server.faults = Faults(self.server.faults.routes)
        self.server.urls.ranges = self.server.urls.etags = True
        self.server.urls.served.clear()
        self.server.requests.clear()

    def fetch(self, *words, code=0, **more):
        return self.program("launch.py", "fetch", *words, code=code, **more)

    def home(self, name: str) -> bytes:
        return (self.run.outputs / name).read_bytes()

    def starts(self, name: str) -> list[int]:
        """Where each answer for a file began."""
        return [served.start for served in self.server.urls.served if served.name == name]

    def came(self) -> int:
        """Bytes of unfinished files at home."""
        return sum(path.stat().st_size for path in self.run.outputs.glob(".parts/*"))

    def begins(self, size: int):
        """Start a fetch, and wait until so many bytes of it have come."""
        process = self.program.start("launch.py", "fetch")
        wait_for(lambda: self.came() >= size and (self.run.outputs / "metrics.csv").exists())
        return process


@pytest.fixture(scope="module")
def pushed(tmp_path_factory, cache):
    folder = tmp_path_factory.mktemp("finished")
    with KaggleServer(folder / "server") as server:
        server.python = quick_python(folder)
        program = program_in(folder, cache, **server.client_env(folder / "home"), SWATH_POLL_SECONDS="0.02")
        run = program.json(*ON_T4, *WITHOUT_GPU, "--detach")
        version = only(server.kernels).latest
        assert version.wait() == "COMPLETE"
        program("launch.py", "fetch")
        yield Finished(server, program, Run(program.runs / run["id"]), version)


@pytest.fixture
def finished(pushed):
    pushed.leaves({"best.pt": BIG, "metrics.csv": b"epoch,metric\n"})
    return pushed


def test_a_line_that_drops_again_and_again_brings_a_large_file_home(finished):
    """More often than a file may fail: each time it goes on behind what came."""
    finished.server.faults.add("download", Truncate(100_000), times=None, match="best.pt")
    finished.fetch()
    assert finished.home("best.pt") == BIG
    assert finished.starts("best.pt") == list(range(0, len(BIG), 100_000))
    assert not (finished.run.outputs / ".parts").exists()


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT], ids=["kill -9", "Ctrl-C"])
def test_bytes_that_came_outlive_the_process(finished, end):
    finished.server.faults.add("download", Stall(700_000), match="best.pt")
    process = finished.begins(700_000)
    process.send_signal(end)
    _, said = process.communicate(timeout=30)
    assert "Traceback" not in said
    assert process.returncode == (130 if end == signal.SIGINT else -end)
    assert finished.home("metrics.csv"), "small files come first"
    assert not (finished.run.outputs / "manifest.json").exists()
    finished.fetch()
    assert finished.starts("best.pt") == [0, 700_000]
    assert finished.home("best.pt") == BIG
    assert not (finished.run.outputs / ".parts").exists()


def test_a_line_on_which_nothing_comes_any_more_is_lost(finished):
    finished.server.faults.add("download", Stall(400_000), match="best.pt")
    finished.fetch(SWATH_READ_SECONDS="0.5")
    assert finished.starts("best.pt") == [0, 400_000]
    assert finished.home("best.pt") == BIG


@pytest.mark.parametrize("manifest", [True, False], ids=["manifest", "no manifest"])
def test_another_file_under_the_same_name_is_not_glued_to_what_came(finished, manifest):
    finished.leaves({"best.pt": BIG}, manifest)
    finished.server.faults.add("download", Truncate(600_000), match="best.pt")
    finished.server.faults.add("download", Reset(), times=None, match="best.pt")
    finished.fetch(code=1)
    assert finished.came() == 600_000
    other = BIG[::-1]
    (finished.version.folder / "working" / "best.pt").write_bytes(other)
    if manifest:
        files.write_manifest(finished.version.folder / "working")
    finished.server.faults = Faults(finished.server.faults.routes)
    finished.fetch()
    assert finished.home("best.pt") == other
    assert finished.server.urls.served[-1].status == 200


@pytest.mark.parametrize("manifest", [True, False], ids=["manifest", "no manifest"])
@pytest.mark.parametrize("without", ["ranges", "etags"])
def test_a_server_without_ranges_or_etags(finished, without, manifest):
    """Without an ETag only the manifest can tell whether the rest fits."""
    finished.leaves({"best.pt": BIG}, manifest)
    setattr(finished.server.urls, without, False)
    finished.server.faults.add("download", Truncate(600_000), match="best.pt")
    finished.fetch()
    assert finished.home("best.pt") == BIG
    assert finished.starts("best.pt") == [0, 600_000 if without == "etags" and manifest else 0]


def test_a_range_that_the_server_does_not_have_is_not_asked_for_again(finished):
    finished.server.faults.add("download", Truncate(600_000), match="best.pt")
    finished.server.faults.add("download", Refuse(416), match="best.pt")
    finished.fetch()
    assert finished.server.faults.pending == []
    assert finished.home("best.pt") == BIG


def test_a_part_that_was_spoiled_here_is_dropped(finished):
    finished.server.faults.add("download", Stall(700_000), match="best.pt")
    process = finished.begins(700_000)
    process.kill()
    process.communicate()
    part = max(finished.run.outputs.glob(".parts/*"), key=lambda path: path.stat().st_size)
    part.write_bytes(bytes(700_000))
    finished.fetch()
    assert finished.starts("best.pt") == [0, 700_000, 0]
    assert finished.home("best.pt") == BIG


def test_names_of_every_kind_pages_and_nothing_twice(finished):
    odd = [
        "a b.txt",
        "ü/ß 日本.txt",
        "100%.csv",
        "#1.txt",
        "what?.txt",
        "a&b=c.txt",
        "dots...",
        "d/e/e/p/er/x.bin",
        ".hidden",
    ]
    contents = {name: name.encode() for name in odd} | {"empty.txt": b"", "empty too": b""}
    contents |= {f"overlays/{number}.png": bytes([number % 256]) * number for number in range(420)}
    finished.leaves(contents)
    finished.server.faults.add("download", Expired())
    done = finished.fetch("--json")
    assert json.loads(done.stdout)["fetch"] == {"files": len(contents), "moved": len(contents), "whole": True}
    for name, content in contents.items():
        assert finished.home(name) == content, name
    assert len(finished.server.urls.served) == len(contents) + 1
    assert finished.server.count("ListKernelSessionOutput") == 3 * 2, "three pages, and again for what had expired"

    finished.server.requests.clear()
    assert "all of it was here already" in finished.fetch().stdout
    assert [name for name, _ in finished.server.requests if name != "IntrospectToken"] == ["GetKernelSessionStatus"]
    (finished.run.outputs / "#1.txt").unlink()
    files.write(finished.run.outputs / "overlays" / "7.png", b"1234567")
    finished.server.urls.served.clear()
    assert "2 files fetched" in finished.fetch().stdout
    assert {served.name for served in finished.server.urls.served} == {"manifest.json", "#1.txt", "7.png"}


def test_only_some_of_it(finished):
    finished.leaves({"checkpoints/best.pt": BIG, "metrics.csv": b"m", "tables/per class.csv": b"t"})
    done = finished.fetch("--only", "*.csv", "--only", "nothing like it")
    assert "2 files fit, 2 fetched" in done.stdout
    assert sorted(path.name for path in finished.run.outputs.rglob("*")) == ["metrics.csv", "per class.csv", "tables"]
    assert not finished.run.read()["fetched"]
    assert f"next: python launch.py fetch {finished.run.id}" in done.stderr
    done = finished.fetch("--only", "*.tif", code=2)
    assert "no output is called '*.tif'" in done.stderr
    assert "checkpoints/best.pt" in done.stderr
    finished.fetch()
    assert len(finished.starts("metrics.csv")) == 1
    assert finished.run.read()["fetched"]


def test_two_at_once_do_not_spoil_each_other(finished):
    waits = threading.Event()

    def held(exchange):
        waits.wait(30)
        exchange.send(exchange.work())

    finished.server.faults.add("download", held, match="best.pt")
    first = finished.program.start("launch.py", "fetch")
    wait_for(lambda: [1 for target, _ in finished.server.requests if "best.pt" in target])
    second = finished.program.start("launch.py", "fetch")
    assert "another fetch of this run is at work" in second.stderr.readline()
    waits.set()
    said, _ = second.communicate(timeout=30)
    assert "all of it was here already" in said
    first.communicate(timeout=30)
    assert (first.returncode, second.returncode) == (0, 0)
    assert finished.starts("best.pt") == [0]


def test_what_stays_wrong_is_not_taken_and_the_rest_is(finished):
    finished.server.faults.add("download", WrongBytes(), times=None, match="metrics.csv")
    done = finished.fetch(code=1)
    assert "metrics.csv arrived damaged" in done.stderr
    assert finished.home("best.pt") == BIG
    assert sorted(path.name for path in finished.run.outputs.iterdir()) == ["best.pt"]
    assert not finished.run.read()["fetched"]


def test_a_file_larger_than_the_disk_is_not_begun(finished):
    content = b"x" * 1000
    entry = {"name": "best.pt", "bytes": 10**18, "sha256": hashlib.sha256(content).hexdigest()}
    finished.leaves({"best.pt": content, "manifest.json": json.dumps({"files": [entry]}).encode()}, manifest=False)
    done = finished.fetch(code=1)
    assert "outputs has room for" in done.stderr
    assert f"{10**18:,} are still to come" in done.stderr
    assert finished.starts("best.pt") == []


def test_a_file_that_finds_no_room_is_told_with_its_place_and_the_others_stay(finished):
    """A limit on the size of files stands in for a disk that is full."""
    done = subprocess.run(
        [sys.executable, "launch.py", "fetch"],
        cwd=PROJECT,
        env=finished.program.environment,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (800_000, resource.RLIM_INFINITY)),
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert f"{finished.run.outputs / 'best.pt'} cannot be written: File too large" in done.stderr
    assert finished.home("metrics.csv")
    assert finished.came() == 800_000
    finished.fetch()
    assert finished.starts("best.pt") == [0, 800_000]
    assert finished.home("best.pt") == BIG
