"""Submits a kernel's version to a code competition: pushed, run on the visible images, checked, submitted, waited for.

run, entry = submit(CodeRequest(trained, competition, word, "sea-ice"))

Each stage is written down in the folder of the run that predicts, so the same command goes on from the stage that was
reached. Nothing is pushed twice and nothing is submitted twice.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib import files
from lib.competitions import Competition
from lib.errors import Failed, Refused
from lib.folders import runs_folder
from lib.launching import ledger, starting
from lib.launching.alone import alone
from lib.launching.attempts import was_pushed
from lib.launching.kaggle import board, creating, leaderboard
from lib.launching.kaggle.client import asked, connect
from lib.launching.preparing import preflight
from lib.launching.preparing.members import document
from lib.launching.preparing.plan import Plan, Request, make_plan
from lib.launching.preparing.verdicts import FORCE
from lib.launching.runs import PREDICT, Run, all_runs
from lib.launching.session import KernelRef
from lib.launching.terminal import talk

CREATE = "CreateCodeSubmission"

GPU = "t4x2"

LIMIT = "9h"
"""What most code competitions give a kernel; each says its own on its page."""


@dataclass(frozen=True)
class CodeRequest:
    """The words of the command line."""

    trained: Run
    competition: Competition
    word: str
    slug: str
    gpu: str | None = None
    timeout: str | None = None
    settings: tuple[str, ...] = ()
    message: str | None = None
    late: bool = False
    data: Path | None = None
    sample: Path | None = None


def plan_of(asked_for: CodeRequest) -> Plan:
    """The launch: this run's weights, internet off, the competition's time."""
    return make_plan(
        Request(
            competition=shlex.split(asked_for.word)[0],
            kernel=PREDICT,
            place="kaggle",
            gpu=asked_for.gpu or GPU,
            internet=False,
            timeout=asked_for.timeout or LIMIT,
            settings=asked_for.settings,
            runs=(asked_for.trained.word,),
        )
    )


def admit(api: Any, asked_for: CodeRequest) -> None:
    """Show what Kaggle says of the competition; `Refused` when it would not take a kernel's version now."""
    seen, slug = board.look(api, asked_for.slug), asked_for.slug
    metric = asked_for.trained.read().get("metrics")
    talk("\n".join(board.lines(seen, metric and metric["value"], ledger.best_public(slug))))
    board.must_take(seen, code=True, late=asked_for.late)
    if seen.code_only is False:
        raise Refused(f"{slug} takes files, not kernels", f"python submit.py send --run {asked_for.trained.id}")


def submit(asked_for: CodeRequest) -> tuple[Run, dict[str, Any]]:
    """Bring the submission as far as it is made; returns the run that predicted, and its entry with `ref`.

    Raises `Refused` when nothing was submitted, `Failed` when the kernel failed or it is not known what was submitted.
    """
    api, plan = connect(), plan_of(asked_for)
    with alone(runs_folder() / "code.lock", lambda: talk("another process is at this; waiting")):
        run = _begun(plan, asked_for.slug)
        is_begun = run is not None
        run = run or _prepared(api, plan, asked_for)
    if is_begun:
        talk(f"going on with {run.id}, which this command has begun")
    else:
        starting.push(run, wait_slot=True)
    if not _entry(run).get("ref"):
        _run_to_its_end(run)
        _must_be_right(run, asked_for)
        return run, _submitted(api, run, asked_for)
    return run, _entry(run)


def _prepared(api: Any, plan: Plan, asked_for: CodeRequest) -> Run:
    """A run that is ready to be pushed, after everything that can be asked before; waits for a free slot."""
    admit(api, asked_for)
    try:
        plan = preflight.clear(plan, wait_slot=True)
    except Refused as error:
        raise Refused(f"{error.reason}; nothing was pushed", (error.hint or "").removesuffix(f"; {FORCE}")) from None
    return starting.prepare(plan, code={"competition": asked_for.slug, "key": _key(plan)})


def _key(plan: Plan) -> str:
    """What tells one submission from another: the weights, the way they predict, the accelerator."""
    what = [document(plan.members), plan.recipe.infer.model_dump(), plan.accelerator.name]
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()


