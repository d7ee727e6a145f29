"""What the longer commands of `launch.py` do, from their words to what they print.

start(plan)                      # card, push, follow, fetch
go_on("4f1c", more=1)            # --resume
try_all(request, Path("trials.toml"))
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import typer

from lib.errors import Failed, show
from lib.launching.preparing import plan_report, preflight, verdicts, weights
from lib.launching.preparing.feasible import check_timeout
from lib.launching.preparing.plan import Plan, Request, dry_run
from lib.launching.runs import Run, find
from lib.launching.terminal import next_step, say, talk

if TYPE_CHECKING:
    from lib.launching.flow import Outcome


def look(plan: Plan, force: bool, as_json: bool, more: Mapping[str, Any] = MappingProxyType({})) -> None:
    """Write the folder that would be pushed, and show the card; what would be refused is.

    `more`: keys for the document beside the plan's own.
    """
    plan = weights.foresee(plan)
    folder, checks = dry_run(plan), preflight.offline(plan)
    document = plan_report.plan_document(plan, folder, checks) | dict(more)
    say(document, as_json, plan_report.plan_lines(plan, folder, checks))
    if not force and any(check.failed for check in checks):
        raise typer.Exit(show(verdicts.refusal(checks)))
    next_step("the same command without --dry-run")


def start(plan: Plan, force: bool, wait_slot: bool, detach: bool, as_json: bool) -> None:
    """Start a run, after everything that can be asked before."""
    from lib.launching import starting

    plan = preflight.clear(plan, force, wait_slot)
    run = starting.prepare(plan)
    watch(run, lambda: starting.push(run, wait_slot), plan.sessions, force, detach, as_json)


def watch(run: Run, push: Callable[[], None], sessions: int, force: bool, detach: bool, as_json: bool) -> None:
    """Push a session and follow the run to its end, unless it is to be left alone."""
    from lib.launching import report

    outcome = None
    with report.left_running(run):
        push()
        report.show_pushed(run)
        if not detach:
            from lib.launching import chain  # behind the push, which need not wait for its imports

            outcome = chain.finish_all(run, sessions, force)
    if outcome is None:
        say(run.read(), as_json, [run.id])
        return report.show_commands(run)
    end(outcome, as_json)


def go_on(name: str, more: int, timeout: str | None, force: bool, wait_slot: bool, detach: bool, as_json: bool) -> None:
    """Go on with a run that stopped, in up to `more` further sessions, after everything that can be asked before."""
    from lib.launching import chain, report

    run = find(name)
    seconds = check_timeout(timeout, run.read()["place"])
    try:
        chain.pick_up(run)
    except KeyboardInterrupt:
        report.show_left(run)
        raise
    told = chain.admit_next(run, seconds, force, wait_slot, more)
    sessions = len(run.read()["attempts"]) + more
    watch(run, lambda: chain.start_next(run, told, seconds, wait_slot), sessions, force, detach, as_json)


def try_all(request: Request, file: Path, retry: bool, dry: bool, as_json: bool) -> None:
    """Run every trial of a sweep, and rank them; dry, show them and the first one's card."""
    from lib.launching import sweep_report
    from lib.launching.sweep import Sweep

    sweep = Sweep.of(request, file)
    if dry:
        if not as_json:
            say(None, False, [*sweep_report.lines(sweep), "", "The first of them:", ""])
        return look(sweep.plans[0], request.force, as_json, sweep_report.document(sweep))
    with sweep_report.picked_up_later(sweep):
        sweep.drive(talk, retry, request.force)
    say(sweep_report.document(sweep), as_json, sweep_report.lines(sweep))
    next_step(sweep_report.after(sweep))
    if any(row["state"] != "complete" for row in sweep.rows()):
        raise typer.Exit(Failed.exit_code)


def end(outcome: Outcome, as_json: bool) -> None:
    """Show how a run ended; a run that failed is a failure of this command."""
    from lib.launching import report

    say(report.outcome_document(outcome), as_json, report.outcome_lines(outcome))
    next_step(report.after_outcome(outcome))
    if outcome.status.state in ("failed", "stopped"):
        raise typer.Exit(Failed.exit_code)
