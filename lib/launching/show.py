"""What a launch says while it runs: talk on stderr, a live line and a row an epoch; data on stdout.

On a terminal the last line moves; elsewhere each line is printed once and stays.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.progress import track as progress_bar
from rich.spinner import Spinner
from rich.text import Text

from lib import progress
from lib.launching import durations

talk = Console(stderr=True, highlight=False, soft_wrap=True)


class TrainingView:
    """Turns a kernel's lines into a table of epochs with a moving line under it.

    with TrainingView("macro Dice") as view:
        follow(session, ref, log, view.line)
    """

    COLUMNS = f"{'epoch':>9}  {'loss':>7}  {'metric':>7}  {'best':>7}  {'images/s':>8}  {'elapsed':>8}  {'ETA':>8}"

    def __init__(self, metric: str) -> None:
        self.metric = metric
        self.best: float | None = None
        self.header_shown = False
        self.live = Live(Text(""), console=talk, transient=True, refresh_per_second=8) if talk.is_terminal else None

    def __enter__(self) -> TrainingView:
        if self.live:
            self.live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self.live:
            self.live.stop()

    def line(self, text: str) -> None:
        """One line of the kernel's log: a progress record moves the table, everything else is shown as it is."""
        record = progress.parse(text)
        if record is None:
            talk.print(text, markup=False)
            return
        if record.get("metric") is not None:
            self.best = record["metric"] if self.best is None else max(self.best, record["metric"])
            self._row(record)
        elif self.live:
            self.live.update(Spinner("dots", text=Text(self._moving(record)), style="cyan"))

    def _row(self, record: dict[str, Any]) -> None:
        if not self.header_shown:
            talk.print(Text(f"{self.COLUMNS}   ({self.metric})", style="bold"))
            self.header_shown = True
        epoch = f"{record['epoch']}/{record['epochs']}"
        talk.print(
            f"{epoch:>9}  {_number(record.get('loss'), 3):>7}  {_number(record['metric'], 4):>7}  "
            f"{_number(self.best, 4):>7}  {_number(record.get('images_per_s'), 1):>8}  "
            f"{durations.spell(record['seconds']):>8}  {_eta(record):>8}",
            markup=False,
        )

    def _moving(self, record: dict[str, Any]) -> str:
        return (
            f"epoch {record['epoch']}/{record['epochs']}  step {record['step']}/{record['steps']}  "
            f"loss {_number(record.get('loss'), 3)}  {_number(record.get('images_per_s'), 1)} images/s  "
            f"ETA {_eta(record)}"
        )


def track(items: list, what: str) -> Iterable:
    """The items one by one, under a progress bar where there is a terminal."""
    return progress_bar(items, what, console=talk, transient=True, disable=not talk.is_terminal)


def _eta(record: dict[str, Any]) -> str:
    done, whole = record.get("step"), record.get("steps")
    return durations.spell(record["seconds"] * (whole - done) / done) if done and whole else "-"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
