"""Runs that are longer than a session: the next one goes on from the state that the last one left.

outcome = finish_all(run, sessions=3)     # follow; while it is unfinished, push the next session; at most three
pick_up(run)                              # by hand, from wherever it was left
start_next(run, admit_next(run))
"""

from __future__ import annotations

from typing import Any

from lib import files
from lib.errors import Failed, Refused
from lib.launching import flow, report, starting
from lib.launching.attempts import latest, was_pushed
from lib.launching.flow import Outcome
from lib.launching.following.follow import look
from lib.launching.kaggle import datasets
from lib.launching.offline import sit_out
from lib.launching.preparing import plan_report
from lib.launching.preparing.accelerators import accelerator
from lib.launching.preparing.admission import admit
from lib.launching.preparing.bundle import next_session
from lib.launching.preparing.checks import Check
from lib.launching.preparing.demand import Demand
from lib.launching.preparing.feasible import session_limit
from lib.launching.preparing.plan import identity
from lib.launching.runs import Run
from lib.launching.terminal import talk

STATE_WORDS = "swath state"
"""What the title of a data set with a run's state begins with."""


def finish_all(run: Run, sessions: int, force: bool = False) -> Outcome:
    """Follow a run through up to `sessions` sessions in all, until it is done; `force` is for each of them."""
    outcome = flow.finish(run)
    while goes_on(outcome, sessions):
        talk(f"{run.id}: {run.unfinished}; on with session {len(run.read()['attempts']) + 1} of {sessions}")
        try:
            sit_out(lambda: start_next(run, admit_next(run, force=force)))
        except Refused as error:
            done = "predicted" if run.predicts else "tried" if run.searches else "trained"
            reason = f"{error.reason}. What is {done} so far is home"
            raise Failed(reason, f"later: python launch.py --resume {run.id}") from None
        outcome = flow.finish(run)
    return outcome


def goes_on(outcome: Outcome, sessions: int) -> bool:
    """Whether a session stopped itself before its limit, and the run may have another."""
    run = outcome.run
    return bool(outcome.status.state == "complete" and run.unfinished and len(run.read()["attempts"]) < sessions)


def pick_up(run: Run) -> None:
    """Bring a run to where its next session can start: what still runs is followed, what it left is fetched.

    `Failed` when nothing is left to do, or nothing came home to go on from.
    """
    forget_unpushed(run)
    session, ref = latest(run)
    outcome = flow.bring_home(run) if look(session, ref).over else flow.finish(run)
    if outcome.status.state == "complete" and not run.unfinished:
        done = "done all its epochs"
        if run.predicts or run.searches:
            done = "predicted all its images" if run.predicts else "tried all its trials"
        raise Failed(f"run {run.id} has {done}", report.after_status(run, outcome.status))
    if not run.left:
        raise Failed(
            f"run {run.id} left nothing to go on from: there is no {files.shown(run.state)}",
            f"python launch.py logs {run.id}",
        )


def admit_next(
    run: Run,
    timeout: int | None = None,
    force: bool = False,
    wait_slot: bool = True,
    sessions: int = 1,
    shows: bool = True,
) -> int | None:
    """Ask Kaggle whether the run's next session may start, as before its first.

    Returns the seconds that its place is to be told: what was asked, now or when the run began, else what the week's
    hours leave; None for the place's own. `Refused`, and the run is as it was, when it may not. `force` and
    `wait_slot` are as for `admit`.
    """
    content = run.read()
    timeout = timeout or content["timeout"]
    if content["place"] != "kaggle":
        return timeout
    metadata = files.read_json(run.kernel / "kernel-metadata.json")
    kept = metadata | _others(run, metadata)
    kind = accelerator(content["accelerator"]).kind
    demand = Demand(kind, kept, timeout, session_limit(timeout, "kaggle"), sessions)
    slug = _slug(run)

    def show(fits: Demand, checks: tuple[Check, ...], owner: str) -> None:
        if shows:
            plan_report.show_next(f"{owner}/{slug}", fits, checks)

    limit = admit(demand, show, force, wait_slot)
    return limit if limit != demand.limit else timeout


def start_next(run: Run, told: int | None, timeout: int | None = None, wait_slot: bool = True) -> None:
    """Push the session that goes on from the latest one's outputs, with the very same bundle.

    `told`: as `admit_next` says. `timeout`: seconds that later sessions are to have too, None for as many as before.
    """
    content = run.read()
    last, slug = content["attempts"][-1], _slug(run)
    owner = last["ref"].split("/")[0]
    source = (run.kernel / "kernel.py").read_bytes()
    metadata = files.read_json(run.kernel / "kernel-metadata.json")
    folder = run.folder / slug.replace(run.id, "kernel")
    files.write(folder / "kernel.py", next_session(source, session_limit(told, content["place"]), last["ref"]))
    files.write_json(folder / "kernel-metadata.json", metadata | identity(owner, slug) | _sources(run, metadata))
    log_start = run.log.stat().st_size if run.log.is_file() else 0
    run.change("attempts", lambda attempts: [*attempts, starting.new_attempt(f"{owner}/{slug}", told, log_start)])
    kept = {"timeout": timeout or content["timeout"]}
    run.update(status="queued", message="", log_whole=False, deleted=False, ended=None, failure=None, **kept)
    starting.push(run, wait_slot)


def forget_unpushed(run: Run) -> None:
    """Drop a further session that was prepared by a launcher which was killed before its push."""
    if len(run.read()["attempts"]) > 1 and not was_pushed(run):
        starting.take_back(run)


def _sources(run: Run, metadata: dict[str, Any]) -> dict[str, list[str]]:
    """The sources through which the next session on Kaggle sees what the latest one left.

    Kaggle mounts the outputs of a COMPLETE version. Of a session that failed or was deleted, the state that came home
    goes up as a private data set.
    """
    content = run.read()
    last = content["attempts"][-1]
    found = _others(run, metadata)
    if content["place"] != "kaggle" or (last["status"] == "complete" and not content.get("deleted")):
        found["kernel_sources"].append(last["ref"])
    else:
        found["dataset_sources"].append(datasets.ensure(run.left, STATE_WORDS))
    return found


def _others(run: Run, metadata: dict[str, Any]) -> dict[str, list[str]]:
    """The data sets and kernels that every session of a run reads: all but what an earlier one of it left."""
    own = {attempt["ref"] for attempt in run.read()["attempts"]}
    named = f"/{STATE_WORDS.replace(' ', '-')}-"
    return {
        "dataset_sources": [source for source in metadata["dataset_sources"] if named not in source],
        "kernel_sources": [source for source in metadata["kernel_sources"] if source not in own],
    }


def _slug(run: Run) -> str:
    """The name of a run's next kernel."""
    return f"{run.id}-{len(run.read()['attempts']) + 1}"
