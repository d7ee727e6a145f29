"""Sends a file to a competition through the official client, once.

run, entry = send(run, path, content, "sea-ice")

The upload goes on where it stopped; the submission is asked for once (`creating.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lib.errors import Failed, Refused, SwathError
from lib.folders import cache_folder
from lib.launching import ledger
from lib.launching.kaggle import creating, uploads
from lib.launching.kaggle.client import asked, connect, owner
from lib.launching.ledger import Submitted
from lib.launching.runs import Run

CREATE = "CreateSubmission"

SETTLED_SECONDS = 600
"""A submission that is not listed after so long was not made."""


def send(
    run: Run,
    path: Path,
    content: str,
    competition: str,
    message: str | None = None,
    admit: Callable[[Any], None] = lambda api: None,
) -> tuple[Run, dict[str, Any]]:
    """Upload a file and submit it, once; returns the run that sent it and the ledger's entry, with `ref`.

    `content` is the SHA-256 of what was checked. `admit` is asked, with the signed-in client, before anything leaves;
    it may raise `Refused`. A file that is in already and has no score yet is not sent again, it can be waited for.
    Raises `Refused` when nothing was submitted, `Failed` when it is not known whether it was.
    """
    api = connect()
    with ledger.one_at_a_time():
        earlier = ledger.sent_before(content, competition)
        if earlier and (known := settle(api, *earlier)):
            return earlier[0], known
        admit(api)
        asked.discard(CREATE)
        entry = ledger.begin(run, path, content, competition)
        try:
            submitted = _submit(api, run, entry, ledger.description(run, entry, message))
        except BaseException as error:
            if isinstance(error, Refused) or CREATE not in asked:
                ledger.cancelled(run, entry)
            raise
        return run, ledger.note(run, entry, submitted)


def must_be_new(run: Run, entry: dict[str, Any]) -> None:
    """Raise `Refused` for a file that was sent before, and has its outcome."""
    if entry["status"] not in ("COMPLETE", "ERROR"):
        return
    score = entry.get("public_score")
    outcome = "it could not be scored" if entry["status"] == "ERROR" else "its score is hidden"
    outcome = outcome if score is None else f"it scored {score}"
    raise Refused(
        f"{entry['file']} was sent to {entry['sent_to']} from run {run.id} at {entry['sent']} ({outcome}), and "
        "would cost a second submission",
        creating.page(entry["sent_to"]),
    )


def settle(api: Any, run: Run, entry: dict[str, Any]) -> dict[str, Any] | None:
    """What became of a file that was sent before: its entry when it waits for a score, None when it was never made."""
    must_be_new(run, entry)
    if entry["status"] == ledger.UPLOADING:  # whoever was at it is gone: the lock is ours
        ledger.cancelled(run, entry)
        return None
    if "ref" in entry:
        return entry
    lost = f"{entry['file']} was sent to {entry['sent_to']} at {entry['sent']}, the answer was lost"
    try:
        found = look_for(api, run, entry)
    except SwathError as error:
        raise Failed(
            f"{lost}, and whether it was made is not known: {error.reason}",
            f"send again later (it is looked for first), or look: {creating.page(entry['sent_to'])}",
        ) from None
    if found is not None:
        return found
    if ledger.age(entry) < SETTLED_SECONDS:
        raise Failed(
            f"{lost}, and it is not listed yet: it may still arrive",
            f"send again in {SETTLED_SECONDS // 60} minutes (it is looked for first), or look: "
            f"{creating.page(entry['sent_to'])}",
        )
    ledger.cancelled(run, entry)
    return None


def look_for(api: Any, run: Run, entry: dict[str, Any]) -> dict[str, Any] | None:
    """Look among the listed submissions for one whose answer was lost, and write it down; its entry, None when absent.

    Raises `SwathError` when the list cannot be read.
    """
    found = creating.listed(api, entry["sent_to"], ledger.mark(entry))
    return None if found is None else ledger.note(run, entry, found)


def _submit(api: Any, run: Run, entry: dict[str, Any], description: str) -> Submitted:
    from kagglesdk.competitions.types.competition_api_service import ApiCreateSubmissionRequest

    slug, copy = entry["sent_to"], Path(entry["copy"])
    memory = _memory(owner(api), entry)
    try:
        token = uploads.upload(copy, copy.name, memory, start=uploads.for_submission(slug))
    except Failed as error:
        raise Refused(f"{error.reason}; nothing was submitted", error.hint or "send again") from None
    memory.unlink(missing_ok=True)  # a token is for one submission
    request = ApiCreateSubmissionRequest()
    request.competition_name, request.blob_file_tokens, request.submission_description = slug, token, description
    ledger.asking(run, entry)
    return creating.create(
        api,
        slug,
        ledger.mark(entry),
        CREATE,
        lambda client: client.competitions.competition_api_client.create_submission(request),
    )


def _memory(user: str, entry: dict[str, Any]) -> Path:
    """Where a file's begun upload is kept, for this user, competition, name and content."""
    key = "\0".join((user, "submission", entry["sent_to"], Path(entry["copy"]).name, entry["sha256"]))
    return cache_folder() / "uploads" / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"
