"""What a session asks of an account before it may start: an accelerator, hours, sources.

demand = Demand("GPU", metadata, timeout=None, limit=43_200)
fitted(demand, quota).limit              # no more than the hours that are left
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from lib.launching.kaggle.account import Quota
from lib.launching.kaggle.slots import Kind
from lib.launching.preparing.feasible import SESSION_SECONDS

SHORTEST = 300
"""Seconds of quota below which no session is worth its start."""


@dataclass(frozen=True)
class Demand:
    """A session on Kaggle, and how many may follow one another."""

    kind: Kind
    metadata: Mapping[str, Any]
    """Its kernel-metadata.json, which names its sources."""
    timeout: int | None
    """Seconds that the user asked for; None leaves it to the place."""
    limit: int
    """Seconds that it may take."""
    sessions: int = 1


def fitted(demand: Demand, quota: Quota | None) -> Demand:
    """The same with its limit lowered to the hours that are left, when none was asked for."""
    if demand.kind != "GPU" or quota is None or demand.timeout is not None:
        return demand
    if not SHORTEST <= quota.left < SESSION_SECONDS:
        return demand
    return replace(demand, limit=whole_minutes(quota.left))


def whole_minutes(seconds: float) -> int:
    """So many seconds, without those of a minute that has only begun."""
    return int(seconds // 60 * 60)
