"""From a finished run to a checked and scored submission, and to the leaderboard.

\b
python submit.py                          newest finished run: predict, encode, check, score
python submit.py send                     send that file to Kaggle and wait for its score
python submit.py predict | encode | decode | check | score        the steps, one by one
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from typer import Context, Exit

from lib.errors import Failed, Refused, guarded
from lib.launching.options import (
    Data,
    File,
    Json,
    Masks,
    MasksIn,
    Message,
    Name,
    OutFile,
    OutFolder,
    OwnFile,
    Predictions,
    Sample,
    Trained,
    Truth,
    Tta,
)
from lib.launching.runs import Run, competition_named, finished
from lib.launching.terminal import next_step, program, say

if TYPE_CHECKING:
    from lib.submissions.job import Job

app = program(__doc__)


@app.callback(invoke_without_command=True)
def submit(
    ctx: Context,
    competition: Name = None,
    run: Trained = None,
    data: Data = None,
    tta: Tta = None,
    as_json: Json = False,
) -> None:
    """Predict, encode, check and score."""
    if ctx.invoked_subcommand:
        return
    from lib.launching import ledger
    from lib.rasters import masks_in
    from lib.submissions.job import make_file
    from lib.submissions.report import made_lines

    found, job, folder = predicted(run, competition, data, tta, None)
    made = make_file(job, masks_in(folder, job.competition), found.folder)
    ledger.remember(found, made)
    say(made | {"run": found.id}, as_json, made_lines(made))
    if made["problems"]:
        raise Exit(Failed.exit_code)
    if job.competition.kaggle.competition and job.which == "test":
        next_step(f"python submit.py send --run {found.id}")


@app.command()
def predict(
    run: Trained = None, competition: Name = None, data: Data = None, tta: Tta = None, out: Predictions = None
) -> None:
    """Write a label map for every image: index PNGs at the competition's size."""
    from lib.files import shown

    _, job, folder = predicted(run, competition, data, tta, out)
    print(f"{shown(folder)}: {len(job.images)} masks of {job.which} images")
    next_step(f"python submit.py encode {shown(folder)} -c {job.competition.name} --out FILE")


@app.command()
def encode(masks: MasksIn, out: OutFile, competition: Name = None, data: Data = None, sample: Sample = None) -> None:
    """Make the competition's file from a folder of masks."""
    from lib.rasters import images_in, masks_in
    from lib.submissions import write
    from lib.submissions.job import layout_for

    described = competition_named(competition)
    layout = layout_for(described, data, sample, images=images_in(masks))
    write(masks_in(masks, described), described, layout, out)
    print(f"{out}: {len(layout.rows)} rows for {len(layout.images)} images")
    next_step(f"python submit.py check {out} -c {described.name} --masks {masks}")


@app.command()
def decode(file: File, out: OutFolder, competition: Name = None, data: Data = None, sample: Sample = None) -> None:
    """Bring a file's masks back, as index PNGs."""
    from lib.rasters import write_labels
    from lib.submissions import read
    from lib.submissions.job import layout_for

    described = competition_named(competition)
    layout = layout_for(described, data, sample)
    for image, labels in read(file, described, layout):
        write_labels(out / f"{image}.png", labels, described)
    print(f"{out}: {len(layout.images)} masks")


@app.command()
def check(
    file: File,
    competition: Name = None,
    data: Data = None,
    sample: Sample = None,
    masks: Masks = None,
    as_json: Json = False,
) -> None:
    """Say what a competition would refuse in a file, anyone's file."""
    from lib.rasters import masks_in
    from lib.submissions import check as check_file
    from lib.submissions.job import layout_for

    described = competition_named(competition)
    layout = layout_for(described, data, sample)
    problems = check_file(file, described, layout, masks_in(masks, described) if masks else None)
    right = [f"{file}: {len(layout.rows)} rows for {len(layout.images)} images, nothing wrong"]
    say({"file": str(file), "problems": problems}, as_json, [f"wrong: {problem}" for problem in problems] or right)
    if problems:
        raise Exit(Failed.exit_code)


@app.command()
def score(file: File, truth: Truth, competition: Name = None, as_json: Json = False) -> None:
    """Score a file by the competition's rule."""
    from lib.submissions import expected
    from lib.submissions.job import score_document
    from lib.submissions.report import score_lines
    from lib.submissions.truth import score_file, sizes_of, truths

    described = competition_named(competition)
    paths = truths(described, truth)
    scored = score_document(described, *score_file(file, described, expected(described, sizes_of(paths)), paths))
    say(scored, as_json, score_lines(scored))


@app.command()
def send(
    file: OwnFile = None,
    run: Trained = None,
    competition: Name = None,
    data: Data = None,
    sample: Sample = None,
    message: Message = None,
    as_json: Json = False,
) -> None:
    """Check a file once more, send it to Kaggle, wait for the score, write it into the run."""
    from lib.launching import leaderboard, ledger
    from lib.submissions.check import must_pass
    from lib.submissions.job import layout_for
    from lib.submissions.report import sent_line

    found = finished(run)
    described = competition_named(competition, found)
    slug = described.kaggle.competition
    if slug is None:
        raise Refused(f"{described.name} has no competition on Kaggle", "set [kaggle] competition = 'slug' in its file")
    path = file or ledger.newest_file(found)
    if not ledger.is_checked(found, path):
        must_pass(path, described, layout_for(described, data, sample, found))
    submitted = leaderboard.send(found, path, slug, message)
    print(f"submission {submitted.ref} is in; waiting for its score", file=sys.stderr)
    entry = ledger.note(found, path, leaderboard.wait(submitted, slug))
    say(entry, as_json, [sent_line(entry)])


def predicted(
    name: str | None, competition: str | None, data: Path | None, tta: str | None, out: Path | None
) -> tuple[Run, Job, Path]:
    """Predict a run's images: the run, the job, the folder of masks."""
    from lib.inference.folder import predict_folder, turns_named
    from lib.launching.show import track
    from lib.models import checkpoint
    from lib.submissions.job import job_for

    turns_named(tta)
    run = finished(name)
    trained = checkpoint.load(run.checkpoint)
    described = competition_named(competition, run)
    trained.must_be_of(described)
    job = job_for(described, data, run)
    folder = out or run.folder / "predictions"
    images = track(job.images, f"predicting {len(job.images)} {job.which} images")
    predict_folder(trained, images, folder, tta, about={"run": run.id, "which": job.which})
    return run, job, folder


if __name__ == "__main__":
    guarded(app)()
