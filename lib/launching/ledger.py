"""What a run's folder remembers of its submissions: made, checked, sent, scored.

Entries live in run.json under `submissions`; a file is known by its SHA-256, so that one changed since is not taken
for the one that was checked, and the same file is not sent twice.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib import files
from lib.errors import Refused, UsageError
from lib.launching.runs import Run


@dataclass(frozen=True)
class Submitted:
    """A submission on the server: `score` is None until there is one."""

    ref: int
    status: str
    score: float | None = None
    message: str = ""


def remember(run: Run, made: dict[str, Any]) -> None:
    """Write a new file into the ledger; one with the same content takes its place, and keeps what was sent of it."""
    known = _find(run, made["sha256"]) or {}
    sent = {key: known[key] for key in ("sent", "ref", "status", "public_score") if key in known}
    _replace(run, made | {"made": _now()} | sent)


def newest_file(run: Run) -> Path:
    """The file made last; `UsageError` when there is none."""
    entries = run.read()["submissions"]
    if not entries:
        raise UsageError(f"run {run.id} has no submission yet", f"make one: python submit.py --run {run.id}")
    return Path(entries[-1]["file"])


def is_checked(run: Run, path: Path) -> bool:
    """Whether this very content was checked when it was made, and found right."""
    if not path.is_file():
        raise UsageError(f"{path} does not exist")
    known = _find(run, files.sha256(path))
    return known is not None and known.get("problems") == []


def begin(run: Run, path: Path, competition: str) -> dict[str, Any]:
    """Write down, before anything leaves, that a file is being sent; `Refused` when it was sent before."""
    content = files.sha256(path)
    known = _find(run, content) or {"file": str(path), "sha256": content}
    if known.get("sent"):
        score = known.get("public_score")
        outcome = f"it scored {score}" if score is not None else f"its status is {known.get('status')}"
        raise Refused(
            f"{path} was sent to {competition} at {known['sent']} ({outcome}), and would cost a second submission",
            f"see https://www.kaggle.com/competitions/{competition}/submissions",
        )
    _replace(run, known | {"sent": _now(), "status": "sending"})
    return known


def cancelled(run: Run, path: Path) -> None:
    """Write down that a file was not sent after all."""
    known = _find(run, files.sha256(path))
    _replace(run, {key: value for key, value in known.items() if key not in ("sent", "status")})


def note(run: Run, path: Path, submitted: Submitted) -> dict[str, Any]:
    """Write down how the submission stands; returns its entry."""
    known = _find(run, files.sha256(path))
    entry = known | {"ref": submitted.ref, "status": submitted.status, "public_score": submitted.score}
    _replace(run, entry)
    return entry


def message(run: Run, entry: dict[str, Any]) -> str:
    """The description that goes with a submission: run and local score."""
    score = (entry.get("score") or {}).get("score")
    return run.id if score is None else f"{run.id}, local {score:.5f}"


def _find(run: Run, sha256: str) -> dict[str, Any] | None:
    return next((entry for entry in run.read()["submissions"] if entry["sha256"] == sha256), None)


def _replace(run: Run, entry: dict[str, Any]) -> None:
    run.change("submissions", lambda entries: [e for e in entries if e["sha256"] != entry["sha256"]] + [entry])


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
