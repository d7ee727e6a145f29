"""From a finished run to a checked and scored submission, and to the leaderboard.

\b
python submit.py                          newest finished run: predict, encode, check, score
python submit.py send                     send that file to Kaggle and wait for its score
python submit.py predict | encode | decode | check | score        the steps, one by one
"""

from __future__ import annotations

from typer import Context, Exit

from lib.errors import Failed, Refused
from lib.launching import options
from lib.launching.runs import competition_named, finished
from lib.launching.terminal import main, next_step, program, refuse_misplaced, say, talk

app = program(__doc__)


@app.callback(invoke_without_command=True)
def submit(
    ctx: Context,
    competition: options.Name = None,
    run: options.Trained = None,
    data: options.Data = None,
    tta: options.Tta = None,
    as_json: options.Json = False,
) -> None:
    """Predict, encode, check and score."""
    if ctx.invoked_subcommand:
        return refuse_misplaced(ctx)
    from lib.launching import ledger
    from lib.launching.following.show import track
    from lib.rasters import masks_in
    from lib.submissions import report
    from lib.submissions.pipeline import make_file, predict_run

    found = finished(run)
    described, _, _ = competition_named(competition, found)
    job, folder = predict_run(found, described, data, tta, track=track)
    made = make_file(job, masks_in(folder, described), found.folder)
    ledger.remember(found, made)
    say(made | {"run": found.id}, as_json, report.made_lines(made))
    if made["problems"]:
        raise Exit(Failed.exit_code)
    next_step(report.after_made(described, made, found.id))


@app.command()
def predict(
    run: options.Trained = None,
    competition: options.Name = None,
    data: options.Data = None,
    tta: options.Tta = None,
    out: options.Predictions = None,
    as_json: options.Json = False,
) -> None:
    """Write a label map for every image: index PNGs at the competition's size."""
    from lib.files import shown, typed
    from lib.launching.following.show import track
    from lib.submissions.pipeline import predict_run

    found = finished(run)
    described, word, _ = competition_named(competition, found)
    job, folder = predict_run(found, described, data, tta, out, track)
    document = {"folder": str(folder), "which": job.which, "images": [pair.id for pair in job.images]}
    say(document, as_json, [f"{shown(folder)}: {len(job.images)} masks of {job.which} images"])
    next_step(f"python submit.py encode {typed(folder)} -c {word} --out FILE")


@app.command()
def encode(
    masks: options.MasksIn,
    out: options.OutFile,
    competition: options.Name = None,
    data: options.Data = None,
    sample: options.Sample = None,
    as_json: options.Json = False,
) -> None:
    """Make the competition's file from a folder of masks."""
    from lib.files import typed
    from lib.rasters import masks_in
    from lib.submissions import write
    from lib.submissions.job import layout_for

    described, word, _ = competition_named(competition)
    layout = layout_for(described, data, sample, masks=masks)
    write(masks_in(masks, described), described, layout, out)
    document = {"file": str(out), "rows": len(layout.rows), "images": list(layout.images)}
    say(document, as_json, [f"{out}: {len(layout.rows)} rows for {len(layout.images)} images"])
    next_step(f"python submit.py check {typed(out)} -c {word} --masks {typed(masks)}")


@app.command()
def decode(
    file: options.File,
    out: options.OutFolder,
    competition: options.Name = None,
    data: options.Data = None,
    sample: options.Sample = None,
    as_json: options.Json = False,
) -> None:
    """Bring a file's masks back, as index PNGs."""
    from lib.files import typed
    from lib.rasters import mask_folder
    from lib.submissions import read
    from lib.submissions.job import layout_for

    described, word, run = competition_named(competition)
    layout = layout_for(described, data, sample, run)
    mask_folder.write(out, described, layout.images, read(file, described, layout), {"file": str(file)})
    say({"folder": str(out), "images": list(layout.images)}, as_json, [f"{out}: {len(layout.images)} masks"])
    next_step(f"python submit.py encode {typed(out)} -c {word} --out FILE")


@app.command()
def check(
    file: options.File,
    competition: options.Name = None,
    data: options.Data = None,
    sample: options.Sample = None,
    masks: options.Masks = None,
    as_json: options.Json = False,
) -> None:
    """Say what a competition would refuse in a file, anyone's file."""
    from lib.rasters import masks_in
    from lib.submissions import check as check_file
    from lib.submissions import report
    from lib.submissions.job import layout_for

    described, word, run = competition_named(competition)
    layout = layout_for(described, data, sample, run, masks)
    problems = check_file(file, described, layout, masks_in(masks, described) if masks else None)
    say({"file": str(file), "problems": problems}, as_json, report.check_lines(file, layout, problems))
    if problems:
        next_step(f"make it again from its masks: python submit.py encode MASKS -c {word} --out FILE")
        raise Exit(Failed.exit_code)
    next_step(report.after_check(described, word, file))


@app.command()
def score(
    file: options.File, truth: options.Truth, competition: options.Name = None, as_json: options.Json = False
) -> None:
    """Score a file by the competition's rule."""
    from lib.submissions import expected, report
    from lib.submissions.truth import score_document, score_file, sizes_of, truths

    described, word, _ = competition_named(competition)
    paths = truths(described, truth)
    scored = score_document(described, *score_file(file, described, expected(described, sizes_of(paths)), paths))
    say(scored, as_json, report.score_lines(scored))
    next_step(report.after_score(described, word, file))


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


if __name__ == "__main__":
    main(app)
