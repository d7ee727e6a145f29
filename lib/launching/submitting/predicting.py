"""The commands of `submit.py` that come before there is a file: images to masks, or to probabilities and then masks."""

from __future__ import annotations

from typer import Typer

from lib.launching import options
from lib.launching.submitting.choosing import chosen
from lib.launching.terminal import next_step, say

app = Typer()


@app.command()
def predict(
    run: options.Members = None,
    checkpoint: options.Checkpoints = None,
    competition: options.Name = None,
    data: options.Data = None,
    images: options.Images = None,
    tta: options.Tta = None,
    scales: options.Scales = None,
    thresholds: options.Thresholds = None,
    plain: options.Plain = False,
    probabilities: options.Probabilities = False,
    out: options.Predictions = None,
    as_json: options.Json = False,
) -> None:
    """Write a mask for every image: index PNGs at the competition's size, GeoTIFFs for georeferenced images."""
    from lib.errors import UsageError
    from lib.files import shown, typed
    from lib.inference.folder import summary
    from lib.launching.following.show import track
    from lib.submissions.pipeline import predict_images, predict_run

    who = chosen(run, checkpoint, competition, tta, scales, thresholds, plain)
    if images:
        if out is None or data is not None:
            raise UsageError("--images goes with --out DIR, and without --data", "name a folder with --out DIR")
        folder, which = out, "your"
        own = who.run.folder if who.run else None
        outcome = predict_images(who.choice, who.competition, images, out, own, track, probabilities)
    else:
        job, folder, outcome = predict_run(who.run, who.choice, who.competition, data, out, track, probabilities)
        which = job.which
    outcome.must_be_whole()
    ids = sorted([*outcome.kept, *outcome.made])
    document = {"folder": str(folder), "which": which, "images": ids, "kept": len(outcome.kept)}
    what = "probabilities" if probabilities else "masks"
    say(document, as_json, [f"{shown(folder)}: {len(ids)} {what} of {which} images{summary(outcome)}"])
    if probabilities:
        next_step(f"python submit.py blend {typed(folder)} -c {who.word} --out MASKS")
    else:
        next_step(f"python submit.py encode {typed(folder)} -c {who.word} --out FILE")


@app.command()
def blend(
    folders: options.Folders,
    out: options.OutFolder,
    competition: options.Name = None,
    thresholds: options.Thresholds = None,
    as_json: options.Json = False,
) -> None:
    """Average folders of probabilities, as `predict --probabilities` writes them, into masks."""
    from pathlib import Path

    from lib.files import read_json, shown, typed
    from lib.inference.blend import blend_folders
    from lib.inference.decision import Decision
    from lib.inference.ensemble import Weighted, weighted
    from lib.inference.folder import summary
    from lib.launching.following.show import track
    from lib.launching.runs import competition_named

    described, word, _ = competition_named(competition)
    members = [Weighted(Path(name).expanduser(), weight) for name, weight in map(weighted, folders)]
    decision = Decision.of(described, read_json(thresholds)) if thresholds else None
    outcome = blend_folders(members, described, out, decision, track)
    ids = sorted([*outcome.kept, *outcome.made])
    document = {"folder": str(out), "images": ids, "kept": len(outcome.kept)}
    say(document, as_json, [f"{shown(out)}: {len(ids)} masks of {len(members)} folders{summary(outcome)}"])
    next_step(f"python submit.py encode {typed(out)} -c {word} --out FILE")
