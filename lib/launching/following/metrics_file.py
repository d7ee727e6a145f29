"""`runs/<id>/metrics.csv`: a row for every progress line of the run, written as they come.

    session,time,epoch,step,loss,metric,lr,images_per_s,data_wait,seconds,gpu0_use,gpu0_memory_gb
    1,63.1,1,24,0.93,,0.00041,41.2,0.12,60.4,0.97,11.2

`session` counts the run's sessions from 1, `time` is seconds into the session by its log's clock; a run of folds has a
column `fold`. Everyone who follows
a log reads it from its beginning, so the n-th progress line of a session is its n-th row: whoever comes first writes
it, and nobody writes it again.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

from filelock import FileLock

from lib import files
from lib.launching.following.training_progress import Progress

GB = 1e9


class MetricsFile:
    """One session's rows, and whatever else stands in the file."""

    def __init__(self, path: Path, session: int = 1) -> None:
        self.path, self.session = Path(path), session
        self.lock = FileLock(self.path.with_name("log.lock"))
        self.seen = 0
        self.rows = 0
        """Rows of this session that stood in the file when it had `size` bytes."""
        self.size = -1

    def add(self, progress: Progress, time: float) -> None:
        """The session's next progress line, `time` seconds into the session: its row, unless it is there already."""
        self.seen += 1
        if self.rows >= self.seen:
            return
        with self.lock:
            self._look()
            if self.rows == self.seen - 1:  # with fewer, somebody removed rows: the next replay brings them back
                self._append(_row(self.session, time, progress))

    def _look(self) -> None:
        """Count this session's rows, when the file is not as it was left."""
        size = self.path.stat().st_size if self.path.is_file() else 0
        if size == self.size:
            return
        text = self.path.read_text(encoding="utf-8", errors="replace") if size else ""
        if text and not text.endswith("\n"):  # whoever wrote it was killed in the middle of a row
            text = text[: text.rfind("\n") + 1] if text.startswith("session,") else f"{text}\n"
            files.write(self.path, text)
        rows = csv.DictReader(io.StringIO(text, newline=""))
        self.columns = list(rows.fieldnames or [])
        self.rows = sum(1 for row in rows if row.get("session") == str(self.session))
        self.size = self.path.stat().st_size if self.path.is_file() else 0

    def _append(self, row: dict[str, object]) -> None:
        new = [name for name in row if name not in self.columns]
        if new:
            self._widen(new)
        with open(self.path, "a", encoding="utf-8", newline="") as file:
            csv.DictWriter(file, self.columns, lineterminator="\n").writerow(row)
        self.rows += 1
        self.size = self.path.stat().st_size

    def _widen(self, new: list[str]) -> None:
        """Give the file more columns; the rows that it has stay, empty in them."""
        text = self.path.read_text(encoding="utf-8", errors="replace") if self.path.is_file() else ""
        old = list(csv.reader(io.StringIO(text, newline="")))[1:]
        self.columns += new
        wide = io.StringIO(newline="")
        writer = csv.writer(wide, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows(row + [""] * (len(self.columns) - len(row)) for row in old if row)
        files.write(self.path, wide.getvalue())


def _row(session: int, time: float, progress: Progress) -> dict[str, object]:
    names = ("epoch", "step", "loss", "metric", "lr", "images_per_s", "data_wait", "seconds")
    row = {"session": session, "time": round(time, 1)} | {name: getattr(progress, name) for name in names}
    row |= {} if progress.fold is None else {"fold": progress.fold}
    for number, gpu in enumerate(progress.gpus):
        row[f"gpu{number}_use"] = gpu.use
        row[f"gpu{number}_memory_gb"] = None if gpu.memory is None else round(gpu.memory / GB, 2)
    return row
