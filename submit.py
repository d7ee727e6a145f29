"""From a finished run to a checked and scored submission, and to the leaderboard.

\b
python submit.py                          newest finished run: predict, encode, check, score
python submit.py send                     send that file to Kaggle and wait for its score
python submit.py send --code              for a code competition: push the kernel, run it, submit its version
python submit.py rehearse                 its hidden rerun, here: other images, no network, an estimate of its time
python submit.py status                   every file: what made it, its scores, which to trust
python submit.py predict | encode | decode | check | score        the steps, one by one
python submit.py tune                     thresholds by the competition's metric on held-out images
python submit.py blend DIR[=WEIGHT] ...   masks from the probabilities of several predictions
python submit.py pseudo --out DIR         confident predictions as a training set
"""

from __future__ import annotations

import os

from typer import Context, Exit

from lib.errors import Failed, UsageError
from lib.launching import options
from lib.launching.submitting import filing, predicting, rehearsing, sending, tuning
from lib.launching.submitting.choosing import chosen
from lib.launching.terminal import main, next_step, program, refuse_misplaced, say

os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # torch on a CPU: large arrays in huge pages, where Linux has them

app = program(__doc__)
for part in (predicting, tuning, filing, rehearsing, sending):
    app.add_typer(part.app)


@app.callback(invoke_without_command=True)
def submit(
    ctx: Context,
    competition: options.Name = None,
    run: options.Members = None,
    checkpoint: options.Checkpoints = None,
    data: options.Data = None,
    tta: options.Tta = None,
    scales: options.Scales = None,
    thresholds: options.Thresholds = None,
    plain: options.Plain = False,
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

    who = chosen(run, checkpoint, competition, tta, scales, thresholds, plain)
    found, described = who.run, who.competition
    if found is None:
        raise UsageError("a submission belongs to a run", "name one with --run RUN; --checkpoint adds to its ensemble")
    job, folder, outcome = predict_run(found, who.choice, described, data, track=track)
    outcome.must_be_whole()
    made = make_file(job, masks_in(folder, described), found.folder)
    ledger.remember(found, made)
    say(made | {"run": found.id}, as_json, report.made_lines(made))
    if made["problems"]:
        raise Exit(Failed.exit_code)
    next_step(report.after_made(described, made, found.id))


if __name__ == "__main__":
    main(app)
