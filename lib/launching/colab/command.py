"""Google's own `colab` command, asked one question at a time: its words, its refusals, its silences.

    colab = ColabCommand()
    colab.check()                                  # it is there, new enough, signed in
    colab.allocate("swath-4f1c", "T4")
    colab.download("swath-4f1c", "content/kaggle/working/metrics.csv", here)
    colab.release("swath-4f1c")

`SWATH_COLAB_AUTH=adc` makes it use gcloud's credentials instead of its own sign-in.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lib.errors import Failed, Refused, UsageError
from lib.launching import durations
from lib.launching.polling import POLL_SECONDS
from lib.launching.session import LostConnection

OLDEST = (0, 7, 4)
"""Before it a session's token was not renewed: after an hour its files could not be had any more."""

PATIENCE = 600
"""Seconds that one question may take: the command's requests have no time limit of their own."""

ALLOCATION_PATIENCE = 1800
"""Seconds that an allocation may take: it is tried four times, each with two minutes to answer and growing pauses."""

RELEASES = 4
"""Tries to release a machine."""

INSTALL = "uv tool install google-colab-cli, or with Python 3.12 or newer: pip install google-colab-cli"
SIGN_IN = "sign in once: colab usage (or use gcloud's credentials: SWATH_COLAB_AUTH=adc)"
NOT_SIGNED_IN = ("To authorize colab-cli", "default credentials", "invalid_grant", "RefreshError", "Unauthorized")
OFFLINE = ("Max retries exceeded", "NameResolutionError", "ConnectionError", "TransportError", "ConnectTimeout")
MACHINE = re.compile(r"^\[(?P<name>[^\]]+)\] (?P<endpoint>\S+) \| Hardware: (?P<hardware>[^|]+?) \|")


@dataclass(frozen=True)
class Answer:
    """What the command said."""

    code: int
    out: str
    err: str

    @property
    def reason(self) -> str:
        """Its last words; an exception's name and message end a traceback."""
        lines = [line.strip() for line in (self.err.strip() or self.out.strip()).splitlines()]
        return lines[-1].removeprefix("[colab] ") if lines else "no word"

    def says(self, *words: str) -> bool:
        """Whether one of `words` stands in it."""
        return any(word in self.out or word in self.err for word in words)


@dataclass(frozen=True)
class Machine:
    """A machine of the account; one that the command did not allocate by name is called `?`."""

    name: str
    endpoint: str
    hardware: str


class NotThere(Failed):
    """The machine has no such file."""


