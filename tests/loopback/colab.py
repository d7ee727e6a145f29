"""A Colab on this machine: the stand-in `colab` on PATH, its account, its machines, its record of calls.

colab = Colab(tmp_path / "colab")
colab.account(gpus=["NONE"])                       # the account may have CPUs only
colab.order("exec", cut_after=3)                   # the next `colab exec` loses its connection after three messages
program = program_in(tmp_path, cache, **colab.env)
assert colab.held == []                            # every machine was released
"""

import json
import os
import sys
from pathlib import Path

from . import colab_program
from .quick_kernel import quick_python

ACCOUNT = {
    "version": "0.7.5",
    "signed_in": True,
    "balance": 42.5,
    "most": 4,
    "gpus": ["NONE", "T4"],
    "lacks": [],
}


class Colab:
    """`folder` holds everything; `env` is what a process needs to be a user of this Colab."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        for name in ("bin", "machines", "faults"):
            (self.folder / name).mkdir(parents=True)
        self.settings = {**ACCOUNT, "python": quick_python(self.folder)}
        self.orders = 0
        self.account()
        self.install()

    @property
    def env(self) -> dict[str, str]:
        path = os.pathsep.join([str(self.folder / "bin"), os.environ["PATH"]])
        return {"PATH": path, "COLAB_WORLD": str(self.folder), "SWATH_POLL_SECONDS": "0.2", "SWATH_BEAT_SECONDS": "0.2"}

    def account(self, **changes) -> None:
        """Change what the account is and may."""
        self.settings |= changes
        (self.folder / "account.json").write_text(json.dumps(self.settings))

    def install(self) -> None:
        """Put the command on PATH."""
        path = self.folder / "bin" / "colab"
        path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{colab_program.__file__}" "$@"\n')
        path.chmod(0o755)

    def uninstall(self) -> None:
        """Take the command away."""
        (self.folder / "bin" / "colab").unlink()

    def order(self, command: str, **fault) -> None:
        """Let the next call of a command go wrong in this way."""
        self.orders += 1
        (self.folder / "faults" / f"{self.orders:03d}-{command}.json").write_text(json.dumps(fault))

    def reap(self) -> None:
        """Take every machine away, as Colab does with those it holds for idle."""
        for endpoint in self.held:
            colab_program.end(self.folder / "machines" / endpoint, self.folder)

    def stands_at(self, name: str) -> bool:
        """Whether a command waits at that gate, or has passed it."""
        return (self.folder / f"{name}.reached").exists()

    def open_gate(self, name: str) -> None:
        """Let those go on that wait there."""
        (self.folder / name).touch()

    @property
    def held(self) -> list[str]:
        """The machines that cost units now."""
        return sorted(path.name for path in (self.folder / "machines").iterdir())

    @property
    def gone(self) -> list[Path]:
        """The folders of machines that were released."""
        return sorted((self.folder / "gone").glob("*"))

    @property
    def content(self) -> Path:
        """The working folder of the one machine, held or released."""
        (machine,) = [*(self.folder / "machines").iterdir(), *self.gone]
        return machine / "content"

    def calls(self, command: str = "") -> list[list[str]]:
        """The calls so far, of one command or of all."""
        path = self.folder / "calls.jsonl"
        lines = path.read_text().splitlines() if path.is_file() else []
        return [call for call in map(json.loads, lines) if not command or command in call]
