"""Waits for the scores of what was sent, now or in a later process.

entry = wait(run, entry)
refresh(ledger.everything())             # whatever has no score yet is asked for, where Kaggle can be asked
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from lib.errors import Failed, Refused, SwathError
from lib.launching import ledger
from lib.launching.kaggle import creating, credentials
from lib.launching.kaggle.client import connect
from lib.launching.kaggle.leaderboard import look_for
from lib.launching.kaggle.rank import rank_of
from lib.launching.ledger import Submitted
from lib.launching.polling import PATIENCE, POLL_SECONDS
from lib.launching.runs import Run
from lib.launching.session import LostConnection
from lib.launching.terminal import talk


def wait(
    run: Run,
    entry: dict[str, Any],
    poll: float = POLL_SECONDS,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, Any]:
    """Ask until a submission is scored, and write score and rank down; `Failed` when the scorer refuses the file."""
    api = connect()
    unanswered = 0
    while True:
        current = Submitted(entry["ref"], "PENDING")
        try:
            current = creating.ask(api, entry["ref"])
            unanswered = 0
        except (LostConnection, Failed, Refused) as error:
            unanswered += 1
            if unanswered >= PATIENCE or not isinstance(error, LostConnection):
                raise Failed(
                    f"{error.reason}; submission {entry['ref']} was made and is being scored",
                    creating.page(entry["sent_to"]),
                ) from None
        if current.status == "COMPLETE":
            return _scored(api, run, entry, current)
        if current.status == "ERROR":
            ledger.note(run, entry, current)
            raise Failed(f"{entry['sent_to']} could not score submission {entry['ref']}: {current.message}")
        sleep(poll)


def refresh(entries: Iterable[tuple[Run, dict[str, Any]]]) -> None:
    """Ask once for every submission that has no outcome yet; without an account or an answer, say so and go on.

    One whose answer was lost is looked for among those that Kaggle lists.
    """
    over = ("COMPLETE", "ERROR", ledger.UPLOADING)
    open_ = [(run, entry) for run, entry in entries if entry.get("sent") and entry["status"] not in over]
    if not open_:
        return
    if credentials.source() is None:
        return talk(f"{len(open_)} submission(s) wait for a score, and there is no Kaggle account here to ask with")
    try:
        api = connect()
        for run, entry in open_:
            if "ref" not in entry and (entry := look_for(api, run, entry)) is None:
                continue
            current = creating.ask(api, entry["ref"])
            if current.status == "COMPLETE":
                _scored(api, run, entry, current)
            elif current.status == "ERROR":
                ledger.note(run, entry, current)
    except SwathError as error:
        talk(f"not asked for the newest scores: {error.reason}")


def _scored(api: Any, run: Run, entry: dict[str, Any], current: Submitted) -> dict[str, Any]:
    """Write a score down at once, and then the rank, which Kaggle may not say."""
    entry = ledger.note(run, entry, current)
    rank = rank_of(api, entry["sent_to"], current.team)
    return entry if rank is None else ledger.note(run, entry, current, rank)
