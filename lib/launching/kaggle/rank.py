"""The team's place on the public leaderboard, as far as Kaggle tells it.

rank_of(api, "sea-ice", "my team")           # 12; None when nobody says

The competition's own answer names it; where it does not, the leaderboard is read from its top, a few pages of it.
"""

from __future__ import annotations

from typing import Any

from lib.errors import SwathError
from lib.launching.kaggle import board
from lib.launching.kaggle.client import session_of, translated

PAGE = 200
"""Teams a page that are asked for; the server may give fewer."""

PAGES = 25
"""Pages that are read before a team counts as too far down."""


def rank_of(api: Any, slug: str, team: str) -> int | None:
    """The rank of one's own team, by its name on the leaderboard where the competition does not tell it."""
    try:
        return board.look(api, slug).rank or (_on_the_board(api, slug, team) if team else None)
    except (SwathError, KeyError, ValueError, AttributeError):  # what the client makes of odd answers, too
        return None


def _on_the_board(api: Any, slug: str, team: str) -> int | None:
    from kagglesdk.competitions.types.competition_api_service import ApiGetLeaderboardRequest

    request = ApiGetLeaderboardRequest()
    request.competition_name, request.page_size = slug, PAGE
    above = 0
    with translated(f"the leaderboard of {slug}"), session_of(api) as client:
        for _ in range(PAGES):
            page = client.competitions.competition_api_client.get_leaderboard(request)
            names = [row.team_name for row in page.submissions or []]
            if team in names:
                return above + names.index(team) + 1
            above += len(names)
            if not page.next_page_token or not names:
                return None
            request.page_token = page.next_page_token
    return None
