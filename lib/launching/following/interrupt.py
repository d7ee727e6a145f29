"""Ctrl-C while a run is followed on a terminal: keep following, leave it running, or fetch and stop.

choice = ask("20261120-092133-sample-4f1c", on_kaggle=True)      # LEAVE when nobody is there to answer
"""

from __future__ import annotations

import sys
from enum import Enum

from lib.launching.terminal import talk


class Choice(Enum):
    """What becomes of a run that is followed no more."""

    KEEP = "k"
    LEAVE = "l"
    STOP = "s"


def ask(run: str, on_kaggle: bool) -> Choice:
    """Ask what to do. Enter, a second Ctrl-C and the end of the input leave the run running."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return Choice.LEAVE
    cost = " (Kaggle has no cancel: the kernel is deleted)" if on_kaggle else ""
    talk(f"\nrun {run}:\n  k  keep following\n  l  leave it running (default)\n  s  fetch and stop{cost}")
    try:
        while True:
            print("k, l or s? ", end="", file=sys.stderr, flush=True)
            answer = sys.stdin.readline()
            word = answer.strip().lower()[:1]
            if not word:  # Enter, or nobody will ever answer
                return Choice.LEAVE
            if word in {choice.value for choice in Choice}:
                return Choice(word)
    except KeyboardInterrupt:
        return Choice.LEAVE
