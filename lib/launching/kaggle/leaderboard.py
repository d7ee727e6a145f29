"""Sends a submission through the official client, once, and waits for its score.

Kaggle's create call may not be repeated: when its answer is lost, the list of submissions tells whether it was made,
by the mark that each description carries.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from lib.errors import Failed, Refused
from lib.launching import ledger
from lib.launching.kaggle.client import asked, connect, session_of, translated
from lib.launching.ledger import Submitted
from lib.launching.polling import PATIENCE, POLL_SECONDS
from lib.launching.runs import Run
from lib.launching.session import LostConnection, Unreachable

CREATE = "CreateSubmission"

LOOKS = 3
"""Looks into the list of submissions before one whose answer was lost counts as not listed."""

SETTLED_SECONDS = 600
"""A submission that is not listed after so long was not made."""


def send(
    run: Run, path: Path, content: str, competition: str, message: str | None = None
) -> tuple[Run, dict[str, Any]]:
    """Upload a file and submit it, once; returns the run that sent it and the ledger's entry, with `ref`.

    `content` is the SHA-256 of what was checked. A file that is in already and has no score yet is not sent again, it
    can be waited for. Raises `Refused` when nothing was submitted, `Failed` when it is not known whether it was.
    """
    api = connect()
    with ledger.one_at_a_time():
        earlier = ledger.sent_before(content, competition)
        if earlier and (known := _settle(api, *earlier)):
            return earlier[0], known
        entry = ledger.begin(run, path, content, competition)
        try:
            submitted = _submit(api, entry, ledger.description(run, entry, message))
        except BaseException as error:
            if isinstance(error, Refused) or CREATE not in asked:
                ledger.cancelled(run, entry)
            raise
        return run, ledger.note(run, entry, submitted)


def wait(
    run: Run,
    entry: dict[str, Any],
    poll: float = POLL_SECONDS,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, Any]:
    """Ask until a submission is scored, and write the score down; `Failed` when the scorer refuses the file."""
    api = connect()
    unanswered = 0
    while True:
        current = Submitted(entry["ref"], "PENDING")
        try:
            current = _ask(api, entry["ref"])
            unanswered = 0
        except (LostConnection, Failed, Refused) as error:
            unanswered += 1
            if unanswered >= PATIENCE or not isinstance(error, LostConnection):
                raise Failed(
                    f"{error.reason}; submission {entry['ref']} was made and is being scored", _page(entry)
                ) from None
        if current.status == "COMPLETE":
            return ledger.note(run, entry, current)
        if current.status == "ERROR":
            ledger.note(run, entry, current)
            raise Failed(f"{entry['sent_to']} could not score submission {entry['ref']}: {current.message}")
        sleep(poll)


def _settle(api: Any, run: Run, entry: dict[str, Any]) -> dict[str, Any] | None:
    """What became of a file that was sent before: its entry when it waits for a score, None when it was never made."""
    if entry["status"] in ("COMPLETE", "ERROR"):
        score = entry["public_score"]
        outcome = f"it scored {score}" if score is not None else "it could not be scored"
        raise Refused(
            f"{entry['file']} was sent to {entry['sent_to']} from run {run.id} at {entry['sent']} ({outcome}), and "
            "would cost a second submission",
            _page(entry),
        )
    if "ref" in entry:
        return entry
    found = _listed(api, entry)
    if found is not None:
        return ledger.note(run, entry, found)
    if ledger.age(entry) < SETTLED_SECONDS:
        raise Failed(
            f"{entry['file']} was sent to {entry['sent_to']} at {entry['sent']}, the answer was lost, and it is not "
            "listed yet: it may still arrive",
            f"send again in {SETTLED_SECONDS // 60} minutes (it is looked for first), or look: {_page(entry)}",
        )
    ledger.cancelled(run, entry)
    return None


def _submit(api: Any, entry: dict[str, Any], description: str) -> Submitted:
    asked.discard(CREATE)
    try:
        with translated(f"submitting to {entry['sent_to']}"):
            answer = api.competition_submit(entry["copy"], description, entry["sent_to"], quiet=True)
        lost = f"Kaggle's answer holds no submission: {answer.message or 'the upload failed'}"
    except Unreachable as error:
        raise Refused(f"{error.reason}; nothing was submitted", error.hint) from None
    except LostConnection as error:
        answer, lost = None, error.reason
    except Failed as error:
        raise Refused(error.reason, f"see https://www.kaggle.com/competitions/{entry['sent_to']}") from None
    if answer and answer.ref:
        return Submitted(answer.ref, "PENDING", message=answer.message or "")
    if CREATE not in asked:
        raise Refused(f"{lost}; nothing was submitted", "send again")
    found = _listed(api, entry, LOOKS)
    if found is None:
        raise Failed(
            f"{lost}: the submission may or may not have been made",
            f"send again in a few minutes (it is looked for first), or look: {_page(entry)}",
        )
    return found


def _listed(api: Any, entry: dict[str, Any], looks: int = 1) -> Submitted | None:
    """The submission whose description carries the file's mark; None when it is not among the newest."""
    from kagglesdk.competitions.types.competition_api_service import ApiListSubmissionsRequest

    request = ApiListSubmissionsRequest()
    request.competition_name = entry["sent_to"]
    for look in range(looks):
        if look:
            time.sleep(POLL_SECONDS)
        with suppress(LostConnection):
            with translated("listing your submissions"), session_of(api) as client:
                answer = client.competitions.competition_api_client.list_submissions(request)
            for submission in answer.submissions or []:
                if ledger.mark(entry["sha256"]) in (submission.description or ""):
                    return Submitted(submission.ref, "PENDING")
    return None


def _ask(api: Any, ref: int) -> Submitted:
    """The submission as the server has it; right after it was made a 404 means pending."""
    import requests
    from kagglesdk.competitions.types.competition_api_service import ApiGetSubmissionRequest

    request = ApiGetSubmissionRequest()
    request.ref = ref
    try:
        with translated(f"asking for submission {ref}"), session_of(api) as client:
            try:
                answer = client.competitions.competition_api_client.get_submission(request)
            except requests.HTTPError as error:
                if error.response is not None and error.response.status_code == 404:
                    return Submitted(ref, "PENDING")
                raise
    except KeyError:
        return Submitted(ref, "PENDING")
    return Submitted(
        ref, getattr(answer.status, "name", "PENDING"), _number(answer.public_score), answer.error_description or ""
    )


def _number(text: str | None) -> float | None:
    """A score, which Kaggle sends as text; None when it is hidden."""
    try:
        return float(text) if text else None
    except ValueError:
        return None


def _page(entry: dict[str, Any]) -> str:
    return f"https://www.kaggle.com/competitions/{entry['sent_to']}/submissions"
