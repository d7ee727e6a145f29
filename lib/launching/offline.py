"""A network that is gone for a while: what needs it is done again, as long as doing it again starts nothing twice.

outcome = sit_out(lambda: start_next(run, told))
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from lib.errors import SwathError
from lib.launching.polling import PATIENCE, POLL_SECONDS
from lib.launching.session import Offline
from lib.launching.terminal import talk

Result = TypeVar("Result")


def sit_out(
    act: Callable[[], Result],
    poll: float = POLL_SECONDS,
    sleep: Callable[[float], None] = time.sleep,
    loss: type[SwathError] = Offline,
    meanwhile: str = "nothing was started",
) -> Result:
    """Do what needs a network, and while it raises `loss` do it again; that is raised when `PATIENCE` is at its end.

    `meanwhile`: what is true until then, for the person who waits.
    """
    for number in range(PATIENCE):
        try:
            return act()
        except loss as error:
            if number == 0:
                talk(f"waiting: {error.reason} (Ctrl-C ends it; {meanwhile})")
            lost = error
        sleep(poll)
    raise lost
