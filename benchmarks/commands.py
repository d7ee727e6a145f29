"""Commands as a user types them: whole processes, each in a fresh interpreter.

    python -m benchmarks launch.py

The peer is the Kaggle client asked for its version, the least it can do. Both sides run without credentials, with a
home folder of their own and bytecode already compiled (the check that both work compiles it, into a folder outside
the project).
"""

from __future__ import annotations

import contextlib
import io
import os
import runpy
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from benchmarks.case import Call, Case, Disagreement, Inputs

PROJECT = Path(__file__).resolve().parents[1]
KAGGLE = ("-m", "kaggle.cli", "--version")
LAUNCHES = (
    ("launch.py", "--help"),
    ("launch.py", "--dry-run"),
    ("launch.py", "--dry-run", "--gpu", "t4x2", "-c", "deepglobe"),
)


@dataclass(frozen=True)
class Command:
    """A Python script or module and its words, in an environment that keeps to `home`."""

    words: tuple[str, ...]
    home: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    def __call__(self) -> subprocess.CompletedProcess[str]:
        """Run it in a process of its own."""
        return subprocess.run(
            [sys.executable, *self.words], cwd=PROJECT, env=self.environment(), capture_output=True, text=True
        )

    def inside(self) -> None:
        """Run it in this interpreter, as if it were its own: for the memory."""
        os.environ.clear()
        os.environ.update(self.environment())
        sys.pycache_prefix, sys.dont_write_bytecode = os.environ["PYTHONPYCACHEPREFIX"], False
        module = self.words[0] == "-m"
        sys.argv = list(self.words[module:])
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                (runpy.run_module if module else runpy.run_path)(sys.argv[0], run_name="__main__")
        except SystemExit as end:
            if end.code:
                raise

    def environment(self) -> dict[str, str]:
        """This process's, but for Kaggle's and the kit's own variables."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("KAGGLE", "SWATH")) and name != "PYTHONDONTWRITEBYTECODE"
        }
        places = {"HOME": "", "USERPROFILE": "", "XDG_CONFIG_HOME": ".config", "SWATH_RUNS": "runs"}
        places |= {"SWATH_CACHE": "cache", "PYTHONPYCACHEPREFIX": "bytecode"}
        return kept | {name: str(self.home / folder) for name, folder in places.items()} | dict(self.variables)


def command(words: tuple[str, ...], inputs: Inputs) -> Call:
    """The call that runs it."""
    return Command(words, inputs.scratch("home"))


def both_work(ours: subprocess.CompletedProcess[str], theirs: subprocess.CompletedProcess[str], inputs: Inputs) -> str:
    """Both end with exit code 0 and print something."""
    for name, done in (("the kit", ours), ("the peer", theirs)):
        if done.returncode or not done.stdout.strip():
            raise Disagreement(f"{name} ended with exit code {done.returncode}: {done.stderr.strip()[-200:]}")
    return ""


CASES = tuple(
    Case(" ".join(words), "kaggle --version", partial(command, words), partial(command, KAGGLE), both_work)
    for words in LAUNCHES
)
