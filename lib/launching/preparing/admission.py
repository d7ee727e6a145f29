"""Asks Kaggle whether a session may start: what would fail is refused, what passes is waited for.

    limit = admit(demand, show, wait_slot=True)      # seconds that the session may take

Every session is asked for, the later ones of a chain and of a sweep too. A question that Kaggle does not answer stands
in nobody's way.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from lib.launching import durations
from lib.launching.kaggle import account
from lib.launching.kaggle.account import Account
from lib.launching.kaggle.client import connect, owner
from lib.launching.kaggle.sources import Source, Standing, sources
from lib.launching.offline import sit_out
from lib.launching.polling import POLL_SECONDS
from lib.launching.preparing import verdicts
from lib.launching.preparing.checks import Check
from lib.launching.preparing.demand import Demand, fitted
from lib.launching.session import Offline, Unreachable
from lib.launching.terminal import talk

Show = Callable[[Demand, tuple[Check, ...], str], None]
"""Takes the demand as the quota lets it be, what was found, and whose account it is."""


@dataclass(frozen=True)
class Survey:
    """One round of questions: the demand as the quota lets it be, what was found, and what may be waited for."""

    demand: Demand
    quota: Check
    slots: Check
    sources: Check
    account: Account
    standings: Mapping[Source, Standing] = field(default_factory=dict)

    @property
    def checks(self) -> tuple[Check, ...]:
        """What was found, in the card's order; a session without a GPU takes no quota."""
        return (self.sources, *([self.quota] if self.demand.kind == "GPU" else []), self.slots)

    @property
    def unready(self) -> list[Source]:
        """The sources that are there, and that no session can have yet."""
        return [source for source, standing in self.standings.items() if standing.state == "waiting"]


def admit(
    demand: Demand,
    show: Show,
    force: bool = False,
    wait_slot: bool = False,
    poll: float = POLL_SECONDS,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Show what Kaggle says, wait for what can be waited for, and return the session's limit in seconds.

    Without a `--timeout` it is lowered to the hours that are left. Raises `Refused` for everything that would fail on
    Kaggle, unless `force`: `NoSlot` when only a slot is missing, `Offline` when Kaggle is out of reach.
    """
    survey = _survey(demand)
    show(survey.demand, survey.checks, survey.account.owner)
    if force:
        if said := verdicts.forced(survey.checks):
            talk(said)
        return survey.demand.limit
    limit, said = survey.demand.limit, ""
    while waits := _waits(survey, wait_slot):
        if waits != said:
            talk(f"waiting: {waits} (Ctrl-C ends it; nothing was started)")
            said = waits
        sleep(poll)
        survey = sit_out(lambda before=survey: _survey(demand, before), poll, sleep)
    if survey.demand.limit != limit:
        talk(f"time limit now: {durations.spell(survey.demand.limit)}, because {survey.quota.words}")
    return survey.demand.limit


def _waits(survey: Survey, wait_slot: bool) -> str:
    """What stands in the way and will pass, in words; "" when the way is free. `Refused` for what will not pass."""
    lasting = [check for check in (survey.quota, survey.sources, survey.slots) if check.failed]
    lasting = [check for check in lasting if not (wait_slot and check is survey.slots)]
    if lasting:
        raise verdicts.refusal(tuple(lasting))
    unready = [f"{source} {survey.standings[source].words}" for source in survey.unready]
    return "; ".join([*unready, *([survey.slots.words] if survey.slots.failed else [])])


def _survey(demand: Demand, before: Survey | None = None) -> Survey:
    """Ask Kaggle; what was being waited for and is not answered now stands as it did `before`."""
    api = connect()
    listed = sources(demand.metadata)
    named = [source for source in listed if source.is_named_well]
    try:
        found = account.ask(api, owner(api), demand.kind, {str(source): source.question for source in named})
    except Unreachable as error:
        raise Offline(error.reason, error.hint) from None
    standings = {source: source.standing(found.answers[str(source)]) for source in named}
    if before:
        for source in before.unready:
            if standings[source].state == "unknown":
                standings[source] = before.standings[source]
        known = before.account
        running = known.running if found.running is None else found.running
        found = replace(found, quota=found.quota or known.quota, running=running)
    fits = fitted(demand, found.quota)
    return Survey(
        fits,
        verdicts.quota_check(demand, fits, found),
        verdicts.slots_check(demand.kind, found.owner, found.running, account.KERNELS in found.silence),
        verdicts.names_check(listed) if len(named) < len(listed) else verdicts.sources_check(standings),
        found,
        standings,
    )
