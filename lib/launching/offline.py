"""A network that is gone for a while: what needs it is done again, as long as nothing was started.

outcome = sit_out(lambda: start_next(run, told))
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from lib.launching.polling import PATIENCE, POLL_SECONDS
from lib.launching.session import Offline
from lib.launching.terminal import talk

Result = TypeVar("Result")


def sit_out(
    act: Callable[[], Result], poll: float = POLL_SECONDS, sleep: Callable[[float], None] = time.sleep
) -> Result:
    """Do what needs a network, and while there is none do it again; `Offline` when `PATIENCE` is at its end."""
    for number in range(PATIENCE):
        try:
            return act()
        except Offline as error:
            if number == 0:
                talk(f"waiting: {error.reason} (Ctrl-C ends it; nothing was started)")
            lost = error
        sleep(poll)
    raise lost
