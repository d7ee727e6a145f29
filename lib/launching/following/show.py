"""What a launch says while it runs: talk on stderr, a live table and a row an epoch; data on stdout.

On a terminal the last lines move; elsewhere each line is printed once and stays.
"""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.live import Live
from rich.progress import track as progress_bar
from rich.spinner import Spinner
from rich.text import Text

from lib.launching.following.live_table import count, draw, duration, number
from lib.launching.following.training_progress import Progress, parse

talk = Console(stderr=True, highlight=False, soft_wrap=True)


class TrainingView:
    """Turns a kernel's lines into a row an epoch, with a moving table under them.

    with TrainingView("macro Dice") as view:
        follow(session, ref, log, view.line)
    """

    COLUMNS = f"{'epoch':>9}  {'loss':>7}  {'metric':>7}  {'best':>7}  {'images/s':>8}  {'elapsed':>8}  {'ETA':>8}"

    def __init__(self, metric: str) -> None:
        self.metric = metric
        self.last: dict[int | None, float] = {}
        self.best: dict[int | None, float] = {}
        """Of each fold; of a run without folds, its own (None)."""
        self.header_shown = False
        self.live: Live | None = None

    def __enter__(self) -> TrainingView:
        if talk.is_terminal:
            self.live = Live(Text(""), console=talk, transient=True, refresh_per_second=8)
            self.live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self.live:
            self.live.stop()

    def waiting(self, text: str) -> None:
        """Nothing runs yet; said only where it can move."""
        if self.live:
            self.live.update(Spinner("dots", text=Text(text), style="cyan"))

    def line(self, text: str) -> None:
        """One line of the kernel's log: a progress record moves the table, everything else is shown as it is."""
        progress = parse(text)
        if progress is None:
            talk.print(text, markup=False)
            return
        if progress.metric is not None:
            self.last[progress.fold] = progress.metric
            self.best[progress.fold] = max(progress.metric, self.best.get(progress.fold, progress.metric))
            if progress.trials is None:  # a search says itself how each trial ended
                self._row(progress)
        if self.live:
            own = self.last.get(progress.fold), self.best.get(progress.fold)
            self.live.update(draw(progress, self.metric, *own))

    def _row(self, progress: Progress) -> None:
        if not self.header_shown:
            fold = "" if progress.fold is None else "fold"
            talk.print(Text(f"{fold}{self.COLUMNS[len(fold) :]}   ({self.metric})", style="bold"))
            self.header_shown = True
        epoch = count(progress.epoch, progress.epochs)
        epoch = f"{epoch:>9}" if progress.fold is None else f"{progress.fold:<3}{epoch:>6}"
        best = number(self.best.get(progress.fold), 4)
        talk.print(
            f"{epoch}  {number(progress.loss, 3):>7}  {number(progress.metric, 4):>7}  {best:>7}  "
            f"{number(progress.images_per_s, 1):>8}  "
            f"{duration(progress.seconds):>8}  {duration(progress.eta):>8}",
            markup=False,
        )


def track(items: list, what: str) -> Iterable:
    """The items one by one, under a progress bar where there is a terminal."""
    return progress_bar(items, what, console=talk, transient=True, disable=not talk.is_terminal)
