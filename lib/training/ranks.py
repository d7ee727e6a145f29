"""Starts the ranks of a run: this process alone, or one process a GPU through `torch.distributed.run`.

Ranks are fresh processes, never forks: a fork after CUDA was initialised breaks. Run as a program, this module is
torchrun without its own traceback about a rank that has already said what was wrong:

    python -m lib.training.ranks --standalone --nproc-per-node=2 kernels/train.py
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path


def rank() -> int:
    """This process's number among the ranks; 0 when there is one."""
    return int(os.environ.get("RANK", 0))


def is_rank() -> bool:
    """Whether this process was started as one of several ranks."""
    return "RANK" in os.environ and "WORLD_SIZE" in os.environ


def start(script: Path, count: int) -> int:
    """Run `script` as `count` ranks on this machine and wait; returns the exit code.

    A rank that fails ends the others. Signals are passed on.
    """
    command = [sys.executable, "-m", "lib.training.ranks", "--standalone", f"--nproc-per-node={count}", str(script)]
    cores = max(1, (os.cpu_count() or 1) // count)
    environment = {**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(cores))}
    with subprocess.Popen(command, env=environment) as process:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda caught, frame: process.send_signal(caught))
        return process.wait()


def main() -> None:
    """torchrun; a failed rank's exit code is this program's."""
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main as torchrun

    try:
        torchrun(sys.argv[1:])
    except ChildFailedError as error:
        code = error.get_first_failure()[1].exitcode
        sys.exit(code if code > 0 else 1)


if __name__ == "__main__":
    main()
