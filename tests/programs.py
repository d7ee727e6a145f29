"""The programs as a user runs them: in processes of their own, or a command in this one; and words for them.

done = program("launch.py", *TINY)            # a fixture of conftest.py; asserts exit code 0 and no traceback
run = program.json("launch.py", "status")
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]


def given(settings: dict[str, object]) -> tuple[str, ...]:
    """The words of a command that sets them."""
    return tuple(word for key, value in settings.items() for word in ("--set", f"{key}={value}"))


def threads() -> dict[str, str]:
    """The variables that keep torch to the cores that a test has, for programs with few variables of their own."""
    return {name: os.environ[name] for name in ("OMP_WAIT_POLICY", "OMP_NUM_THREADS") if name in os.environ}


TINY = given({"train.epochs": 1, "train.steps": 2, "data.crop": 64, "data.scale": 0.5})
"""Settings that train for a moment: enough to write every output."""

ON_T4 = ("launch.py", "--gpu", "t4x2", "-c", "sample", *TINY)
"""A push to the two T4s…"""
WITHOUT_GPU = ("--set", "train.device=cpu")
"""…that may run on a machine that has none."""


@dataclass(frozen=True)
class Program:
    """Runs `launch.py` and `submit.py` in processes of their own, with folders of their own."""

    folder: Path
    environment: dict[str, str]

    @property
    def runs(self) -> Path:
        return self.folder / "runs"

    def __call__(self, *words: object, code: int = 0, **more: str) -> subprocess.CompletedProcess[str]:
        """Run `python WORDS` and assert its exit code; no traceback, ever."""
        done = subprocess.run(
            [sys.executable, *map(str, words)],
            cwd=PROJECT,
            env={**self.environment, **more},
            capture_output=True,
            text=True,
            timeout=600,
        )
        said = f"{' '.join(map(str, words))}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr, said
        assert done.returncode == code, said
        return done

    def json(self, *words: object, code: int = 0, **more: str):
        """The one JSON document that a command prints with --json."""
        return json.loads(self(*words, "--json", code=code, **more).stdout)

    def start(self, *words: object, **more: str) -> subprocess.Popen[str]:
        """Start a command and return at once."""
        return subprocess.Popen(
            [sys.executable, *map(str, words)],
            cwd=PROJECT,
            env={**self.environment, **more},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background shell ignores Ctrl-C
        )


@dataclass(frozen=True)
class Here:
    """Runs a program's commands in this process, which spares its start: what it printed, and what it said."""

    app: Any

    def __call__(self, *words: object, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Run the command and assert its exit code; an error's reason and hint are among what was said."""
        from typer.testing import CliRunner

        done = CliRunner().invoke(self.app, [str(word) for word in words])
        error = done.exception
        said = "\n".join([done.stderr, getattr(error, "reason", None) or "", getattr(error, "hint", None) or ""])
        assert (getattr(error, "exit_code", None) or done.exit_code) == code, (done.stdout, said, error)
        return subprocess.CompletedProcess(list(words), code, done.stdout, said)

    def json(self, *words: object, code: int = 0):
        """The one JSON document that a command prints with --json."""
        return json.loads(self(*words, "--json", code=code).stdout)


def program_in(folder: Path, cache: Path, **more: str) -> Program:
    """A program whose runs, home and credentials are under `folder`: nothing of the developer's own is seen."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("KAGGLE_", "SWATH_"))}
    home = folder / "home"
    home.mkdir(parents=True, exist_ok=True)
    own = {"HOME": str(home), "SWATH_RUNS": str(folder / "runs"), "SWATH_CACHE": str(cache), "COLUMNS": "200"}
    return Program(folder, clean | own | more)


def wait_for(condition, seconds: float = 120.0):
    """What `condition()` returns, as soon as it is true."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    return found


def interrupt(process: subprocess.Popen[str]) -> str:
    """Ctrl-C, and once more when Python dropped the first in a finalizer; what the process said on stderr."""
    process.send_signal(signal.SIGINT)
    try:
        return process.communicate(timeout=20)[1]
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        return process.communicate(timeout=240)[1]


def only(mapping):
    """The one value of a mapping."""
    (value,) = mapping.values()
    return value


def some_scenes(scenes: Path, folder: Path, count: int) -> Path:
    """A data root of the sample's first training scenes alone."""
    (folder / "train").mkdir(parents=True)
    for path in sorted((scenes / "train").iterdir())[: 2 * count]:
        (folder / "train" / path.name).symlink_to(path)
    return folder
