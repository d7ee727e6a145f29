"""The commands of `submit.py` that come before there is a file: images to masks."""

from __future__ import annotations

from typer import Typer

from lib.launching import options
from lib.launching.runs import competition_named, finished
from lib.launching.terminal import next_step, say

app = Typer()


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
