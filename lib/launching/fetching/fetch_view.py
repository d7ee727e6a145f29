"""What a fetch says while it runs: on a terminal a bar over all bytes and files, which goes when it is through."""

from __future__ import annotations

import threading

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from lib.launching.fetching.fetch import Watch
from lib.launching.following.show import talk


class FetchView(Watch):
    """with FetchView() as view: fetch(session, ref, run.outputs, watch=view)"""

    def __init__(self) -> None:
        self.bars = Progress(
            TextColumn("fetching {task.fields[done]}/{task.fields[files]} files"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[name]}"),
            console=talk,
            transient=True,
            disable=not talk.is_terminal,
        )
        self.task = self.bars.add_task("", total=None, done=0, files="?", name="")
        self.lock = threading.Lock()
        self.done = 0

    def __enter__(self) -> FetchView:
        self.bars.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.bars.stop()

    def waits(self) -> None:
        talk.print("another fetch of this run is at work; waiting for it", markup=False)

    def begins(self, count: int, size: int | None) -> None:
        self.bars.update(self.task, total=size, files=count)

    def moved(self, size: int) -> None:
        self.bars.advance(self.task, size)

    def placed(self, name: str) -> None:
        with self.lock:
            self.done += 1
        self.bars.update(self.task, done=self.done, name=name)
