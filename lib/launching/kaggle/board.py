"""What Kaggle says of a competition before anything is sent there: who may submit, until when, how often today.

board = look(api, "sea-ice")
board.left                               # 3
must_take(board)                         # Refused: the deadline has passed, none are left today, …
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

from lib.errors import Refused, SwathError
from lib.launching import durations
from lib.launching.kaggle.client import together
from lib.launching.preparing.checks import row
from lib.launching.session import NotThere, Offline, Unreachable

DAY = 86_400

COMPETITION, LIMITS = "the competition", "the submission limits"


@dataclass(frozen=True)
class Board:
    """A competition as one user sees it; None is what Kaggle did not say."""

    slug: str
    metric: str | None = None
    deadline: datetime.datetime | None = None
    entered: bool | None = None
    code_only: bool | None = None
    disabled: bool = False
    daily: int | None = None
    """Submissions that a team has a day."""
    today: int | None = None
    left: int | None = None
    total: int | None = None
    is_total_reached: bool = False
    """Whether the competition's own maximum, rather than the day's, is why none are left."""
    rank: int | None = None

    @property
    def page(self) -> str:
        """Where the competition is looked at in a browser."""
        return f"https://www.kaggle.com/competitions/{self.slug}"

    @property
    def used_up(self) -> bool:
        """Whether none is left now; Kaggle says zero of everything to who is on no team yet."""
        return self.left == 0 and bool(self.today or self.total)


def look(api: Any, slug: str) -> Board:
    """Ask Kaggle; a question that it does not answer stands in nobody's way.

    Raises `Refused` when there is no such competition, when the credentials are not taken, or (`Offline`) without a
    connection.
    """
    questions = {COMPETITION: lambda client: _competition(client, slug), LIMITS: lambda client: _limits(client, slug)}
    answers = together(api, questions)
    for answer in answers.values():
        if isinstance(answer, Unreachable):
            raise Offline(f"{answer.reason}; nothing was submitted", answer.hint)
        if isinstance(answer, Refused):
            raise answer
    competition, limits = answers[COMPETITION], answers[LIMITS]
    if isinstance(competition, NotThere):
        raise Refused(
            f"Kaggle has no competition {slug!r}, or does not show it to you",
            f"check [kaggle] competition; open https://www.kaggle.com/competitions/{slug} while signed in",
        )
    known: dict[str, Any] = {}
    if not isinstance(competition, SwathError):
        deadline = competition.deadline
        known |= {
            "metric": competition.evaluation_metric or None,
            "deadline": deadline.replace(tzinfo=datetime.UTC) if deadline else None,
            "entered": bool(competition.user_has_entered),
            "code_only": bool(competition.is_kernels_submissions_only),
            "disabled": bool(competition.submissions_disabled),
            "daily": competition.max_daily_submissions or None,
            "rank": competition.user_rank or None,
        }
    if not isinstance(limits, SwathError):
        known |= {"today": limits.num_today, "left": limits.num_allowed_now, "total": limits.num_total}
        known |= {"is_total_reached": bool(limits.limited_by_total)}
    return Board(slug, **known)


def must_take(board: Board, code: bool = False, late: bool = False, now: datetime.datetime | None = None) -> None:
    """Raise `Refused` for what the competition would not take now; `code`: a kernel's version instead of a file.

    `late`: send after the deadline too, which some competitions score outside their ranking.
    """
    now = now or datetime.datetime.now(datetime.UTC)
    if board.entered is False:
        raise Refused(
            f"you must accept this competition's rules before anything can be submitted to {board.slug}",
            f"accept them in a browser: {board.page}/rules",
        )
    if board.code_only and not code:
        raise Refused(
            f"{board.slug} takes no files: it runs your kernel on images that nobody sees",
            "python submit.py send --code",
        )
    if board.disabled:
        raise Refused(f"{board.slug} takes no submissions now", f"see {board.page}")
    if board.deadline and now > board.deadline and not late:
        raise Refused(
            f"the deadline of {board.slug} passed {_ago(now, board.deadline)} ago ({_stamp(board.deadline)})",
            "where late submissions are scored all the same: --late",
        )
    if board.used_up:
        many = f"{board.today} submissions were made today"
        raise Refused(*_none_left(board, many, now))


def lines(
    board: Board, local: float | None, best: tuple[float, str] | None, now: datetime.datetime | None = None
) -> list[str]:
    """A card of what is known before sending, a row each; `best`: the highest public score so far, and its run."""
    now = now or datetime.datetime.now(datetime.UTC)
    unsaid = "Kaggle did not say"
    used = unsaid
    if board.left is not None:
        most = f" of {board.daily}" if board.daily else ""
        used = f"{board.today}{most} used today, {board.left} left"
        if not board.left and not board.used_up:
            used = f"none made yet{f', {board.daily} a day' if board.daily else ''}"
    end = unsaid
    if board.deadline:
        passed = now > board.deadline
        left = f"passed {_ago(now, board.deadline)} ago" if passed else f"in {_ago(board.deadline, now)}"
        end = f"{_stamp(board.deadline)}, {left}"
    beside = f"best public so far {best[0]:g} ({best[1]})" if best else "nothing scored there yet from this machine"
    return [
        row("competition", f"{board.slug}, scored on Kaggle by {board.metric or 'a metric that it does not name'}"),
        row("submissions", used),
        row("deadline", end),
        row("score", f"{'no local one' if local is None else f'local {local:.5f}'}; {beside}"),
    ]


def _none_left(board: Board, many: str, now: datetime.datetime) -> tuple[str, str]:
    if board.is_total_reached:
        return (
            f"no submission to {board.slug} is left: your team has made all {board.total} that it has",
            f"see {board.page}/submissions",
        )
    midnight = (now + datetime.timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return (
        f"no submission to {board.slug} is left today: {many}",
        f"send again after midnight UTC, in {_ago(midnight, now)}",
    )


def _ago(later: datetime.datetime, earlier: datetime.datetime) -> str:
    seconds = (later - earlier).total_seconds()
    return f"{seconds / DAY:.0f} days" if seconds >= 2 * DAY else durations.spell(seconds)


def _stamp(when: datetime.datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M} UTC"


def _competition(client: Any, slug: str) -> Any:
    from kagglesdk.competitions.types.competition_api_service import ApiGetCompetitionRequest

    request = ApiGetCompetitionRequest()
    request.competition_name = slug
    return client.competitions.competition_api_client.get_competition(request)


def _limits(client: Any, slug: str) -> Any:
    from kagglesdk.competitions.types.competition_api_service import ApiGetSubmissionLimitsRequest

    request = ApiGetSubmissionLimitsRequest()
    request.competition_name = slug
    return client.competitions.competition_api_client.get_submission_limits(request)
