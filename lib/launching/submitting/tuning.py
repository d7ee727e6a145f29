"""The commands of `submit.py` that learn from predictions: thresholds of held-out images, sets of confident ones."""

from __future__ import annotations

from typer import Typer

from lib.launching import options
from lib.launching.submitting.choosing import chosen
from lib.launching.terminal import next_step, say

app = Typer()


@app.command()
def tune(
    run: options.Members = None,
    competition: options.Name = None,
    data: options.Data = None,
    tta: options.Tta = None,
    scales: options.Scales = None,
    as_json: options.Json = False,
) -> None:
    """Search class biases and minimum areas on held-out images, by the competition's metric; `predict` uses them."""
    from lib.files import shown
    from lib.launching.following.show import track
    from lib.launching.submitting.choosing import runs_of
    from lib.submissions.tuning import tune_runs

    who = chosen(run, None, competition, tta, scales)
    runs = runs_of(run)
    found, path = tune_runs(runs, who.choice, who.competition, data, track)
    scores = {"before": found.before, "after": found.after, "fair": found.fair}
    used = found.decision.document(who.competition)
    searched = found.searched.document(who.competition)
    document = {"file": str(path), **scores, "helps": found.helps, "decision": used, "searched": searched}
    fair = "" if found.fair is None else f"; {found.fair:.5f} searched on one half, measured on the other"
    rule = who.competition.metric.label
    lines = [f"{rule} on held-out images: {found.before:.5f} before, {found.after:.5f} after{fair}"]
    if any(each.folds for each, _ in runs) and not (tta or scales):
        lines.append("  each by the fold that did not see it, as its session did: without orientations (or give --tta)")
    for key, table in searched.items():
        lines.append(f"  {key}: " + ", ".join(f"{name} {value:g}" for name, value in table.items()))
    verdict = "predictions use them" if found.helps else "they do not help images they were not searched on: not used"
    lines.append(f"{shown(path)}: {verdict}")
    say(document, as_json, lines)
    seen = [f" --tta {tta}" if tta else "", f" --scales {scales}" if scales else ""]  # as they were searched
    next_step("python submit.py" + "".join([f" --run {each}" for each in run or ()] + seen))


@app.command()
def pseudo(
    out: options.OutFolder,
    run: options.Members = None,
    checkpoint: options.Checkpoints = None,
    competition: options.Name = None,
    data: options.Data = None,
    images: options.Images = None,
    tta: options.Tta = None,
    scales: options.Scales = None,
    confidence: options.Confidence = 0.9,
    share: options.Share = 0.25,
    as_json: options.Json = False,
) -> None:
    """Write confident predictions of test images, or of any, as a training set that launch.py takes."""
    from dataclasses import asdict

    from lib.files import shown, typed
    from lib.launching.following.show import track
    from lib.submissions.tuning import pseudo_labels

    who = chosen(run, checkpoint, competition, tta, scales)
    made, outcome = pseudo_labels(who.run, who.choice, who.competition, data, images, out, confidence, share, track)
    left = f"; {len(made.left_out)} left out, sure of less than {share:.0%}" if made.left_out else ""
    lines = [f"{shown(made.file)}: {len(made.images)} images, {made.confident:.1%} of their pixels confident{left}"]
    lines += [f"  {name:<24} {part:7.2%}" for name, part in made.shares.items()]
    say(asdict(made), as_json, lines)
    outcome.must_be_whole()
    next_step(f"python launch.py -c {typed(made.file)} --data {typed(out)}")
