"""Sends a submission through the official client and waits for its score.

Neither of Kaggle's create calls may be repeated: when the connection is lost after the file went up, the list of
submissions is what tells whether it was taken.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lib.errors import Failed, Refused
from lib.launching import ledger
from lib.launching.client import connect, session_of, translated
from lib.launching.follow import PATIENCE, POLL_SECONDS
from lib.launching.ledger import Submitted
from lib.launching.runs import Run
from lib.launching.session import LostConnection


def send(run: Run, path: Path, competition: str, message: str | None = None) -> Submitted:
    """Upload a file and submit it, once; the run's ledger hears of it before anything leaves.

    Raises `Refused` when nothing was submitted, `Failed` when it is not known whether it was.
    """
    api = connect()
    entry = ledger.begin(run, path, competition)
    try:
        submitted = _submit(api, path, competition, message or ledger.message(run, entry))
    except Refused:
        ledger.cancelled(run, path)
        raise
    ledger.note(run, path, submitted)
    return submitted


def _submit(api: Any, path: Path, competition: str, message: str) -> Submitted:
    try:
        with translated(f"submitting to {competition}"):
            answer = api.competition_submit(str(path), message, competition, quiet=True)
    except LostConnection as error:
        raise Failed(
            f"{error.reason}: the submission may or may not have been made",
            f"look before sending again: https://www.kaggle.com/competitions/{competition}/submissions",
        ) from None
    except Failed as error:
        raise Refused(error.reason, f"see https://www.kaggle.com/competitions/{competition}") from None
    if not answer.ref:  # a failed upload does not raise in the client: it answers without a reference
        raise Refused(f"Kaggle took no submission: {answer.message or 'the upload failed'}", "send again")
    return Submitted(answer.ref, "PENDING", message=answer.message or "")


def wait(
    submitted: Submitted,
    competition: str,
    poll: float = POLL_SECONDS,
    sleep: Callable[[float], None] = time.sleep,
) -> Submitted:
    """Ask until the submission is scored; `Failed` when the scorer refuses it."""
    api = connect()
    unanswered = 0
    while True:
        try:
            current = _ask(api, submitted.ref)
            unanswered = 0
        except LostConnection as error:
            current = submitted
            unanswered += 1
            if unanswered >= PATIENCE:
                raise Failed(
                    f"{error.reason}; submission {submitted.ref} was made and is being scored",
                    f"see https://www.kaggle.com/competitions/{competition}/submissions",
                ) from None
        if current.status == "COMPLETE":
            return current
        if current.status == "ERROR":
            raise Failed(f"{competition} could not score submission {submitted.ref}: {current.message}")
        sleep(poll)


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
    status = getattr(answer.status, "name", "PENDING")
    score = float(answer.public_score) if answer.public_score else None
    return Submitted(ref, status, score, answer.error_description or "")
