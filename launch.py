"""Trains on this machine or on Kaggle: bundles `lib` with a kernel, pushes it, follows it, brings its outputs home.

\b
python launch.py                                    train the built-in sample here: no account, no download
python launch.py -c dubai --data DIR                train on real images here
python launch.py --gpu t4x2 -c deepglobe            push to Kaggle's two T4s, follow, fetch
python launch.py --gpu t4x2 --dry-run               write the exact folder that would be pushed
python launch.py --gpu t4x2 --timeout 9h --chain 3  train for longer than a session lasts
python launch.py --gpu t4x2 --sweep trials.toml     several runs, as many at a time as Kaggle gives, ranked at the end
python launch.py quota | doctor                     hours left this week; is this machine ready?
python launch.py runs | status | logs -f | fetch | stop      pick a run up again, from any terminal
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from lib.errors import Failed, UsageError, show
from lib.launching import options
from lib.launching.terminal import main, next_step, only_with, program, refuse_misplaced, say, talk

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lib.launching.flow import Outcome
    from lib.launching.plan import Request
    from lib.launching.runs import Run

app = program(__doc__)


@app.callback(invoke_without_command=True)
def launch(
    context: typer.Context,
    competition: options.Name = None,
    gpu: options.Gpu = None,
    on: options.Place = None,
    data: options.Data = None,
    kernel: options.Kernel = "train",
    settings: options.Settings = None,
    recipe: options.Recipe = None,
    internet: options.Internet = None,
    timeout: options.Timeout = None,
    sessions: options.Chain = 1,
    resume: options.Resume = None,
    sweep: options.Sweep = None,
    retry: options.Retry = False,
    force: options.Force = False,
    wait_slot: options.WaitSlot = False,
    detach: options.Detach = False,
    dry: options.DryRun = False,
    as_json: options.Json = False,
) -> None:
    """Start a run."""
    if context.invoked_subcommand:
        return refuse_misplaced(context)
    from lib.launching import plan_report, preflight, weights
    from lib.launching.plan import Request, dry_run, make_plan

    if resume is not None:
        only_with(context, "--resume", "sessions", "timeout", "detach", "as_json")
        return go_on(resume, sessions, timeout, detach, as_json)
    words = (tuple(settings or ()), recipe, internet, timeout, force, sessions)
    request = Request(competition, kernel, on, gpu, data, *words)
    if detach and (sessions > 1 or sweep):
        raise UsageError("--detach leaves nobody to push the next session", "leave it out, and type this under tmux")
    if sweep is not None:
        return try_all(request, sweep, retry, dry, as_json)
    plan = make_plan(request)
    if dry:
        plan = weights.foresee(plan)
        folder, checks = dry_run(plan), preflight.offline(plan)
        say(plan_report.plan_document(plan, folder, checks), as_json, plan_report.plan_lines(plan, folder, checks))
        if not force and any(check.failed for check in checks):
            raise typer.Exit(show(preflight.refusal(checks)))
        return next_step("the same command without --dry-run")
    from lib.launching import starting

    plan = preflight.clear(plan, force, wait_slot, sessions)
    run = starting.prepare(plan)
    watch(run, lambda: starting.push(run, plan.timeout, wait_slot), sessions, detach, as_json)


def watch(run: Run, push: Callable[[], None], sessions: int, detach: bool, as_json: bool) -> None:
    """Push a session and follow the run to its end, unless it is to be left alone."""
    from lib.launching import report

    outcome = None
    with report.left_running(run):
        push()
        report.show_pushed(run)
        if not detach:
            from lib.launching import chain  # behind the push, which need not wait for its imports

            outcome = chain.finish_all(run, sessions)
    if outcome is None:
        say(run.read(), as_json, [run.id])
        return report.show_commands(run)
    end(outcome, as_json)


def go_on(name: str, more: int, timeout: str | None, detach: bool, as_json: bool) -> None:
    """Go on with a run that stopped, in up to `more` further sessions."""
    from lib.launching import chain, report
    from lib.launching.feasible import check_timeout
    from lib.launching.runs import find

    run = find(name)
    seconds = check_timeout(timeout, run.read()["place"])
    with report.left_running(run):
        chain.pick_up(run)
    sessions = len(run.read()["attempts"]) + more
    watch(run, lambda: chain.start_next(run, seconds), sessions, detach, as_json)


def try_all(request: Request, file: Path, retry: bool, dry: bool, as_json: bool) -> None:
    """Run every trial of a sweep, and rank them."""
    from lib.launching import sweep_report
    from lib.launching.sweep import Sweep

    sweep = Sweep.of(request, file)
    if not dry:
        with sweep_report.picked_up_later():
            sweep.drive(talk, retry, request.force)
    say(sweep_report.document(sweep), as_json, sweep_report.lines(sweep))
    next_step("the same command without --dry-run" if dry else sweep_report.after(sweep))
    if not dry and any(row["state"] != "complete" for row in sweep.rows()):
        raise typer.Exit(Failed.exit_code)


@app.command()
def runs(as_json: options.Json = False) -> None:
    """List the runs on this machine, newest first."""
    from lib.launching import report
    from lib.launching.runs import all_runs

    found = all_runs()
    say(report.runs_document(found), as_json, report.runs_lines(found))
    next_step(f"python launch.py status {found[0].id}" if found else "python launch.py")


@app.command()
def status(run: options.AnyRun = None, as_json: options.Json = False) -> None:
    """Ask how a run stands."""
    from lib.launching import flow, report
    from lib.launching.runs import find

    found = find(run)
    state = flow.refresh(found)
    say(found.read(), as_json, report.status_lines(found, state))
    next_step(report.after_status(found, state))


@app.command()
def logs(run: options.AnyRun = None, live: options.Follow = False) -> None:
    """Print a run's log; with -f, as it is written."""
    from lib.launching import reading, report
    from lib.launching.runs import find

    found = find(run)
    reading.print_log(found, live, sys.stdout)
    next_step(report.after_log(found))


