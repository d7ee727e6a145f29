"""Pushes a kernel to Kaggle so that one launch never becomes two billed sessions.

ref = push(session, run.kernel, timeout=5400)

SaveKernel starts a session, and is not idempotent. An answer that cannot be read (connection lost, HTML with HTTP 200,
an empty one) says nothing about that, so the server is asked what it has; its own lists lag behind a push, so it is
asked several times. Only "too many requests" (429) is pushed again, after Kaggle was asked and has no such kernel.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.errors import Failed, Refused, SwathError
from lib.launching.kaggle import slots
from lib.launching.kaggle.client import translated
from lib.launching.offline import sit_out
from lib.launching.polling import POLL_SECONDS
from lib.launching.session import Busy, KernelRef, LostConnection, NoSlot, Offline, Unanswered, Unreachable

if TYPE_CHECKING:
    from lib.launching.kaggle.session import KaggleSession

REJECTED = {
    "invalid_dataset_sources": "data sets",
    "invalid_competition_sources": "competitions (were their rules accepted in a browser?)",
    "invalid_kernel_sources": "kernels",
    "invalid_model_sources": "models",
    "invalid_tags": "keywords",
}

DELETIONS = 4
"""Tries to delete a kernel that must not run."""

PUSHES = 3
"""Times that a kernel is pushed to a server that says it is too busy."""

QUESTIONS = 4
"""Times that a server is asked whether it has a kernel, before it is believed that it has not."""

QUESTION_SECONDS = min(3.0, POLL_SECONDS)
"""Between these questions."""

LONGEST_WAIT = 60
"""Seconds that a Retry-After is honoured; beyond them the push is refused."""


def push(session: KaggleSession, folder: Path, timeout: int | None) -> KernelRef:
    """Push the kernel in `folder` once, and return it as the server has it.

    Raises `Refused` when nothing was started (an `error` in the answer, a rejected source, a busy server), `Failed`
    when it is not known whether something was.
    """
    slug = json.loads((folder / "kernel-metadata.json").read_text())["id"].split("/")[-1]
    for number in range(1, PUSHES + 1):
        try:
            return _push(session, folder, timeout, slug, is_first=number == 1)
        except Busy as busy:
            if number == PUSHES or busy.seconds > LONGEST_WAIT:
                raise Refused(f"{busy.reason}; nothing was started", "launch again in a few minutes") from None
            time.sleep(busy.seconds or QUESTION_SECONDS)
    raise AssertionError


def _push(session: KaggleSession, folder: Path, timeout: int | None, slug: str, is_first: bool) -> KernelRef:
    """One push; `Busy` when the server was too busy for it and has nothing of it."""
    try:
        with translated("the push"):
            answer = session.api.kernels_push(str(folder), timeout=timeout)
    except Unreachable as error:
        raise Offline(error.reason, error.hint) from None
    except LostConnection as error:
        return _recorded(session, slug, error)
    except Failed as error:
        raise Refused(error.reason, error.hint) from None
    if answer.error:
        kind = NoSlot if slots.learn(session.owner, answer.error) else Refused
        raise kind(f"Kaggle refused the push: {answer.error}", _fix(answer.error))
    if not answer.url or not answer.version_number:
        return _recorded(session, slug, LostConnection("Kaggle's answer to the push names no kernel"))
    ref = _ref(answer, session.owner, slug)
    if answer.version_number > 1 and not is_first:
        _take_back(session, ref, f"Kaggle had taken the push that it had refused: {ref} is a second session")
    rejected = [f"{what}: {', '.join(names)}" for key, what in REJECTED.items() if (names := getattr(answer, key))]
    if rejected:
        _take_back(
            session,
            ref,
            f"Kaggle rejected sources of this run: {'; '.join(rejected)}",
            "check the names in the competition's [kaggle] table, and open each page once while signed in",
        )
    return ref


def _recorded(session: KaggleSession, slug: str, lost: LostConnection) -> KernelRef:
    """What the server has of a push whose answer was lost. The slug is fresh, so a kernel of that name is this push.

    While the server cannot be reached it is waited for: a session that nobody knows of would use up hours.
    """
    found, known = None, False
    meanwhile = f"then python launch.py status {slug} asks"
    for number in range(QUESTIONS):
        if number:
            time.sleep(QUESTION_SECONDS)
        try:
            found, known = sit_out(lambda: session.find(slug), loss=Unreachable, meanwhile=meanwhile), True
        except Unreachable:
            known = False
            break
        except SwathError:
            known = False
        if found:
            return found
    if not known or isinstance(lost, Unanswered):
        why = "it may still be at work on it" if known else "it cannot be asked"
        raise Failed(
            f"{lost.reason}, and whether Kaggle starts the kernel {slug} is not known: {why}",
            f"ask before pushing again, because a second push is a second session: python launch.py status {slug}",
        )
    if isinstance(lost, Busy):
        raise lost
    raise Refused(f"{lost.reason}; Kaggle has no kernel {slug}, so nothing was started", "launch again")


def _take_back(session: KaggleSession, ref: KernelRef, reason: str, hint: str = "launch again") -> None:
    """Delete a kernel that must not run; `Refused` when it is gone, else `Failed`."""
    from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_fixed

    deletions = Retrying(
        stop=stop_after_attempt(DELETIONS),
        wait=wait_fixed(POLL_SECONDS),
        retry=retry_if_exception_type(LostConnection),
        reraise=True,
    )
    try:
        deletions(session.stop, ref)
    except SwathError as error:
        raise Failed(
            f"{reason}. It runs and uses up quota, because it could not be deleted: {error.reason}",
            f"delete it: {ref.url or ref}, or python launch.py stop {ref.slug} -y",
        ) from None
    raise Refused(f"{reason}. The kernel was deleted again", hint)


def _ref(answer: Any, owner: str, slug: str) -> KernelRef:
    """Owner and slug as the server has them: from the address, because `ref` may carry a version."""
    parts = [part for part in answer.url.split("?")[0].split("/") if part]
    place = len(parts) - 1 - parts[::-1].index("code") if "code" in parts else None
    if place is not None and len(parts) > place + 2:
        owner, slug = parts[place + 1], parts[place + 2]
    return KernelRef(owner, slug, answer.version_number, answer.url)


def _fix(error: str) -> str | None:
    """The next step for a refusal that Kaggle words in a known way."""
    if "quota" in error:
        return "wait for the weekly reset, or run without a GPU: --gpu none --on kaggle"
    if "session count" in error:
        return "wait for one of your sessions to end: --wait-slot, or stop one: python launch.py runs"
    return None