class ColabCommand:
    """The command on PATH, with the user's own sign-in."""

    def __init__(self) -> None:
        way = os.environ.get("SWATH_COLAB_AUTH")
        if way not in (None, "adc", "oauth2"):
            raise UsageError(f"SWATH_COLAB_AUTH = {way!r} is no way to sign in", "adc, oauth2, or unset it")
        self.words = ("colab", *(("--auth", way) if way else ()))
        self.environment = {**os.environ, "COLUMNS": "1000", "NO_COLOR": "1", "TERM": "dumb"}

    def ask(self, *words: str, patience: float = PATIENCE, keep: Sequence[int] = ()) -> Answer:
        """Run it to its end, with nobody to answer its questions; `LostConnection` when it takes too long.

        `keep`: file descriptors that stay open in it.
        """
        try:
            done = subprocess.run(
                [*self.words, *words],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                env=self.environment,
                timeout=patience,
                start_new_session=True,
                pass_fds=keep,
            )
        except (FileNotFoundError, PermissionError):
            raise Refused("Google's command `colab` is not on PATH", INSTALL) from None
        except subprocess.TimeoutExpired:
            raise LostConnection(f"colab {words[0]} gave no answer in {durations.spell(patience)}") from None
        return Answer(done.returncode, done.stdout, done.stderr)

    def check(self) -> str:
        """The account's compute units, in the command's words; `Refused` when nothing could be allocated with it."""
        found = re.search(r"Version: (\S+)", self.ask("version").out)
        if found is None:
            raise Refused("the `colab` on PATH is not Google's", INSTALL)
        numbers = re.match(r"(\d+)\.(\d+)\.(\d+)", found[1])
        if numbers and tuple(map(int, numbers.groups())) < OLDEST:
            oldest = ".".join(map(str, OLDEST))
            raise Refused(f"the `colab` on PATH is {found[1]}; {oldest} is needed", "colab update --install")
        usage = self.ask("usage")
        if usage.code:
            self._refuse(usage, "asking for compute units")
        balance = re.search(r"Current balance: (.+)", usage.out)
        return balance[1] if balance else "an unknown number of compute units"

    def machines(self) -> list[Machine]:
        """Every machine of the account, as the server knows them; `LostConnection` without an answer."""
        answer = self.ask("sessions")
        if answer.code:
            raise LostConnection(f"colab sessions: {answer.reason}")
        found = (MACHINE.match(line) for line in answer.out.splitlines())
        return [Machine(**match.groupdict()) for match in found if match]

    def holds(self, name: str) -> bool:
        """Whether a machine of that name is allocated."""
        return any(machine.name == name for machine in self.machines())

    def allocate(self, name: str, gpu: str | None, keep: Sequence[int] = ()) -> None:
        """Allocate one machine with exactly this GPU (None: a CPU).

        `Refused` when there is none afterwards; `Failed` when nobody can say. An answer that was not heard is never
        asked for again: the list of machines says what came of it.
        """
        before = {machine.endpoint for machine in self.machines()}
        words = ("new", "-s", name, *(("--gpu", gpu) if gpu else ()))
        try:
            answer = self.ask(*words, patience=ALLOCATION_PATIENCE, keep=keep)
        except LostConnection as error:
            answer = Answer(1, "", error.reason)
        if answer.says("Allocation refused", "Backend rejected accelerator", "To authorize colab-cli"):
            self._refuse(answer, "the allocation")
        machines = self._after(answer)
        ours = next((machine for machine in machines if machine.name == name), None)
        if ours is None:
            wanted = gpu or "CPU"
            strays = [m for m in machines if m.name == "?" and m.endpoint not in before and m.hardware == wanted]
            if strays:
                raise Failed(
                    f"colab new broke off ({answer.reason}), and a {wanted} machine without a name has come about: "
                    f"{strays[0].endpoint}. Only its name could release it from here",
                    "if it is not yours, end it at https://colab.research.google.com under Manage sessions",
                )
            raise Refused(f"Colab gave no machine: {answer.reason}", "colab sessions, then launch again")
        if ours.hardware != (gpu or "CPU"):
            self.release(name)
            raise Refused(
                f"Colab gave {ours.hardware} instead of {gpu or 'CPU'}; the machine was released again",
                "another --gpu, or launch again later",
            )

    def release(self, name: str, sleep: Callable[[float], None] = time.sleep) -> None:
        """Give a machine back; one that is gone already is no error. `Failed` when it may still be held."""
        for last in (*(False,) * (RELEASES - 1), True):
            try:
                answer = self.ask("stop", "-s", name)
            except LostConnection as error:
                answer = Answer(1, "", error.reason)
            if answer.code == 0 and answer.says("Session terminated", f"Session '{name}' not found"):
                return
            if not last:
                sleep(POLL_SECONDS)
        raise Failed(f"the machine could not be released: {answer.reason}", f"colab stop -s {name}")

    def upload(self, name: str, source: Path, target: str) -> None:
        """Send one file up; `LostConnection` when it did not arrive."""
        self._moved(self.ask("upload", "-s", name, str(source), target), target)

    def download(self, name: str, source: str, target: Path) -> None:
        """Bring one file here; `NotThere` when there is none, `LostConnection` when it did not arrive."""
        self._moved(self.ask("download", "-s", name, source, str(target)), source)

    def content(self, name: str, source: str) -> bytes:
        """The bytes of one file of the machine's working folder; raises as `download` does."""
        with tempfile.TemporaryDirectory(prefix="swath-") as folder:
            target = Path(folder) / "file"
            self.download(name, f"content/{source}", target)
            return target.read_bytes()

    def cell(self, name: str, file: Path, timeout: int, trouble: int) -> subprocess.Popen[bytes]:
        """Start a cell and return the process that prints its output. The cell goes on when that process ends.

        The command's own limit is 30 s, and when it has passed the command spins; `timeout` must be the cell's.
        """
        return subprocess.Popen(
            [*self.words, "exec", "-s", name, "-f", str(file), "--timeout", str(timeout)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=trouble,
            env=self.environment,
            start_new_session=True,
        )

    def _after(self, answer: Answer) -> list[Machine]:
        """The machines after an allocation; `Failed` when they cannot be asked for."""
        try:
            return self.machines()
        except LostConnection as error:
            said = answer.reason if answer.code else "it seemed to work"
            raise Failed(
                f"whether Colab gave a machine is not known ({said}; {error.reason})", "ask for it: colab sessions"
            ) from None

    def _refuse(self, answer: Answer, what: str) -> None:
        """Raise the `Refused` that fits an answer."""
        if answer.says(*NOT_SIGNED_IN):
            raise Refused("the `colab` command is not signed in", SIGN_IN)
        if answer.says(*OFFLINE):
            raise Refused(f"Colab cannot be reached: {answer.reason}", "look at the network, then launch again")
        raise Refused(
            f"Colab refused {what}: {answer.reason}", "what is left and what runs: colab usage; colab sessions"
        )

    def _moved(self, answer: Answer, name: str) -> None:
        if answer.code == 0:
            return
        if answer.says("File or directory not found"):
            raise NotThere(f"{name} is not on the machine")
        raise LostConnection(f"{name}: {answer.reason}")
