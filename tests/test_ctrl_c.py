"""Ctrl-C on a terminal, for real: a pseudo-terminal, a question, an answer."""

import os
import pty
import re
import signal
import subprocess
import sys
import threading

import pytest

from lib import files
from tests.following import LAUNCH, log_of, the_run
from tests.loopback.quick_kernel import quick_python
from tests.programs import PROJECT, only, wait_for


@pytest.fixture(autouse=True)
def quick(server, tmp_path):
    """These tests are of the launcher: the kernel that is pushed is real, what runs it here is not."""
    server.python = quick_python(tmp_path)


class Terminal:
    """A command on a terminal of its own: what it shows, keys, Ctrl-C."""

    def __init__(self, program, *words, **more):
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, *map(str, words)],
            cwd=PROJECT,
            env={**program.environment, **more, "TERM": "xterm", "COLUMNS": "100"},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        os.close(slave)
        self.shown = ""
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            while chunk := os.read(self.master, 65536):
                self.shown += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", chunk.decode("utf-8", "replace"))
        except OSError:  # the other end was closed
            pass

    def wait_for(self, words: str) -> None:
        """Until the words are shown; forgets everything up to them."""
        wait_for(lambda: words in self.shown or self.process.poll() is not None, seconds=120)
        assert words in self.shown, self.shown
        self.shown = self.shown.partition(words)[2]

    def ctrl_c(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def end(self) -> int:
        return self.process.wait(timeout=30)


def test_ctrl_c_on_a_terminal_asks_and_each_answer_does_what_it_says(server, on_kaggle):
    server.env["QUICK_KERNEL_SECONDS"] = "600"
    terminal = Terminal(on_kaggle, *LAUNCH)
    terminal.wait_for("ETA")
    terminal.ctrl_c()
    terminal.wait_for("l  leave it running (default)")
    terminal.type("what\nk\n")
    terminal.wait_for("ETA")
    terminal.ctrl_c()
    terminal.wait_for("k, l or s?")
    terminal.ctrl_c()
    terminal.wait_for("goes on without this terminal")
    run = the_run(on_kaggle)
    terminal.wait_for(f"python launch.py logs {run.name} -f")
    assert terminal.end() == 130
    version = only(server.kernels).latest
    assert version.active

    terminal = Terminal(on_kaggle, "launch.py", "logs", "-f")
    terminal.wait_for("ETA")
    terminal.ctrl_c()
    terminal.wait_for("s  fetch and stop")
    terminal.type("s\n")
    assert terminal.end() == 1
    assert server.kernels == {}
    content = files.read_json(run / "run.json")
    assert (content["status"], content["message"]) == ("stopped", "stopped by request")
    log = (run / "log.txt").read_text()
    assert log_of(version).startswith(log)
    assert log.splitlines().count("devices: CPU only") == 1


IN_A_FINALIZER = """
import signal, time, weakref
from lib.launching.terminal import main, program
app = program(None)

class Thing:
    pass

@app.command()
def wait():
    weakref.finalize(Thing(), signal.raise_signal, signal.SIGINT)  # at once: nothing holds the thing
    time.sleep(60)

main(app)
"""


def test_ctrl_c_that_python_drops_in_a_finalizer_comes_again():
    done = subprocess.run(
        [sys.executable, "-c", IN_A_FINALIZER],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=50,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert done.returncode == 130, done.stderr
    assert "Traceback" not in done.stderr
    assert "interrupted" in done.stderr