@app.command()
def fetch(run: options.AnyRun = None, only: options.Only = None, as_json: options.Json = False) -> None:
    """Bring a run's outputs home, verified; what is here and right is not moved again."""
    from lib.launching import flow
    from lib.launching.runs import find

    end(flow.bring_home(find(run), tuple(only or ())), as_json)


@app.command()
def stop(run: options.AnyRun = None, yes: options.Yes = False, as_json: options.Json = False) -> None:
    """End a run. On Kaggle that deletes the kernel: its log, and what is listed of its outputs, are fetched first."""
    from lib.launching import report, stopping
    from lib.launching.runs import find

    found = find(run)
    question = None if yes else stopping.question(found)
    if question and not typer.confirm(question, err=True):
        raise UsageError("nothing was stopped")
    state = stopping.stop(found)
    say(found.read(), as_json, report.status_lines(found, state))
    next_step(report.after_status(found, state))


@app.command()
def quota(as_json: options.Json = False) -> None:
    """Say how many accelerator hours of this week are used, reserved and left."""
    from lib.launching import account, quota_report
    from lib.launching.client import connect

    found = account.quotas(connect())
    say(quota_report.quota_document(found), as_json, quota_report.quota_lines(found))
    next_step(quota_report.after_quota(found))


@app.command()
def doctor(as_json: options.Json = False) -> None:
    """Look whether this machine can launch: Python, packages, disk, network, clock, credentials, quota, slots."""
    from lib.launching import checks, doctor

    found = doctor.examine()
    say(checks.documents(found), as_json, checks.lines(found))
    failed = [check for check in found if check.failed]
    next_step(f"{failed[0].fix}; then python launch.py doctor" if failed else "python launch.py --gpu t4x2 --dry-run")
    if failed:
        raise typer.Exit(Failed.exit_code)


def end(outcome: Outcome, as_json: bool) -> None:
    """Show how a run ended; a run that failed is a failure of this command."""
    from lib.launching import report

    say(report.outcome_document(outcome), as_json, report.outcome_lines(outcome))
    next_step(report.after_outcome(outcome))
    if outcome.status.state in ("failed", "stopped"):
        raise typer.Exit(Failed.exit_code)


if __name__ == "__main__":
    main(app)
