"""The words of a run: its start, how it stands, its outcome, and always the next command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib import files
from lib.errors import Failed, SwathError
from lib.launching.following import failures, log_file
from lib.launching.session import Status
from lib.launching.terminal import talk

if TYPE_CHECKING:
    from lib.launching.flow import Outcome
    from lib.launching.runs import Run


def show_pushed(run: Run) -> None:
    """The run's name, and where it can be watched."""
    content = run.read()
    where = content["attempts"][-1]["url"] if content["place"] == "kaggle" else files.shown(run.folder)
    talk(f"run {run.id}: {where}")


def show_commands(run: Run) -> None:
    """How to pick a run up later."""
    for words in ("status", "logs -f", "fetch", "stop"):
        command, _, flag = words.partition(" ")
        talk(f"  python launch.py {command} {run.id}{' ' + flag if flag else ''}")


@contextmanager
def left_running(run: Run) -> Iterator[None]:
    """When following ends before the run does (Ctrl-C, no answer), say how to pick the run up."""
    try:
        yield
    except (KeyboardInterrupt, SwathError):
        show_left(run)
        raise


def show_left(run: Run) -> None:
    """What becomes of a run that is followed no more, and the commands for later."""
    if not run.folder.is_dir():  # a push that was refused leaves none
        return
    content = run.read()
    pushed = content["attempts"][-1]["version"] is not None
    if Status(content["status"]).over:
        if run.unfinished:
            talk(f"\nrun {run.id}: {run.unfinished}; it goes on with")
            talk(f"  python launch.py --resume {run.id}")
        elif pushed:
            talk(f"\nrun {run.id} is over ({content['status']}); bring home what it left with")
            talk(f"  python launch.py fetch {run.id}")
        return
    talk(f"\nrun {run.id} goes on without this terminal{'' if pushed else ', if it was started'}; pick it up with")
    show_commands(run)


def runs_document(runs: list[Run]) -> list[dict[str, Any]]:
    """Every run's run.json, as `--json` prints them; of a damaged one, its id and that it is damaged."""
    documents = []
    for run in runs:
        try:
            documents.append(run.read())
        except Failed as error:
            documents.append({"id": run.id, "status": "damaged", "message": error.reason})
    return documents


def runs_lines(runs: list[Run]) -> list[str]:
    """A line a run, under a header."""
    rows = [("run", "status", "place", "gpu", "started", "score", "board")]
    for content in runs_document(runs):
        metric = content.get("metrics")
        folds = f", {metric['folds']} folds" if metric and metric.get("folds") else ""
        score = f"{metric['value']:.4f} {metric['label']}{folds}" if metric else "-"
        board = next((f"{sent:g}" for sent in _public_scores(content)), "-")
        words = (content.get(key, "-") for key in ("id", "status", "place", "accelerator", "created"))
        rows.append((*words, score, board))
    return table(rows)


def table(rows: list[tuple[str, ...]]) -> list[str]:
    """Rows as lines, their columns aligned."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def status_lines(run: Run, status: Status) -> list[str]:
    """How a run stands; of one that failed, its last words, and the failure's name and fix when it is a known one; the
    page that it left, when that is home."""
    return [*_standing(run, status), *_page(run)]


def _standing(run: Run, status: Status) -> list[str]:
    message = status.message or (run.unfinished if status.state == "complete" else "")
    lines = [f"{run.id}: {status.state}" + (f" ({message})" if message else "")]
    if status.state != "failed":
        return lines
    lines += [f"  | {line}" for line in failures.last_words(log_file.tail(run))]
    failure = run.read().get("failure")
    return lines + ([f"  {failure['name']}: {failure['fix']}"] if failure else [])


def _page(run: Run) -> list[str]:
    return [f"  page: {files.shown(run.page)}"] if run.page.is_file() else []


def after_status(run: Run, status: Status) -> str:
    """What to type when a run stands like this."""
    if status.state == "complete" and run.unfinished:
        return f"python launch.py --resume {run.id}"
    if status.state == "complete" and run.checkpoint.is_file():
        return _submit(run)
    if status.state == "complete" and (predicted := _predicted(run)):
        return after_predicted(run, predicted)
    if status.state in ("complete", "stopped"):
        content = run.read()
        is_home = content.get("fetched") or content.get("deleted")
        return f"python launch.py {'runs' if is_home else f'fetch {run.id}'}"
    return f"python launch.py logs {run.id}{'' if status.state == 'failed' else ' -f'}"


def after_predicted(run: Run, entry: dict[str, Any]) -> str:
    """What to type when a session's file is home: send it where a leaderboard waits for it, else look at it again."""
    if run.competition.kaggle.competition:
        return f"python submit.py send --run {run.id}"
    return f"python submit.py check {files.typed(Path(entry['file']))} -c {run.competition_word}"


def after_log(run: Run) -> str:
    """What to type when a run's log was read."""
    status = Status(run.read()["status"])
    return f"python launch.py fetch {run.id}" if status.state == "failed" else after_status(run, status)


def outcome_document(outcome: Outcome) -> dict[str, Any]:
    """How a run ended, as `--json` prints it."""
    return outcome.run.read() | {"outputs": str(outcome.run.outputs), "fetch": asdict(outcome.fetched)}


def outcome_lines(outcome: Outcome) -> list[str]:
    """The score beside its baseline, and where things lie."""
    run, metric = outcome.run, outcome.metric
    lines = _standing(run, outcome.status)
    if metric:
        base = metric["baselines"]
        guess = "majority class everywhere" if "majority" in base else "nothing predicted anywhere"
        parts = [f"{name} {'-' if value is None else f'{value:.3f}'}" for name, value in metric["per_class"].items()]
        folds = metric.get("folds")
        where = f"(of all images, by {folds} folds)" if folds else f"(epoch {metric['epoch']})"
        lines += [
            f"  {metric['label']} {'out of fold' if folds else 'on validation'}  {metric['value']:.4f}   {where}",
            f"  {guess}  {base.get('majority', base['empty']):.4f}",
            f"  by class: {', '.join(parts)}",
        ]
    if predicted := _predicted(run):
        from lib.submissions.report import made_lines

        lines += [f"  {line}" for line in made_lines(predicted)]
    lines.append(f"  outputs: {files.shown(run.outputs)} ({_moved(outcome)}), log: {files.shown(run.log)}")
    return [*lines, *_page(run)]


def after_outcome(outcome: Outcome) -> str:
    """What to type now."""
    return after_status(outcome.run, outcome.status)


def _predicted(run: Run) -> dict[str, Any] | None:
    """The file that the run's session predicted, when it is home."""
    made = [entry for entry in run.read()["submissions"] if "made" in entry]
    return made[-1] if made and run.read().get("kernel") == "predict" else None


def _public_scores(content: dict[str, Any]) -> list[float]:
    """Public scores of a run's submissions, newest first."""
    scores = [entry.get("public_score") for entry in content.get("submissions", ())]
    return [score for score in reversed(scores) if score is not None]


def _moved(outcome: Outcome) -> str:
    if not outcome.fetched.whole:
        return f"{outcome.fetched.files} files fit, {outcome.fetched.moved} fetched"
    if outcome.fetched.moved:
        return f"{outcome.fetched.moved} files fetched"
    return (
        "all of it was here already"
        if outcome.run.outputs.is_dir() and any(outcome.run.outputs.iterdir())
        else "nothing"
    )


def _submit(run: Run) -> str:
    needs_data = not run.data and not run.competition.data.built_in
    return f"python submit.py --run {run.id}" + (" --data DIR" if needs_data else "")
