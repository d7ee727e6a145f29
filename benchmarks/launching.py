"""Pushing and fetching beside the official client, against a Kaggle on this machine that is 50 ms away.

    python -m benchmarks push fetch

Both sides are whole processes, with the same credentials and against the same server. A fetch begins with nothing at
home; a push has its model rehearsed before, as every one but the first has.
"""

from __future__ import annotations

import atexit
import functools
import json
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
    server = KaggleServer(folder / "kaggle", python=shutil.which("true")).__enter__()
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


def _command(words: tuple[str, ...], inputs: Inputs) -> Command:
    home = inputs.scratch("home")
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
    return Fresh(_command(("launch.py", "fetch", run), inputs), inputs.folder / "home" / "runs" / run / "outputs")


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
    for folder in (inputs.folder / "home" / "runs" / run / "outputs", inputs.folder / "official"):
        for path in working.rglob("*.png"):
            copy = folder / path.relative_to(working)
            if not copy.is_file() or copy.read_bytes() != path.read_bytes():
                raise Disagreement(f"{copy} is not what the session left")
    return ""


def push(latency: float, inputs: Inputs) -> Call:
    """The kit's launch, up to the push."""
    command = _command((*LAUNCH, "--detach"), inputs)
    kaggle(inputs.folder).latency = 0
    _done(command)  # the model is rehearsed
    kaggle(inputs.folder).latency = latency
    return command


def push_official(latency: float, inputs: Inputs) -> Call:
    """`kaggle kernels push` of the folder that the kit's dry run writes."""
    _done(_command((*LAUNCH, "--dry-run"), inputs))
    folder = inputs.folder / "home" / "runs" / "dry-run" / "kernel"
    about = json.loads((folder / "kernel-metadata.json").read_text())
    files.write_json(folder / "kernel-metadata.json", about | {"id": f"tester/{about['id'].split('/')[-1]}"})
    kaggle(inputs.folder).latency = latency
    return _command((*OFFICIAL, "push", "-p", str(folder)), inputs)


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


CASES = (
    fetching(),
    *(
        Case(name, "kaggle kernels push", partial(push, latency), partial(push_official, latency), same_kernel)
        for name, latency in (("push", 0.0), (f"push, {LATENCY * 1000:g} ms away", LATENCY))
    ),
)
