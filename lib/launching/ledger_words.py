"""The words of the ledger: a submission's outcome, the table of all files, what the scores say about each other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lib.files import shown
from lib.launching import ledger
from lib.launching.report import table
from lib.launching.runs import Run
from lib.launching.standing import Row, Standing

Entries = list[tuple[Run, dict[str, Any]]]

HEADER = ("file", "run", "made of", "local", "public", "rank", "sent", "when")


def sent_line(run: Run, entry: dict[str, Any]) -> str:
    """The score on the board beside the local one."""
    local = ledger.local_score(run, entry)
    beside = "" if local is None else f"; the local score was {local:.5f}"
    public = entry.get("public_score")
    score = "hidden, as far as Kaggle says" if public is None else f"{public}"
    rank = f", rank {entry['rank']}" if entry.get("rank") else ""
    return f"submission {entry['ref']}: {entry['status']}, public score {score}{rank}{beside}"


def standings(entries: Entries) -> list[Standing]:
    """A standing for each competition that something was sent to, in the order of the entries."""
    sent: dict[str, list[Row]] = {}
    for run, entry in entries:
        if entry.get("ref"):
            sent.setdefault(entry["sent_to"], []).append(_row(run, entry))
    return [Standing.of(competition, rows) for competition, rows in sent.items()]


def document(entries: Entries) -> dict[str, Any]:
    """The ledger as `--json` prints it."""
    rows = [entry | {"run": run.id, "local": ledger.local_score(run, entry)} for run, entry in entries]
    found = standings(entries)
    kept = ("competition", "pearson", "spearman", "noise", "trusted", "leader")
    about = [{key: asdict(one)[key] for key in kept} | {"pairs": len(one.pairs), "advice": one.advice} for one in found]
    return {"files": rows, "competitions": about}


def lines(entries: Entries) -> list[str]:
    """The table of all files, and under it each competition's advice."""
    if not entries:
        return ["no file was made yet"]
    found = table([HEADER, *(_cells(run, entry) for run, entry in entries)])
    for one in standings(entries):
        found += ["", f"{one.competition}: {_together(one)}", *(f"  {sentence}" for sentence in one.advice)]
    return found


def made_words(run: str, made_of: dict[str, Any] | None) -> str:
    """What made a file, in the fewest words: `2 runs, d4, scales 0.75 1 1.25`."""
    words, folds = [], len((made_of or {}).get("folds") or ())
    for key, value in (made_of or {}).items():
        if value in (None, [], {}, "", run, [run]) or (key == "scales" and value in ([1], [1.0])):
            continue
        if key == "members" and len(value) in (1, folds):
            continue
        if key in ("run", "runs") and (isinstance(value, str) or len(value) == 1):
            only = value if isinstance(value, str) else next(iter(value))
            words.append(f"run {only.split('-')[-1]}")
        elif key == "folds" and isinstance(value, list) and len(value) == 1:
            words.append(f"fold {value[0]}")
        elif key in ("runs", "checkpoints", "folds", "members"):
            listed = value if isinstance(value, (list, dict)) else [value]
            words.append(f"{len(listed)} {key if len(listed) != 1 else key.removesuffix('s')}")
        elif key == "tta":
            words.append("no tta" if value == "none" else str(value))
        elif isinstance(value, (list, tuple)) and len(value) <= 4:
            words.append(f"{key} {' '.join(map(str, value))}")
        elif isinstance(value, (int, float, str)) and not isinstance(value, bool):
            words.append(f"{key} {value}")
        else:
            words.append(key)
    return ", ".join(words) or "-"


def _row(run: Run, entry: dict[str, Any]) -> Row:
    return Row(
        shown(Path(entry["file"])),
        run.id,
        ledger.local_score(run, entry),
        entry.get("public_score"),
        ledger.noise(run, entry),
        entry.get("ref"),
    )


def _cells(run: Run, entry: dict[str, Any]) -> tuple[str, ...]:
    local, noise = ledger.local_score(run, entry), ledger.noise(run, entry)
    public = entry.get("public_score")
    state = {"COMPLETE": "scored", "ERROR": "not scored", "PENDING": "waiting"}.get(entry.get("status", ""))
    return (
        Path(entry["file"]).name,
        run.id,
        made_words(run.id, entry.get("made_of")),
        "-" if local is None else f"{local:.5f}" + (f" ±{noise:.5f}" if noise else ""),
        "-" if public is None else f"{public:g}",
        str(entry.get("rank") or "-"),
        state or entry.get("status") or "-",
        (entry.get("sent") or entry.get("made") or "-")[:16].replace("T", " "),
    )


def _together(one: Standing) -> str:
    """How local and public scores go together."""
    known: Iterable[tuple[str, float | None]] = (("Pearson", one.pearson), ("Spearman", one.spearman))
    said = ", ".join(f"{name} {value:.3f}" for name, value in known if value is not None)
    count = f"{len(one.pairs)} with both scores"
    return f"local and public scores: {said} ({count})" if said else f"{count}, too few for a correlation"
