"""When Python looks for garbage: seldom while modules are imported, for what they make stays.

torch and the libraries on it make a million objects. Python looks through them again and again as they become more,
and once more at exit: a third of the time that a short command takes.

    garbage.seldom()        # before the imports
    garbage.usual()         # behind them, in a session: its own garbage may hold a GPU's memory
"""

from __future__ import annotations

import atexit
import gc

EVERY = 100_000
"""New objects between two looks at the youngest; Python's own number is 700, or 2,000 from 3.13 on."""

USUAL = gc.get_threshold()


def seldom() -> None:
    """Look for garbage seldom from now on, and not at exit, where all of it goes anyway."""
    gc.set_threshold(EVERY, *USUAL[1:])
    atexit.register(gc.freeze)


def usual() -> None:
    """Look as often as Python does by itself, but never again through what is there now."""
    gc.freeze()
    gc.set_threshold(*USUAL)
