"""How busy and how full each GPU is, as nvidia-smi says it, asked in the background.

gpus = Gpus()
gpus.start()
gpus.latest          # [{"use": 0.97, "memory": 9448718336, "of": 16106127360}, …]; [] until it has answered
"""

from __future__ import annotations

import shutil
import subprocess
import threading
from typing import Any

QUERY = ("nvidia-smi", "--query-gpu=utilization.gpu,memory.used,memory.total", "--format=csv,noheader,nounits")
MEBIBYTE = 2**20

EVERY = 5.0
"""Seconds between two questions."""


class Gpus:
    """The latest reading; a thread renews it as long as the process lives."""

    def __init__(self) -> None:
        self.latest: list[dict[str, Any]] = []

    def start(self) -> None:
        """Ask now and then; nothing happens where there is no nvidia-smi."""
        if shutil.which(QUERY[0]):
            threading.Thread(target=self._keep_asking, daemon=True).start()

    def _keep_asking(self) -> None:
        pause = threading.Event()
        while True:
            self.latest = read()
            pause.wait(EVERY)


def read() -> list[dict[str, Any]]:
    """What nvidia-smi says now, a table a GPU; [] when it says nothing of use."""
    try:
        done = subprocess.run(QUERY, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    rows = [[_number(word) for word in line.split(",")] for line in done.stdout.splitlines()]
    return [
        {
            "use": None if use is None else use / 100,
            "memory": None if used is None else int(used * MEBIBYTE),
            "of": None if whole is None else int(whole * MEBIBYTE),
        }
        for use, used, whole in (row for row in rows if len(row) == 3)
    ]


def _number(word: str) -> float | None:
    try:
        return float(word)
    except ValueError:  # "[N/A]", of a card that is divided up
        return None
