"""Makes a submission on Kaggle once, whatever becomes of the answer, and asks how it stands.

submitted = create(api, "sea-ice", mark, "CreateSubmission", lambda client: client.….create_submission(request))
ask(api, submitted.ref)                      # Submitted(ref, "COMPLETE", 0.87)

Kaggle's create calls may not be repeated: when an answer is lost, the list of submissions tells whether it was made, by
the mark that each description carries.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from lib.errors import Failed, Refused, SwathError
from lib.launching.kaggle.client import asked, session_of, translated
from lib.launching.ledger import Submitted
from lib.launching.polling import POLL_SECONDS
from lib.launching.session import LostConnection, Unreachable

LOOKS = 3
"""Looks into the list of submissions before one whose answer was lost counts as not listed."""

PAGE, PAGES = 100, 5
"""Submissions a page that are asked for, newest first (the server may give fewer), and pages that are looked at."""


def page(competition: str) -> str:
    """Where one's submissions to a competition are looked at in a browser."""
    return f"https://www.kaggle.com/competitions/{competition}/submissions"


def create(api: Any, competition: str, mark: str, method: str, question: Callable[[Any], Any]) -> Submitted:
    """Ask for a submission, once; `method` is the server's name of the call that `question` makes.

    Raises `Refused` when nothing was submitted, `Failed` when it is not known whether something was.
    """
    asked.discard(method)
    answer = None
    try:
        with translated(f"submitting to {competition}"), session_of(api) as client:
            answer = question(client)
        lost = f"Kaggle's answer holds no submission: {answer.message or 'it is empty'}"
    except Unreachable as error:
        raise Refused(f"{error.reason}; nothing was submitted", error.hint) from None
    except LostConnection as error:
        lost = error.reason
    except Failed as error:
        raise Refused(error.reason, f"see https://www.kaggle.com/competitions/{competition}") from None
    if answer and answer.ref:
        return Submitted(answer.ref, "PENDING", message=answer.message or "")
    if method not in asked:
        raise Refused(f"{lost}; nothing was submitted", "send again")
    found = None
    for look in range(LOOKS):
        if look:
            time.sleep(POLL_SECONDS)
        with suppress(SwathError):
            found = listed(api, competition, mark)
        if found:
            break
    if found is None:
        raise Failed(
            f"{lost}: the submission may or may not have been made",
            f"send again in a few minutes (it is looked for first), or look: {page(competition)}",
        )
    return found


def listed(api: Any, competition: str, mark: str) -> Submitted | None:
    """The submission whose description carries the mark; None when Kaggle lists one's submissions without it.

    Raises a `SwathError` when it does not list them: then nobody knows.
    """
    from kagglesdk.competitions.types.competition_api_service import ApiListSubmissionsRequest

    request = ApiListSubmissionsRequest()
    request.competition_name, request.page_size = competition, PAGE
    what = "listing your submissions"
    for request.page in range(1, PAGES + 1):
        try:
            with translated(what), session_of(api) as client:
                found = client.competitions.competition_api_client.list_submissions(request).submissions or []
        except (LookupError, TypeError, AttributeError) as error:  # what the client makes of odd answers
            raise LostConnection(f"{what}: the Kaggle client cannot read the answer ({error})") from None
        for submission in found:
            if mark in (submission.description or ""):
                return Submitted(submission.ref, "PENDING")
        if not found:
            break
    return None


def ask(api: Any, ref: int) -> Submitted:
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
    team = answer.team_name or ""
    return Submitted(ref, status, _number(answer.public_score), answer.error_description or "", team)


def _number(text: str | None) -> float | None:
    """A score, which Kaggle sends as text; None when it is hidden."""
    try:
        return float(text) if text else None
    except ValueError:
        return None
