"""The words of a sweep: its trials ranked by their score, and what to type next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lib.errors import Failed, Refused
from lib.launching.report import table
from lib.launching.sweep import Sweep
from lib.launching.terminal import talk

AGAIN = (
    "the sessions that were started go on, and what is done is not done again; pick the sweep up with the same command"
)


def document(sweep: Sweep) -> dict[str, Any]:
    """A sweep as `--json` prints it."""
    return {"sweep": str(sweep.folder), "trials": sweep.ranked()}


def lines(sweep: Sweep) -> list[str]:
    """A line a trial, best first."""
    rows = [("rank", "score", "status", "run", "trial")]
    for number, row in enumerate(sweep.ranked(), start=1):
        score = "-" if row["value"] is None else f"{row['value']:.4f}"
        rows.append((str(number), score, row["state"], row["run"] or "-", row["trial"]))
    return table(rows)


def after(sweep: Sweep) -> str:
    """What to type when a sweep has ended."""
    best = sweep.ranked()[0]
    return f"python submit.py --run {best['run']}" if best["value"] is not None else "python launch.py runs"


@contextmanager
def picked_up_later(sweep: Sweep) -> Iterator[None]:
    """When driving ends before the trials do, say how to go on; refused behind the first trial, it has failed."""
    try:
        yield
    except KeyboardInterrupt:
        talk(f"\n{AGAIN}")
        raise
    except Refused as error:
        talk(f"\n{AGAIN}")
        if any(row["run"] for row in sweep.rows()):
            raise Failed(error.reason, error.hint) from None
        raise
