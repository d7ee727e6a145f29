"""Pushing and fetching beside the official client, against a Kaggle on this machine that is 50 ms away.

    python -m benchmarks push launch fetch

Both sides are whole processes, with the same credentials and against the same server. "push" sends a folder that is
ready; "launch" is the whole way to it, with the bundle made and Kaggle asked, its model rehearsed before, as every
launch but the first has. A fetch begins with nothing at home.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.case import Call, Case, Disagreement, Inputs
from benchmarks.commands import Command
from lib import files
from tests.loopback import KaggleServer

LATENCY = 0.05
"""Seconds before each answer of the server."""

FILES = 500
BYTES = 2000
"""Of each of them."""

LAUNCH = ("launch.py", "--gpu", "t4x2", "-c", "sample")
OFFICIAL = ("-m", "benchmarks.official", "kernels")


@functools.cache
def kaggle(folder: Path) -> KaggleServer:
    """A server whose sessions end at once, for as long as this process lives."""
    server = KaggleServer(folder / f"kaggle-{os.getpid()}", python=shutil.which("true")).__enter__()
    atexit.register(server.__exit__)
    return server


@dataclass(frozen=True)
class Fresh:
    """A command whose folder is empty whenever it begins."""

    command: Command
    folder: Path

    def __call__(self) -> subprocess.CompletedProcess[str]:
        """Run it in a process of its own."""
        shutil.rmtree(self.folder, ignore_errors=True)
        return self.command()

    def inside(self) -> None:
        """Run it in this interpreter."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.command.inside()


def home_of(inputs: Inputs) -> Path:
    """This process's own: memory is measured in several at a time."""
    return inputs.scratch(f"home-{os.getpid()}")


def _command(words: tuple[str, ...], inputs: Inputs) -> Command:
    home = home_of(inputs)
    return Command(words, home, kaggle(inputs.folder).client_env(home))


def _done(command: Command) -> str:
    """What a command prints; `Disagreement` when it fails."""
    done = command()
    if done.returncode:
        raise Disagreement(f"{' '.join(command.words)}: {done.stderr.strip()[-300:]}")
    return done.stdout


@functools.cache
def finished(folder: Path, count: int) -> str:
    """The name of a run whose session is over and has left so many files."""
    server, inputs = kaggle(folder), Inputs(folder)
    server.latency = 0
    run = _done(_command((*LAUNCH, "--detach"), inputs)).strip()
    version = server.kernels[run].latest
    version.wait()
    working = version.folder / "working"
    for number in range(count):
        files.write(working / "masks" / f"{number}.png", number.to_bytes(4, "big") * (BYTES // 4))
    files.write_manifest(working)
    return run


def fetch(count: int, latency: float, inputs: Inputs) -> Call:
    """The kit's `fetch`."""
    run = finished(inputs.folder, count)
    kaggle(inputs.folder).latency = latency
    return Fresh(_command(("launch.py", "fetch", run), inputs), home_of(inputs) / "runs" / run / "outputs")


def fetch_official(count: int, latency: float, inputs: Inputs) -> Call:
    """`kaggle kernels output`."""
    run = finished(inputs.folder, count)
    kaggle(inputs.folder).latency = latency
    target = inputs.folder / "official"
    return Fresh(_command((*OFFICIAL, "output", f"tester/{run}", "-p", str(target)), inputs), target)


def same_files(count: int, ours: object, theirs: object, inputs: Inputs) -> str:
    """Both have brought every file home, byte for byte."""
    run = finished(inputs.folder, count)
    working = kaggle(inputs.folder).kernels[run].latest.folder / "working"
    for folder in (home_of(inputs) / "runs" / run / "outputs", inputs.folder / "official"):
        for path in working.rglob("*.png"):
            copy = folder / path.relative_to(working)
            if not copy.is_file() or copy.read_bytes() != path.read_bytes():
                raise Disagreement(f"{copy} is not what the session left")
    return ""


def launch(latency: float, inputs: Inputs) -> Call:
    """The kit's launch, up to the push and with it."""
    command = _command((*LAUNCH, "--detach"), inputs)
    kaggle(inputs.folder).latency = 0
    _done(command)  # the model is rehearsed
    kaggle(inputs.folder).latency = latency
    return command


def push(latency: float, inputs: Inputs) -> Call:
    """The kit's push of a folder, the last step of its launch."""
    folder = ready(inputs)
    kaggle(inputs.folder).latency = latency
    return _command(("-m", "benchmarks.own_push", str(folder)), inputs)


def push_official(latency: float, inputs: Inputs) -> Call:
    """`kaggle kernels push`."""
    folder = ready(inputs)
    kaggle(inputs.folder).latency = latency
    return _command((*OFFICIAL, "push", "-p", str(folder)), inputs)


def ready(inputs: Inputs) -> Path:
    """The folder that the kit's dry run writes, with a name of its own for the kernel."""
    _done(_command((*LAUNCH, "--dry-run"), inputs))
    folder = home_of(inputs) / "runs" / "dry-run" / "kernel"
    about = json.loads((folder / "kernel-metadata.json").read_text())
    files.write_json(folder / "kernel-metadata.json", about | {"id": f"tester/{about['id'].split('/')[-1]}"})
    return folder


def same_kernel(
    ours: subprocess.CompletedProcess[str], theirs: subprocess.CompletedProcess[str], inputs: Inputs
) -> str:
    """The server has the same text and settings of both."""
    if ours.returncode or theirs.returncode or "successfully pushed" not in theirs.stdout:
        raise Disagreement(f"a push failed: {ours.stderr[-200:]} {theirs.stdout[-200:]} {theirs.stderr[-200:]}")
    kernels = kaggle(inputs.folder).kernels
    mine = kernels[ours.stdout.strip()].latest
    other = next(kernel.latest for slug, kernel in kernels.items() if slug in theirs.stdout)
    if mine.text != other.text or mine.machine_shape != other.machine_shape:
        raise Disagreement("the server has another kernel of each")
    return ""


def fetching(count: int = FILES, latency: float = LATENCY) -> Case:
    """The row of so many files."""
    name = f"fetch, {count} files, {latency * 1000:g} ms away"
    sides: tuple[Callable, Callable] = (partial(fetch, count, latency), partial(fetch_official, count, latency))
    return Case(name, "kaggle kernels output", *sides, partial(same_files, count))


def pushing(name: str, kit: Callable[[float, Inputs], Call], latency: float) -> Case:
    """The row of a push from so far away."""
    far = f", {latency * 1000:g} ms away" if latency else ""
    return Case(name + far, "kaggle kernels push", partial(kit, latency), partial(push_official, latency), same_kernel)


CASES = (
    fetching(),
    *(pushing(name, kit, latency) for name, kit in (("push", push), ("launch", launch)) for latency in (0.0, LATENCY)),
)
