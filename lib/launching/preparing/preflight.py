"""Everything that can be known before a push: this machine's part first, then Kaggle's.

    plan = clear(plan, force=False, wait_slot=True)      # shows the card; returns the plan as it is to be pushed

Nothing is asked before all that can be refused on this machine has been.
"""

from __future__ import annotations

from lib.errors import UsageError
from lib.launching.kaggle import credentials
from lib.launching.kaggle.sources import sources
from lib.launching.preparing import plan_report, verdicts
from lib.launching.preparing.admission import admit
from lib.launching.preparing.checks import UNKNOWN, Check
from lib.launching.preparing.demand import Demand
from lib.launching.preparing.plan import Plan
from lib.launching.preparing.rehearsal import rehearse_models
from lib.launching.terminal import talk


def offline(plan: Plan) -> tuple[Check, ...]:
    """What this machine alone can say; what Kaggle alone can say is "not asked"."""
    if plan.place == "local":
        return ()
    if plan.place == "colab":
        return (verdicts.leaks_check(plan),)
    listed = sources(plan.metadata)
    names = verdicts.names_check(listed)
    unasked = [Check(verdicts.QUOTA, UNKNOWN, verdicts.NOT_ASKED)] if plan.accelerator.is_gpu else []
    unasked.append(Check(verdicts.SLOTS, UNKNOWN, verdicts.NOT_ASKED))
    if not names.failed:
        names = Check("sources", UNKNOWN, f"{names.words} ({verdicts.NOT_ASKED})") if listed else names
    return (verdicts.leaks_check(plan), names, *unasked)


def clear(plan: Plan, force: bool = False, wait_slot: bool = False, shows: bool = True) -> Plan:
    """Show the card of a plan, wait for what can be waited for, and return the plan to push.

    Without a `--timeout` the limit is lowered to the hours that are left. Raises `Refused` for everything that would
    fail where it is to run, unless `force`. `shows`: False where the card was seen before.
    """
    if plan.place == "local":
        if plan.tuning:
            rehearse_models(plan)
        if wait_slot:
            raise UsageError("--wait-slot is for Kaggle", "leave it out: a run here waits for nobody")
        if shows:
            plan_report.show_start(plan)
        return plan
    here = offline(plan)
    if not force and any(check.failed for check in here):
        plan_report.show_card(plan, here)
        raise verdicts.refusal(here)
    if said := verdicts.forced(here[:1]):  # the secrets; what else stands in the way, Kaggle is asked about
        talk(said)
    if plan.place == "colab":
        from lib.launching.colab.command import ColabCommand  # behind the usual push, which is to Kaggle

        if shows:
            plan_report.show_card(plan, here)
        talk(f"colab: {ColabCommand().check()} left")
        if not plan.members:
            rehearse_models(plan)
        return plan
    credentials.needed()
    if not plan.members:  # a checkpoint's model was built before
        rehearse_models(plan)

    def show(demand: Demand, checks: tuple[Check, ...], owner: str) -> None:
        if shows:
            plan_report.show_card(plan.within(demand.limit), (here[0], *checks), owner)

    demand = Demand(plan.accelerator.kind, plan.metadata, plan.timeout, plan.limit, plan.sessions)
    return plan.within(admit(demand, show, force, wait_slot))
