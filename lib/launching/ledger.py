"""What a run's folder remembers of its submissions: made, checked, sent, scored.

Entries live in run.json under `submissions`. A file is known by its SHA-256, so that one changed since is not taken
for the one that was checked, and the same content is not sent twice to a competition, by whichever run. What is sent
is a copy under `sent/`, which stays: a score on the board can be traced to its file.
"""

from __future__ import annotations

import datetime
import shutil
import statistics
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from lib import files
from lib.errors import Failed, Refused, UsageError
from lib.folders import runs_folder
from lib.launching.runs import Run, all_runs, now

UPLOADING = "uploading"
"""The status of an entry whose bytes were on their way: nothing was submitted yet."""

SENDING = "sending"
"""The status of an entry whose submission was asked for, and of which nobody knows yet whether it was made."""

SENT = ("sent", "sent_to", "copy", "ref", "status", "public_score", "rank", "kernel", "kernel_mark")
"""The keys that sending adds to an entry."""

MADE_OF = ("run", "runs", "folds", "members", "checkpoints", "tta", "scales", "thresholds", "decision")
"""What of predictions.json says what made the predictions."""


@dataclass(frozen=True)
class Submitted:
    """A submission on the server: `score` is None until there is one."""

    ref: int
    status: str
    score: float | None = None
    message: str = ""
    team: str = ""


def content_of(path: Path) -> str:
    """The SHA-256 that a file is known by; `UsageError` when there is no such file."""
    if not path.is_file():
        raise UsageError(f"{path} does not exist")
    return files.sha256(path)


def remember(run: Run, made: dict[str, Any]) -> None:
    """Write a new file into the ledger; one with the same content takes its place, and keeps what was sent of it.

    `made_of` (run, checkpoints, folds, tta, scales, thresholds, as far as known) is `made`'s own, or else what
    predictions.json in the run's folder says.
    """
    known = _find(run, made["sha256"]) or {}
    origin = {"made_of": made.get("made_of") or _made_of(run), "made": now()}
    _replace(run, made | origin | {key: known[key] for key in SENT if key in known})


def remember_predicted(run: Run, said: dict[str, Any]) -> None:
    """Write the file that a session predicted into the ledger, once it is home, as the session's summary has it.

    One that is not the file which the session checked is left out.
    """
    path = run.outputs / Path(str(said.get("file"))).name
    if not path.is_file() or files.sha256(path) != said.get("sha256"):
        return
    known = _find(run, said["sha256"])
    if known is None or "made" not in known:
        remember(run, said | {"file": str(path)})


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


def begin(
    run: Run, path: Path, content: str, competition: str, kernel: tuple[str, str] | None = None
) -> dict[str, Any]:
    """Write down, before anything leaves, that a file is being sent; returns its entry, with `copy` to be uploaded.

    `kernel`: the version that made it and is what really is submitted, and a mark of its own for the listing.

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
    entry = fresh | {"sent": now(), "sent_to": competition, "copy": str(copy), "status": UPLOADING}
    entry |= {"kernel": kernel[0], "kernel_mark": kernel[1]} if kernel else {}
    _replace(run, entry)
    return entry


def asking(run: Run, entry: dict[str, Any]) -> dict[str, Any]:
    """Write down that a file's submission is about to be asked for: from here on it may have been made."""
    entry = entry | {"sent": now(), "status": SENDING}
    _replace(run, entry)
    return entry


def cancelled(run: Run, entry: dict[str, Any]) -> None:
    """Write down that a file was not sent after all; its copy goes, unless it was sent to another competition too."""
    others = [other for other in run.read()["submissions"] if other.get("sent_to") not in (entry["sent_to"], None)]
    if entry["copy"] not in [other.get("copy") for other in others]:
        shutil.rmtree(Path(entry["copy"]).parent, ignore_errors=True)
    _replace(run, entry, {key: value for key, value in entry.items() if key not in SENT})


def note(run: Run, entry: dict[str, Any], submitted: Submitted, rank: int | None = None) -> dict[str, Any]:
    """Write down how a file that was sent stands, and the team's rank where it is known; returns its entry."""
    entry = entry | {"ref": submitted.ref, "status": submitted.status, "public_score": submitted.score}
    entry |= {} if rank is None else {"rank": rank}
    _replace(run, entry)
    return entry


def entry_of(run: Run, content: str) -> dict[str, Any]:
    """What the run knows of a file by its SHA-256; of a stranger's, only that."""
    return _find(run, content) or {"sha256": content}


def local_score(run: Run, entry: dict[str, Any]) -> float | None:
    """The score that a file has here, or else its runs' mean on validation; None when there is neither."""
    return _scored(run, entry)[0]


def noise(run: Run, entry: dict[str, Any]) -> float | None:
    """Half the interval in which the local score lies, where one was estimated."""
    interval = _scored(run, entry)[1]
    return (interval[1] - interval[0]) / 2 if isinstance(interval, list) and len(interval) == 2 else None


def best_public(competition: str) -> tuple[float, str] | None:
    """The highest public score that this machine has seen at a competition, and the run that it belongs to."""
    scored = [
        (entry["public_score"], run.id)
        for run, entry in everything()
        if entry.get("sent_to") == competition and entry.get("public_score") is not None
    ]
    return max(scored) if scored else None


def everything() -> list[tuple[Run, dict[str, Any]]]:
    """Every file of every run, newest run first; runs whose run.json is damaged are left out."""
    found = []
    for run in all_runs():
        with suppress(Failed):  # `launch.py runs` says which
            found += [(run, entry) for entry in run.read()["submissions"]]
    return found


def age(entry: dict[str, Any]) -> float:
    """Seconds since a file was sent."""
    return (datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(entry["sent"])).total_seconds()


def description(run: Run, entry: dict[str, Any], message: str | None) -> str:
    """What goes with a submission: the message, or run and local score; and the mark to know it by in a listing."""
    score = local_score(run, entry)
    words = message or (run.id if score is None else f"{run.id}, local {score:.5f}")
    return f"{words} {mark(entry)}"


def mark(entry: dict[str, Any]) -> str:
    """An entry's mark in the description of its submission: its content's, or of a kernel's version its own."""
    return f"[{(entry.get('kernel_mark') or entry['sha256'])[:12]}]"


def _scored(run: Run, entry: dict[str, Any]) -> tuple[float | None, Any]:
    """A local score, and its interval. A file that the run did not make has none of the run's."""
    if entry.get("score"):
        return entry["score"]["score"], entry["score"].get("interval")
    if "made" not in entry:
        return None, None
    metrics = [_metric(name) for name in (entry.get("made_of") or {}).get("runs") or [run.id]]
    values = [metric["value"] for metric in metrics if metric]
    interval = metrics[0].get("interval") if len(metrics) == 1 and metrics[0] else None
    return (statistics.fmean(values), interval) if values else (None, None)


def _metric(run: str) -> dict[str, Any] | None:
    """What a run scored on validation, where that run is still here."""
    with suppress(Failed):
        return Run(runs_folder() / run).read().get("metrics")
    return None


def _made_of(run: Run) -> dict[str, Any]:
    """What made the run's predictions, as predictions.json has it; empty when nothing says it."""
    content = None
    with suppress(Failed):
        content = files.read_json(run.folder / "predictions" / "predictions.json")
    if not isinstance(content, dict):
        return {}
    made_by = content.get("made_by")
    known = content | made_by if isinstance(made_by, dict) else content
    return {key: known[key] for key in MADE_OF if known.get(key)}


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
