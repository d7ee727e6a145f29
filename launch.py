"""Trains on this machine or on Kaggle: bundles `lib` with a kernel, pushes it, follows it, brings its outputs home.

\b
python launch.py                                    train the built-in sample here: no account, no download
python launch.py -c dubai --data DIR                train on real images here
python launch.py --gpu t4x2 -c deepglobe            push to Kaggle's two T4s, follow, fetch
python launch.py --gpu t4x2 --dry-run               write the exact folder that would be pushed
python launch.py runs | status | logs -f | fetch | stop      pick a run up again, from any terminal
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from lib.errors import Failed, UsageError
from lib.launching import options
from lib.launching.terminal import main, next_step, program, refuse_misplaced, say

if TYPE_CHECKING:
    from lib.launching.flow import Outcome

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
    detach: options.Detach = False,
    dry: options.DryRun = False,
    as_json: options.Json = False,
) -> None:
    """Start a run."""
    if context.invoked_subcommand:
        return refuse_misplaced(context)
    from lib.launching import plan_report, report
    from lib.launching.plan import Request, dry_run, make_plan

    request = Request(competition, kernel, on, gpu, data, tuple(settings or ()), recipe, internet, timeout)
    plan = make_plan(request)
    if dry:
        folder = dry_run(plan)
        say(plan_report.plan_document(plan, folder), as_json, plan_report.plan_lines(plan, folder))
        next_step("the same command without --dry-run")
        return
    from lib.launching import starting

    plan_report.show_start(plan)
    run = starting.prepare(plan)
    outcome = None
    with report.left_running(run):
        starting.push(run, plan.timeout)
        report.show_pushed(run)
        if not detach:
            from lib.launching import flow  # behind the push, which need not wait for its imports

            outcome = flow.finish(run)
    if outcome is None:
        say(run.read(), as_json, [run.id])
        report.show_commands(run)
        return
    end(outcome, as_json)


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


def end(outcome: Outcome, as_json: bool) -> None:
    """Show how a run ended; a run that failed is a failure of this command."""
    from lib.launching import report

    say(report.outcome_document(outcome), as_json, report.outcome_lines(outcome))
    next_step(report.after_outcome(outcome))
    if outcome.status.state in ("failed", "stopped"):
        raise typer.Exit(Failed.exit_code)


if __name__ == "__main__":
    main(app)
