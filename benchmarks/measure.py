"""Time and memory of a call.

    kit, peer = seconds(call_of_kit, call_of_peer, repeat=5)
    peak("RLE encode, order F", "pycocotools", "kit", inputs)      # bytes, from a process of its own

Time: kit and peer take turns in one process, so that a busy machine slows both; the best turn of each counts, because
other work can only add to a time. In a turn, calls are repeated until `TURN` seconds are full, and the best one counts.
Threads are left as each library sets them.

Memory: a new process makes one small call, so that imports, thread pools and tables are there; then it reads the
inputs, gives freed memory back, notes its resident set size (RSS) and resets the peak the system keeps of it
(`/proc/self/clear_refs`, then VmHWM of `/proc/self/status`). The peak during the call less the noted size is the
figure; the result is part of it. Where there is no /proc, it is how far the call raises `getrusage`'s ru_maxrss,
which is too low when reading the inputs took more than the call; read straight from a file, they do not. A command's
script is run inside the new process, so the figure is what it adds to a bare interpreter with some standard modules.
"""

from __future__ import annotations

import collections
import contextlib
import ctypes
import gc
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.case import Call, Inputs, Side
from lib.errors import Failed

TURN = 0.1
"""Seconds that a turn lasts at least."""

PROJECT = Path(__file__).resolve().parents[1]


def seconds(kit: Call, peer: Call, repeat: int) -> tuple[float, float]:
    """The best time of each, taken in `repeat` turns: kit, peer, kit, peer, ..."""
    turns = [(_turn(kit), _turn(peer)) for _ in range(repeat)]
    return min(turn[0] for turn in turns), min(turn[1] for turn in turns)


def _turn(call: Call) -> float:
    best, spent = float("inf"), 0.0
    while spent < TURN:
        start = time.perf_counter()
        drain(call())
        took = time.perf_counter() - start
        best, spent = min(best, took), spent + took
    return best


def drain(result: Any) -> None:
    """Take every item of an iterator and keep none; anything else is left as it is."""
    if isinstance(result, Iterator):
        collections.deque(result, maxlen=0)


def peak(name: str, peer_name: str, side: Side, inputs: Inputs) -> int:
    """Bytes that one call of a case's side needs at its peak, measured in a new process."""
    command = [sys.executable, "-m", "benchmarks.measure", name, peer_name, side, str(inputs.folder)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    if done.returncode:
        raise Failed(f"the memory of {name} ({side}, {peer_name}) was not measured", done.stderr.strip()[-2000:])
    return int(done.stdout.split()[-1])


def peak_here(name: str, peer_name: str, side: Side, inputs: Inputs) -> int:
    """What `peak` asks its process to do."""
    from benchmarks import cases

    case = next(case for case in cases.EVERY if (case.name, case.peer_name) == (name, peer_name))
    call = case.call(side, inputs)
    if hasattr(call, "inside"):  # a command: its script in this interpreter, so that it is this process that grows
        return _rise(call.inside)
    del call
    drain(case.call(side, Inputs(inputs.scratch("small")))())
    return _rise(case.call(side, inputs))


def _rise(call: Call) -> int:
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # glibc only
        ctypes.CDLL(None).malloc_trim(0)
    try:
        Path("/proc/self/clear_refs").write_text("5")
        before = _status("VmRSS")
    except OSError:
        before = _most()
        drain(call())
        return _most() - before
    result = call()
    drain(result)
    return _status("VmHWM") - before


def _status(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key)) * 1024


def _most() -> int:
    import resource  # not on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    *names, folder = sys.argv[1:]
    print(peak_here(*names, Inputs(Path(folder))))
