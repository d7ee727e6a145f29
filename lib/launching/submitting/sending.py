"""The commands of `submit.py` that reach the leaderboard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typer import Typer

from lib.errors import Refused, UsageError
from lib.launching import options
from lib.launching.runs import Run, competition_named, finished, sender
from lib.launching.terminal import next_step, say, talk

if TYPE_CHECKING:
    from lib.launching.code_submission import CodeRequest

app = Typer()

STATUS = "python submit.py status"


@app.command()
def send(
    file: options.OwnFile = None,
    run: options.Trained = None,
    competition: options.Name = None,
    data: options.Data = None,
    sample: options.Sample = None,
    message: options.Message = None,
    code: options.Code = False,
    gpu: options.CodeGpu = None,
    timeout: options.CodeTimeout = None,
    settings: options.InferSettings = None,
    late: options.Late = False,
    dry: options.SendDry = False,
    as_json: options.Json = False,
) -> None:
    """Check a file once more, send it to Kaggle, wait for the score, write it into the run."""
    from lib.files import typed
    from lib.launching import ledger, ledger_words
    from lib.launching.kaggle import board, leaderboard, waiting
    from lib.launching.kaggle.client import connect
    from lib.submissions.checking.check import must_pass
    from lib.submissions.job import layout_to_send

    if code:
        from lib.launching.code_submission import CodeRequest

        trained = finished(run)
        described, word, _ = competition_named(competition, trained)
        if file is not None:
            raise UsageError("--code submits a kernel's version, not a file", "leave FILE out")
        return send_code(
            CodeRequest(
                trained,
                described,
                word,
                slug_of(described, word),
                gpu,
                timeout,
                tuple(settings or ()),
                message,
                late,
                data,
                sample,
            ),
            dry,
            as_json,
        )
    if gpu or timeout or settings:
        raise UsageError("--gpu, --timeout and --set are for the session of --code", "leave them out")
    found = sender(run)
    described, word, _ = competition_named(competition, found)
    slug = slug_of(described, word)
    path = file or ledger.newest_file(found)
    content = ledger.content_of(path)
    own = described == found.competition and sample is None
    if not (own and ledger.is_checked(found, content)):
        must_pass(path, described, layout_to_send(described, data, sample, found))

    entry = ledger.entry_of(found, content)

    def admit(api: Any) -> None:
        seen = board.look(api, slug)
        talk("\n".join(board.lines(seen, ledger.local_score(found, entry), ledger.best_public(slug))))
        board.must_take(seen, late=late)

    if dry:
        earlier = ledger.sent_before(content, slug)
        if earlier:
            leaderboard.must_be_new(*earlier)
        admit(connect())
        say({"file": str(path), "sha256": content, "sent_to": slug, "sent": None}, as_json, [f"{path}: may be sent"])
        return next_step("the same command without --dry-run")
    try:
        owner, entry = leaderboard.send(found, path, content, slug, message, admit)
        talk(f"submission {entry['ref']} is in; waiting for its score")
        entry = waiting.wait(owner, entry)
    except KeyboardInterrupt:
        next_step(f"python submit.py send {typed(path)} -c {word}   (goes on where it is, sends nothing twice)")
        raise
    say(entry, as_json, [ledger_words.sent_line(owner, entry)])
    next_step(STATUS)


def send_code(request: CodeRequest, dry: bool, as_json: bool) -> None:
    """Push, follow, check, submit and wait; each stage is picked up by the same command."""
    from lib.launching import code_submission, commands, ledger_words
    from lib.launching.kaggle import waiting
    from lib.launching.kaggle.client import connect

    if dry:
        code_submission.admit(connect(), request)
        return commands.look(code_submission.plan_of(request), False, as_json)
    try:
        owner, entry = code_submission.submit(request)
        talk(f"submission {entry['ref']} of {entry['kernel']} is in; its rerun may take hours (Ctrl-C leaves it)")
        entry = waiting.wait(owner, entry)
    except KeyboardInterrupt:
        command = f"python submit.py send --code --run {request.trained.id} -c {request.word}"
        next_step(f"{command}   (goes on where it is, does nothing twice)")
        raise
    say(entry, as_json, [ledger_words.sent_line(owner, entry)])
    next_step(STATUS)


@app.command()
def status(competition: options.Name = None, as_json: options.Json = False) -> None:
    """Show every file that was made or sent, how scores here and on the board go together, and which to trust."""
    from lib.competitions import load
    from lib.launching import ledger, ledger_words
    from lib.launching.kaggle.waiting import refresh

    wanted = load(competition) if competition is not None else None
    refresh(ledger.everything())
    entries = [
        (run, entry)
        for run, entry in ledger.everything()
        if wanted is None
        or wanted.name == run.read().get("competition")
        or (wanted.kaggle.competition and wanted.kaggle.competition == entry.get("sent_to"))
    ]
    say(ledger_words.document(entries), as_json, ledger_words.lines(entries))
    unsent = next((run for run, entry in entries if _waits_to_be_sent(run, entry)), None)
    next_step(f"python submit.py send --run {unsent.id}" if unsent else "python launch.py runs")


def _waits_to_be_sent(run: Run, entry: dict[str, Any]) -> bool:
    """Whether a file is right, and a leaderboard is there for it."""
    right = entry.get("which") == "test" and not entry.get("problems") and not entry.get("sent")
    return right and run.competition.kaggle.competition is not None


def slug_of(described: Any, word: str) -> str:
    """The competition's name on Kaggle; `Refused` when it has none."""
    slug = described.kaggle.competition
    if slug is None:
        raise Refused(
            f"{described.name} has no competition on Kaggle", f"set [kaggle] competition = 'slug' in the file of {word}"
        )
    return slug
