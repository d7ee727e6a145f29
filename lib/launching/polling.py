"""How often, and how long, a place where sessions run is asked the same thing again."""

from __future__ import annotations

from lib.launching import durations

POLL_SECONDS = durations.from_environment("SWATH_POLL_SECONDS", 20)
"""Between questions: Kaggle's limits are unpublished, and it answers 429 to faster callers."""

PATIENCE = 30
"""Questions in a row that may go unanswered before following gives up; the session goes on without us."""
