"""What a run's folder remembers of its submissions: made, checked, sent, scored.

Entries live in run.json under `submissions`. A file is known by its SHA-256, so that one changed since is not taken
for the one that was checked, and the same content is not sent twice to a competition, by whichever run. What is sent
is a copy under `sent/`, which stays: a score on the board can be traced to its file.
"""

from __future__ import annotations

import datetime
import shutil
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from lib import files
from lib.errors import Refused, UsageError
from lib.folders import runs_folder
from lib.launching.runs import Run, all_runs, now

SENDING = "sending"
"""The status of an entry whose submission was begun, and of which nobody knows yet whether it was made."""

SENT = ("sent", "sent_to", "copy", "ref", "status", "public_score")
"""The keys that sending adds to an entry."""


@dataclass(frozen=True)
class Submitted:
    """A submission on the server: `score` is None until there is one."""

    ref: int
    status: str
    score: float | None = None
    message: str = ""


def content_of(path: Path) -> str:
    """The SHA-256 that a file is known by; `UsageError` when there is no such file."""
    if not path.is_file():
        raise UsageError(f"{path} does not exist")
    return files.sha256(path)


def remember(run: Run, made: dict[str, Any]) -> None:
    """Write a new file into the ledger; one with the same content takes its place, and keeps what was sent of it."""
    known = _find(run, made["sha256"]) or {}
    _replace(run, made | {"made": now()} | {key: known[key] for key in SENT if key in known})


def newest_file(run: Run) -> Path:
    """The file that the run made last; `UsageError` when there is none."""
    made = [entry for entry in run.read()["submissions"] if "made" in entry]
    if not made:
        raise UsageError(f"run {run.id} has no submission yet", f"make one: python submit.py --run {run.id}")
    return Path(max(made, key=lambda entry: entry["made"])["file"])


def is_checked(run: Run, content: str) -> bool:
    """Whether this very content was checked when it was made, by the run's own competition, and found right."""
    known = _find(run, content)
    return known is not None and known.get("problems") == [] and known.get("which") == "test"


def one_at_a_time() -> AbstractContextManager:
    """A lock over looking whether a file was sent and sending it."""
    runs_folder().mkdir(parents=True, exist_ok=True)
    return FileLock(runs_folder() / "sending.lock")


def sent_before(content: str, competition: str) -> tuple[Run, dict[str, Any]] | None:
    """The run that has sent this content to the competition, and its entry."""
    for run in all_runs():
        entry = _find(run, content, competition)
        if entry and entry.get("sent"):
            return run, entry
    return None


def begin(run: Run, path: Path, content: str, competition: str) -> dict[str, Any]:
    """Write down, before anything leaves, that a file is being sent; returns its entry, with `copy` to be uploaded.

    Raises `Refused` when `path` no longer holds the `content` that was checked.
    """
    copy = run.folder / "sent" / content[:12] / path.name
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, copy)
    if files.sha256(copy) != content:
        shutil.rmtree(copy.parent)
        raise Refused(f"{path} has changed while it was being checked", "send it again")
    known = _find(run, content, competition) or _find(run, content) or {"file": str(path), "sha256": content}
    fresh = {key: value for key, value in known.items() if key not in SENT}
    entry = fresh | {"sent": now(), "sent_to": competition, "copy": str(copy), "status": SENDING}
    _replace(run, entry)
    return entry


def cancelled(run: Run, entry: dict[str, Any]) -> None:
    """Write down that a file was not sent after all."""
    shutil.rmtree(Path(entry["copy"]).parent, ignore_errors=True)
    _replace(run, entry, {key: value for key, value in entry.items() if key not in SENT})


def note(run: Run, entry: dict[str, Any], submitted: Submitted) -> dict[str, Any]:
    """Write down how a file that was sent stands; returns its entry."""
    entry = entry | {"ref": submitted.ref, "status": submitted.status, "public_score": submitted.score}
    _replace(run, entry)
    return entry


def age(entry: dict[str, Any]) -> float:
    """Seconds since a file was sent."""
    return (datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(entry["sent"])).total_seconds()


def description(run: Run, entry: dict[str, Any], message: str | None) -> str:
    """What goes with a submission: the message, or run and local score; and the mark to know it by in a listing."""
    score = (entry.get("score") or {}).get("score")
    words = message or (run.id if score is None else f"{run.id}, local {score:.5f}")
    return f"{words} {mark(entry['sha256'])}"


def mark(content: str) -> str:
    """A file's mark in the description of its submission."""
    return f"[{content[:12]}]"


def _find(run: Run, content: str, competition: str | None = None) -> dict[str, Any] | None:
    """The entry of a file's content; with `competition`, the one that was sent there or nowhere yet."""
    known = [entry for entry in run.read()["submissions"] if entry["sha256"] == content]
    if competition:
        known = [entry for entry in known if entry.get("sent_to") in (competition, None)]
    return known[-1] if known else None


def _replace(run: Run, entry: dict[str, Any], by: dict[str, Any] | None = None) -> None:
    """Put an entry (or `by`) at the end, in the place of the one for the same content and competition."""
    taken = {(entry["sha256"], entry.get("sent_to")), (entry["sha256"], None)}
    run.change(
        "submissions",
        lambda entries: [e for e in entries if (e["sha256"], e.get("sent_to")) not in taken] + [by or entry],
    )
