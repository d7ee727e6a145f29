"""Starts the ranks of a run: this process alone, or one process a GPU through `torch.distributed.run`.

Ranks are fresh processes, never forks: a fork after CUDA was initialised breaks. Run as a program, this module is
torchrun without its own traceback about a rank that has already said what was wrong:

    python -m lib.training.ranks --standalone --nproc-per-node=2 kernels/train.py
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1
"""prctl(2)."""


def rank() -> int:
    """This process's number among the ranks; 0 when there is one."""
    return int(os.environ.get("RANK", 0))


def is_rank() -> bool:
    """Whether this process was started as one of several ranks."""
    return "RANK" in os.environ and "WORLD_SIZE" in os.environ


class Ranks:
    """Fresh processes that run one script, and torchrun, which watches them."""

    def __init__(self, script: Path, count: int) -> None:
        """Start `script` as `count` ranks on this machine; a rank that fails ends the others."""
        command = [sys.executable, "-m", "lib.training.ranks", "--standalone", f"--nproc-per-node={count}", str(script)]
        cores = max(1, (os.cpu_count() or 1) // count)
        environment = {**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(cores))}
        # In a session of its own: torchrun must hear of a request once, from here, however it was sent.
        self.process = subprocess.Popen(command, env=environment, start_new_session=True)
        self.asked = False

    def wait(self) -> int:
        """Wait for them and return the exit code; a first SIGTERM or SIGINT is passed on, a second one ends them."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._pass_on)
        return self.process.wait()

    def end(self) -> None:
        """End torchrun at once, and the ranks with it."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()

    def _pass_on(self, number: int, frame: Any) -> None:
        if self.asked:
            self.end()
        else:
            self.asked = True
            self.process.send_signal(number)


def end_with_parent(number: int) -> None:
    """Have this process sent a signal when the one that started it is gone, where the system can (Linux)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)


def main() -> None:
    """torchrun; a failed rank's exit code is this program's."""
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main as torchrun

    end_with_parent(signal.SIGTERM)
    try:
        torchrun(sys.argv[1:])
    except ChildFailedError as error:
        code = error.get_first_failure()[1].exitcode
        sys.exit(code if code > 0 else 1)
    except SignalException:
        sys.exit(1)


if __name__ == "__main__":
    main()
