"""Everything that can be known before a push, in one round of questions; what would fail is refused, or waited for.

    plan = clear(plan, force=False, wait_slot=True)      # shows the card; returns the plan as it is to be pushed

Nothing is asked before all that can be refused on this machine has been. A question that Kaggle does not answer stands
in nobody's way.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from lib.errors import Refused, UsageError
from lib.launching import durations
from lib.launching.kaggle import account, credentials
from lib.launching.kaggle.account import Account
from lib.launching.kaggle.client import connect, owner
from lib.launching.kaggle.slots import Kind
from lib.launching.kaggle.sources import Source, Standing, sources
from lib.launching.polling import PATIENCE, POLL_SECONDS
from lib.launching.preparing import plan_report, verdicts
from lib.launching.preparing.checks import UNKNOWN, Check
from lib.launching.preparing.plan import Plan
from lib.launching.preparing.rehearsal import rehearse_model
from lib.launching.session import Unreachable
from lib.launching.terminal import talk


@dataclass(frozen=True)
class Survey:
    """One round of questions: the plan as the quota lets it be, what was found, and what may be waited for."""

    plan: Plan
    quota: Check
    slots: Check
    sources: Check
    account: Account
    standings: Mapping[Source, Standing] = field(default_factory=dict)

    @property
    def unready(self) -> list[Source]:
        """The sources that are there, and that no session can have yet."""
        return [source for source, standing in self.standings.items() if standing.state == "waiting"]


def offline(plan: Plan) -> tuple[Check, ...]:
    """What this machine alone can say; what Kaggle alone can say is "not asked"."""
    if plan.place == "local":
        return ()
    if plan.place == "colab":
        return (verdicts.leaks_check(plan),)
    listed = sources(plan.metadata)
    names = verdicts.names_check(listed)
    unasked = [Check("quota", UNKNOWN, verdicts.NOT_ASKED)] if plan.accelerator.is_gpu else []
    unasked.append(Check("slots", UNKNOWN, verdicts.NOT_ASKED))
    if not names.failed:
        names = Check("sources", UNKNOWN, f"{names.words} ({verdicts.NOT_ASKED})") if listed else names
    return (verdicts.leaks_check(plan), names, *unasked)


def clear(
    plan: Plan,
    force: bool = False,
    wait_slot: bool = False,
    count: int = 1,
    poll: float = POLL_SECONDS,
    sleep: Callable[[float], None] = time.sleep,
) -> Plan:
    """Show the card of a plan, wait for what can be waited for, and return the plan to push.

    `count` sessions may follow one another. Without a `--timeout` the limit is lowered to the hours that are left.
    Raises `Refused` for everything that would fail on Kaggle, unless `force`.
    """
    if plan.place == "local":
        if wait_slot:
            raise UsageError("--wait-slot is for Kaggle", "leave it out: a run here waits for nobody")
        plan_report.show_start(plan)
        return plan
    here = offline(plan)
    if not force and any(check.failed for check in here):
        plan_report.show_card(plan, here)
        raise refusal(here)
    if plan.place == "colab":
        plan_report.show_card(plan, here, count=count)
        from lib.launching.colab.command import ColabCommand  # behind the usual push, which is to Kaggle

        talk(f"colab: {ColabCommand().check()} left")
        rehearse_model(plan)
        return plan
    credentials.needed()
    rehearse_model(plan)
    api = connect()
    try:
        survey = _survey(plan, api, count)
    except Unreachable as error:
        raise Refused(error.reason, error.hint) from None
    shown = (here[0], survey.sources, *([survey.quota] if plan.accelerator.is_gpu else []), survey.slots)
    plan_report.show_card(survey.plan, shown, owner(api), count)
    if force:
        failed = [check.name for check in shown if check.failed]
        if failed:
            talk(f"forced: {', '.join(failed)} would have refused this push")
        return survey.plan
    limit = survey.plan.limit
    said, silent = "", 0
    while waits := _waits(survey, wait_slot):
        if waits != said:
            talk(f"waiting: {waits} (Ctrl-C ends it; nothing was started)")
            said = waits
        sleep(poll)
        try:
            survey, silent = _survey(plan, api, count, survey), 0
        except Unreachable as error:
            silent += 1
            if silent >= PATIENCE:
                raise Refused(error.reason, error.hint) from None
    if survey.plan.limit != limit:
        talk(f"time limit now: {durations.spell(survey.plan.limit)}, because {survey.quota.words}")
    return survey.plan


def refusal(checks: tuple[Check, ...]) -> Refused:
    """The error of all checks that failed."""
    failed = [check for check in checks if check.failed]
    fixes = [check.fix for check in failed if check.fix]
    return Refused(
        "\n       ".join(check.why for check in failed), "; ".join([*fixes, "or push all the same: --force"])
    )


def _waits(survey: Survey, wait_slot: bool) -> str:
    """What stands in the way and will pass, in words; "" when the way is free. `Refused` for what will not pass."""
    lasting = [check for check in (survey.quota, survey.sources, survey.slots) if check.failed]
    lasting = [check for check in lasting if not (wait_slot and check is survey.slots)]
    if lasting:
        raise refusal(tuple(lasting))
    unready = [f"{source} {survey.standings[source].words}" for source in survey.unready]
    return "; ".join([*unready, *([survey.slots.words] if survey.slots.failed else [])])


def _survey(plan: Plan, api: Any, count: int, before: Survey | None = None) -> Survey:
    """Ask Kaggle; what was being waited for and is not answered now stands as it did `before`."""
    kind: Kind = "GPU" if plan.accelerator.is_gpu else "CPU"
    listed = sources(plan.metadata)
    named = [source for source in listed if source.is_named_well]
    found = account.ask(api, owner(api), kind, {str(source): source.question for source in named})
    standings = {source: source.standing(found.answers[str(source)]) for source in named}
    if before:
        for source in before.unready:
            if standings[source].state == "unknown":
                standings[source] = before.standings[source]
        known = before.account
        running = known.running if found.running is None else found.running
        found = replace(found, quota=found.quota or known.quota, running=running)
    fitted = verdicts.fitted(plan, found.quota)
    return Survey(
        fitted,
        verdicts.quota_check(plan, fitted, found, count),
        verdicts.slots_check(kind, found.owner, found.running, account.KERNELS in found.silence),
        verdicts.names_check(listed) if len(named) < len(listed) else verdicts.sources_check(standings),
        found,
        standings,
    )
