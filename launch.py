"""Trains on this machine or on Kaggle: bundles `lib` with a kernel, pushes it, follows it, brings its outputs home.

\b
python launch.py                                    train the built-in sample here: no account, no download
python launch.py -c dubai --data DIR                train on real images here
python launch.py --gpu t4x2 -c deepglobe            push to Kaggle's two T4s, follow, fetch
python launch.py --gpu t4x2 --dry-run               write the exact folder that would be pushed
python launch.py --gpu t4x2 --timeout 9h --chain 3  train for longer than a session lasts
python launch.py --gpu t4x2 --sweep trials.toml     several runs, as many at a time as Kaggle gives, ranked at the end
python launch.py --kernel tune --recipe tune.toml   search the best values: a trial a GPU, the best as a recipe file
python launch.py --kernel predict --run RUN --gpu t4x2      the test images on Kaggle's GPUs, the file comes home
python launch.py competitions | competitions new NAME --data DIR     which there are; a file of your own from a folder
python launch.py quota | doctor                     hours left this week; is this machine ready?
python launch.py labels [RUN]                       labels that the trained model contradicts, for a look
python launch.py doctor -c NAME --data DIR          what is wrong with images and masks? --ceiling: which size?
python launch.py runs | status | logs -f | fetch | stop      pick a run up again, from any terminal
"""

from __future__ import annotations

import sys

import typer

from lib.errors import Failed, UsageError
from lib.launching import options
from lib.launching.describing import competitions
from lib.launching.terminal import main, next_step, only_with, program, refuse_misplaced, say

app = program(__doc__)
app.add_typer(competitions, name="competitions", short_help="Which competitions there are; a new one from a folder.")


@app.callback(invoke_without_command=True)
def launch(
    context: typer.Context,
    competition: options.Name = None,
    gpu: options.Gpu = None,
    on: options.Place = None,
    data: options.Data = None,
    kernel: options.Kernel = "train",
    members: options.Weights = None,
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
    from lib.launching import commands
    from lib.launching.preparing.plan import Request, make_plan

    if resume is not None:
        only_with(context, "--resume", "sessions", "timeout", "force", "wait_slot", "detach", "as_json")
        return commands.go_on(resume, sessions, timeout, force, wait_slot, detach, as_json)
    words = (tuple(settings or ()), recipe, internet, timeout, force, sessions, tuple(members or ()))
    request = Request(competition, kernel, on, gpu, data, *words)
    if detach and (sessions > 1 or sweep):
        raise UsageError("--detach leaves nobody to push the next session", "leave it out, and type this under tmux")
    if sweep is not None and kernel != "train":
        raise UsageError("--sweep is for training", "leave it out")
    if sweep is not None:
        return commands.try_all(request, sweep, retry, dry, as_json)
    plan = make_plan(request)
    if dry:
        return commands.look(plan, force, as_json)
    commands.start(plan, force, wait_slot, detach, as_json)


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
    from lib.launching import report
    from lib.launching.following import reading
    from lib.launching.runs import find

    found = find(run)
    reading.print_log(found, live, sys.stdout)
    next_step(report.after_log(found))


@app.command()
def fetch(run: options.AnyRun = None, only: options.Only = None, as_json: options.Json = False) -> None:
    """Bring a run's outputs home, verified; what is here and right is not moved again."""
    from lib.launching import commands, flow
    from lib.launching.runs import find

    commands.end(flow.bring_home(find(run), tuple(only or ())), as_json)


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
def labels(
    run: options.AnyRun = None,
    competition: options.Name = None,
    data: options.Data = None,
    side: options.Side = 512,
    share: options.WorstShare = 0.05,
    most: options.Most = None,
    on: options.LabelsOf = "all",
    tta: options.JudgeTta = "none",
    as_json: options.Json = False,
) -> None:
    """Rank tiles by how far a run's model contradicts their labels: a page, and a list to exclude."""
    from lib.launching import labelling

    labelling.labels(labelling.Wish(run, competition, data, side, share, most, on, tta), as_json)


@app.command()
def quota(as_json: options.Json = False) -> None:
    """Say how many accelerator hours of this week are used, reserved and left."""
    from lib.launching.kaggle import account, quota_report
    from lib.launching.kaggle.client import connect

    found = account.quotas(connect())
    say(quota_report.quota_document(found), as_json, quota_report.quota_lines(found))
    next_step(quota_report.after_quota(found))


@app.command()
def doctor(
    competition: options.Name = None,
    data: options.Data = None,
    ceiling: options.Ceiling = False,
    out: options.PageFolder = None,
    as_json: options.Json = False,
) -> None:
    """Look whether this machine can launch; with --data DIR, and -c if you have one, what is wrong with the data."""
    if competition or data:
        from lib.launching import examining

        return examining.examine_data(competition, data, ceiling, out, as_json)
    if ceiling or out:
        raise UsageError(f"{'--ceiling' if ceiling else '--out'} is for data", "give the data root with --data DIR")
    from lib.launching.preparing import checks, doctor

    found = doctor.examine()
    say(checks.documents(found), as_json, checks.lines(found))
    failed = [check for check in found if check.failed]
    next_step(f"{failed[0].fix}; then python launch.py doctor" if failed else "python launch.py --gpu t4x2 --dry-run")
    if failed:
        raise typer.Exit(Failed.exit_code)


if __name__ == "__main__":
    main(app)