def _begun(plan: Plan, slug: str) -> Run | None:
    """The run that an earlier call has begun and that is not at its end; `Refused` when one has an outcome already."""
    for run in all_runs():
        try:
            content = run.read()
        except Failed:  # damaged: `launch.py runs` says so
            continue
        if content.get("code") != {"competition": slug, "key": _key(plan)}:
            continue
        entry = _entry(run)
        if entry.get("status") in ("COMPLETE", "ERROR"):
            if content["bundle"]["sha256"] == plan.bundle.sha256:
                leaderboard.must_be_new(run, entry)
            continue
        if not entry.get("sent") and not was_pushed(run):
            if run.read()["status"] == "failed":
                continue
            raise Failed(
                f"run {run.id} was about to be pushed, and Kaggle does not know it yet: it may still arrive",
                "type the same command again in 10 minutes: it is looked for first",
            )
        if content["status"] not in ("failed", "stopped") and not run.unfinished:
            return run
    return None


def _run_to_its_end(run: Run) -> None:
    """Follow the visible run and bring its outputs home, unless they are; `Failed` when it did not end well."""
    from lib.launching import flow, report

    ref = run.ref()
    if run.read().get("home") != str(ref):
        with report.left_running(run):
            outcome = flow.finish(run)
        if outcome.status.state != "complete":
            reason = f": {outcome.status.message}" if outcome.status.message else ""
            raise Failed(
                f"{ref} ended as {outcome.status.state}{reason}; nothing was submitted",
                f"python launch.py logs {run.id}",
            )


def _must_be_right(run: Run, asked_for: CodeRequest) -> None:
    """Raise `Refused` unless the file that came home is one that the competition would take."""
    from lib.submissions.checking.check import must_pass
    from lib.submissions.job import layout_to_send

    entry = _entry(run)
    if run.unfinished:
        raise Failed(
            f"the visible images alone are too many for the session's limit: {run.unfinished}; nothing was submitted",
            "predict faster: --set infer.tta=none, or give it --timeout as long as the competition allows",
        )
    if not entry:
        raise Refused(f"run {run.id} left no submission file; nothing was submitted", f"python launch.py logs {run.id}")
    if entry["problems"] or files.sha256(Path(entry["file"])) != entry["sha256"]:
        wrong = "; ".join(entry["problems"]) or "it is not the one that the session checked"
        raise Refused(f"{entry['file']} would be wasted: {wrong}", f"python launch.py logs {run.id}")
    source = asked_for.trained
    if asked_for.data or asked_for.sample or source.data or asked_for.competition.data.built_in:
        layout = layout_to_send(asked_for.competition, asked_for.data, asked_for.sample, source)
        must_pass(Path(entry["file"]), asked_for.competition, layout)
        talk("the file of the visible images was checked again here: nothing wrong")
    else:
        talk("the file of the visible images was checked in the session; here, --data DIR or --sample CSV would do it")


def _submitted(api: Any, run: Run, asked_for: CodeRequest) -> dict[str, Any]:
    """Submit the version, once."""
    from kagglesdk.competitions.types.competition_api_service import ApiCreateCodeSubmissionRequest

    with ledger.one_at_a_time():
        entry, ref = _entry(run), run.ref()
        if entry.get("sent"):
            known = leaderboard.settle(api, run, entry)
            if known:
                return known
        admit(api, asked_for)
        asked.discard(CREATE)
        entry = ledger.begin(run, Path(entry["file"]), entry["sha256"], asked_for.slug, (str(ref), _mark(ref)))
        request = ApiCreateCodeSubmissionRequest()
        request.competition_name, request.file_name = asked_for.slug, Path(entry["file"]).name
        request.kernel_owner, request.kernel_slug, request.kernel_version = ref.owner, ref.slug, ref.version
        request.submission_description = ledger.description(run, entry, asked_for.message)
        entry = ledger.asking(run, entry)
        try:
            submitted = creating.create(
                api,
                asked_for.slug,
                ledger.mark(entry),
                CREATE,
                lambda client: client.competitions.competition_api_client.create_code_submission(request),
            )
        except BaseException as error:
            if isinstance(error, Refused) or CREATE not in asked:
                ledger.cancelled(run, entry)
            raise
        return ledger.note(run, entry, submitted)


def _mark(ref: KernelRef) -> str:
    """A version's own mark: the files of two versions may be the same on the few visible images."""
    return hashlib.sha256(str(ref).encode()).hexdigest()


def _entry(run: Run) -> dict[str, Any]:
    """The ledger's entry of what the run predicted; empty before it is home."""
    return next(iter(run.read()["submissions"]), {})
