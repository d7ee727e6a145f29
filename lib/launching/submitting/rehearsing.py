"""The command of `submit.py` that rehearses a code competition's hidden rerun."""

from __future__ import annotations

from typer import Exit, Typer

from lib.errors import Failed, UsageError
from lib.launching import durations, options
from lib.launching.runs import competition_named, finished
from lib.launching.terminal import next_step, say

app = Typer()


@app.command()
def rehearse(
    run: options.Trained = None,
    competition: options.Name = None,
    data: options.Data = None,
    tried: options.Tried = 6,
    images: options.Hidden = None,
    limit: options.RerunLimit = "9h",
    settings: options.InferSettings = None,
    as_json: options.Json = False,
) -> None:
    """Run the bundle like the hidden rerun: other images, no network; estimate its time against the limit."""
    from lib.launching.rehearsing.rerun import RehearsalRequest, rehearse
    from lib.submissions.job import job_for

    found = finished(run)
    described, word, _ = competition_named(competition, found)
    if described.data.test is None:
        raise UsageError(f"{described.name} names no test images", 'add [data.test] images = "…" to its file')
    if images is None:
        images = len(job_for(described, data, found).images)
    seconds = durations.parse(limit)
    done = rehearse(RehearsalRequest(found, described, word, data, tried, images, seconds, tuple(settings or ())))
    say(done.document, as_json, done.lines)
    if done.problems or not done.fits:
        next_step(
            f"python submit.py rehearse --run {found.id} --set infer.tta=none   (or a smaller model)"
            if not done.problems
            else f"repair what is wrong, then python submit.py rehearse --run {found.id}"
        )
        raise Exit(Failed.exit_code)
    sends = described.kaggle.competition is not None
    next_step(f"python submit.py send --code --run {found.id}" if sends else "python launch.py runs")
