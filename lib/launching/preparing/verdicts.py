"""What Kaggle's answers, and the bundle's own content, mean for a plan: a `Check` each.

quota_check(demand, demand, account)      # fail: "--timeout 11h00m is more than this week's GPU hours: …"
"""

from __future__ import annotations

from collections.abc import Mapping

from lib import files
from lib.errors import Refused
from lib.launching import durations
from lib.launching.kaggle import slots
from lib.launching.kaggle.account import Account, Quota
from lib.launching.kaggle.slots import Kind
from lib.launching.kaggle.sources import PARTS, Source, Standing
from lib.launching.preparing.checks import UNKNOWN, Check, some
from lib.launching.preparing.demand import SHORTEST, Demand, whole_minutes
from lib.launching.preparing.leaks import Leak
from lib.launching.preparing.plan import Plan
from lib.launching.session import NoSlot

QUOTA, SLOTS = "quota", "slots"

NOT_ASKED = "not asked: a dry run stays off the network"
NOT_ANSWERED = "not answered"
FORCE = "or push all the same: --force"
NO_HOURS = "wait for the weekly reset, or run without a GPU: --gpu none --on kaggle"


def quota_check(asked: Demand, fits: Demand, found: Account) -> Check:
    """Whether the week's hours cover the sessions; `fits` is the demand as `fitted` made it."""
    quota = found.quota
    if asked.kind == "CPU":
        return Check(QUOTA, "ok", "a CPU session takes none")
    if quota is None:
        return Check(QUOTA, UNKNOWN, NOT_ANSWERED)
    worst = fits.sessions * fits.limit
    left = left_words(quota)
    words = f"{left}; this run takes {durations.spell(worst)} at most"
    if quota.left < (60 if asked.timeout else SHORTEST):
        reason = f"this week's GPU hours are used up: {left}"
        return Check(QUOTA, "fail", words, reason, NO_HOURS)
    if asked.timeout is not None and asked.timeout > quota.left:  # a chain's later sessions may fall into another week
        most = whole_minutes(quota.left)
        reason = f"--timeout {durations.spell(asked.timeout)} is more than this week's GPU hours: {left}"
        fix = f"--timeout {durations.spell(most).removesuffix('00s')}" if most else NO_HOURS
        return Check(QUOTA, "fail", words, reason, fix)
    if worst > quota.left:
        return Check(QUOTA, "warn", words)
    return Check(QUOTA, "warn" if fits is not asked else "ok", words)


def refusal(checks: tuple[Check, ...]) -> Refused:
    """The error of all checks that failed; `NoSlot` when only a slot is missing."""
    failed = [check for check in checks if check.failed]
    kind = NoSlot if [check.name for check in failed] == [SLOTS] else Refused
    fixes = [*(check.fix for check in failed if check.fix), FORCE]
    return kind("\n       ".join(check.why for check in failed), "; ".join(fixes))


def forced(checks: tuple[Check, ...]) -> str:
    """What `--force` overrides of them, in words; "" when they all let the push through."""
    failed = [check.name for check in checks if check.failed]
    return f"forced: {', '.join(failed)} would have refused this push" if failed else ""


def left_words(quota: Quota) -> str:
    """How much of the week's hours is left, and until when."""
    until = f" until {quota.refresh:%a %d %b %H:%M} UTC" if quota.refresh else ""
    return f"{durations.spell(quota.left)} of {durations.spell(quota.allowed)} left{until}"


def slots_check(kind: Kind, user: str, running: tuple[str, ...] | None, half: bool) -> Check:
    """Whether one more session may run; `half`: some of those running may not be known."""
    if running is None:
        return Check(SLOTS, UNKNOWN, NOT_ANSWERED)
    most = slots.most(kind, user)
    count = f"{'at least ' if half else ''}{len(running)} of {most} {kind} sessions running"
    words = f"{count}: {some((ref.split('/')[-1] for ref in running), 50)}" if running else count
    if len(running) < most:
        return Check(SLOTS, "ok", words)
    reason = (
        f"Kaggle runs {most} {kind} sessions of yours at a time, and {len(running)} are running: {some(running, 200)}"
    )
    return Check(
        SLOTS, "fail", words, reason, "wait for one to end: --wait-slot, or stop one: python launch.py stop RUN"
    )


def names_check(listed: tuple[Source, ...]) -> Check:
    """Whether every source is named as Kaggle names such things."""
    wrong = [source for source in listed if not source.is_named_well]
    words = some((source.name for source in listed), 70) or "none"
    if not wrong:
        return Check("sources", "ok", words)
    source = wrong[0]
    return Check(
        "sources",
        "fail",
        words,
        f"Kaggle knows no {source.what} by a name such as {source.name!r}",
        f"write it as {PARTS[source.what]}",
    )


def sources_check(standings: Mapping[Source, Standing]) -> Check:
    """Whether every source is there; one that is not READY yet is a warning, for it can be waited for."""
    missing = {source: standing for source, standing in standings.items() if standing.state == "missing"}
    if missing:
        return Check(
            "sources",
            "fail",
            some((f"{source.name} {standing.words}" for source, standing in missing.items()), 76),
            "; ".join(f"the {source} {standing.words}" for source, standing in missing.items()),
            "; ".join(standing.fix for standing in missing.values() if standing.fix),
        )
    words = some((" ".join(filter(None, [s.name, standing.words])) for s, standing in standings.items()), 76) or "none"
    states = {standing.state for standing in standings.values()}
    verdict = "warn" if "waiting" in states else UNKNOWN if "unknown" in states else "ok"
    return Check("sources", verdict, words)


def leaks_check(plan: Plan) -> Check:
    """Whether something that ships looks like a credential."""
    found = [_said(plan, leak) for leak in plan.bundle.leaks]
    if not found:
        return Check("secrets", "ok", f"none found in the {len(plan.bundle.files)} files that ship")
    return Check(
        "secrets",
        "fail",
        some(found, 76),
        f"what would ship looks like credentials: {some(found, 600)}",
        "take them out, or leave the files out with lines in .kernelignore",
    )


def _said(plan: Plan, leak: Leak) -> str:
    """A leak with the name that its file has here, rather than in the bundle."""
    here = {"competition.toml": files.shown(plan.competition_file), "recipe.json": "the recipe (recipe.json)"}
    return str(Leak(here.get(leak.file, leak.file), leak.line, leak.kind))
