"""The commands of `submit.py` that reach the leaderboard."""

from __future__ import annotations

from typer import Typer

from lib.errors import Refused
from lib.launching import options
from lib.launching.runs import competition_named, finished
from lib.launching.terminal import next_step, say, talk

app = Typer()


@app.command()
def send(
    file: options.OwnFile = None,
    run: options.Trained = None,
    competition: options.Name = None,
    data: options.Data = None,
    sample: options.Sample = None,
    message: options.Message = None,
    as_json: options.Json = False,
) -> None:
    """Check a file once more, send it to Kaggle, wait for the score, write it into the run."""
    from lib.files import typed
    from lib.launching import ledger
    from lib.launching.kaggle import leaderboard
    from lib.submissions import report
    from lib.submissions.check import must_pass
    from lib.submissions.job import layout_to_send

    found = finished(run)
    described, word, _ = competition_named(competition, found)
    slug = described.kaggle.competition
    if slug is None:
        raise Refused(
            f"{described.name} has no competition on Kaggle", f"set [kaggle] competition = 'slug' in the file of {word}"
        )
    path = file or ledger.newest_file(found)
    content = ledger.content_of(path)
    own = described == found.competition and sample is None
    if not (own and ledger.is_checked(found, content)):
        must_pass(path, described, layout_to_send(described, data, sample, found))
    sender, entry = leaderboard.send(found, path, content, slug, message)
    talk(f"submission {entry['ref']} is in; waiting for its score")
    try:
        entry = leaderboard.wait(sender, entry)
    except KeyboardInterrupt:
        next_step(f"python submit.py send {typed(path)} -c {word}   (waits on, sends nothing twice)")
        raise
    say(entry, as_json, [report.sent_line(entry)])
    next_step(report.COMPARE)
