"""report.html of a run as it stands, with the images that its best weights did worst and best on.

write(folders, run, summary)                                     # what is known while it goes on
write(folders, run, summary, draw(folders, run, ready, device))  # when it is over
write_folds(folders, summary)                                    # of all folds together
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lib import files
from lib.data.ready import Ready
from lib.folders import Folders
from lib.inference.decision import Decision
from lib.inference.labels import labels_of
from lib.inference.predictor import Member, Predictor
from lib.models import checkpoint
from lib.rasters import encode_png
from lib.rasters.reader import Pixels
from lib.rasters.visible import visible
from lib.reporting.gallery import Picture, picture
from lib.reporting.overlays import overlay
from lib.training import growing, seeing, tryout
from lib.training.loop import Training

WORST, BEST = 6, 4
"""Images that are shown, of either kind."""

REPORT = "report.html"


def draw(folders: Folders, run: Training, ready: Ready, device: str) -> list[Picture]:
    """The images that the best weights did worst and best on, while there is time; the worst lie in overlays/ too."""
    recipe, competition, limit = run.recipe, run.competition, run.limit
    model = checkpoint.load(run.keeper.path).model.to(device)
    predictor = Predictor([Member(model, recipe)], "none", (1.0,), images=competition.images)
    scored = [(index, value) for index, value in run.keeper.best.image_scores if value is not None]
    ranked = sorted(scored, key=lambda item: item[1])
    worst = min(WORST, -(-len(ranked) // 2))  # of few images, half are the best
    first_best = max(worst, len(ranked) - BEST)
    pictures = []
    for place, (index, value) in enumerate(ranked):
        if WORST <= place < first_best:
            continue
        if limit.left is not None and limit.left < limit.reserve / 2:
            break
        pair = ready.held_out[index]
        image, truth = np.array(ready.reading.image(pair, recipe.data.scale)), ready.reading.truth(pair)
        labels = labels_of(predictor, Pixels(image), truth.shape, Decision.plain(len(competition.classes)))
        shown = visible(image, competition.images)
        if place < WORST:
            sheet = overlay(shown, truth, labels, competition, f"{pair.id}: {competition.metric.measure} {value:.3f}")
            files.write(folders.working / "overlays" / f"{pair.id}.png", encode_png(sheet))
        if place < worst or place >= first_best:
            kind = "worst" if place < worst else "best"
            pictures.append(picture(pair.id, value, kind, shown, truth, labels, competition))
    return pictures


def write(folders: Folders, run: Training, summary: Mapping[str, Any], pictures: Sequence[Picture] = ()) -> None:
    """Write the page of a run, or of one fold."""
    from lib.reporting.run_page import RunReport, page  # jinja2, which the first step need not wait for

    gradients = growing.numbers(growing.read(folders.working / seeing.GRADIENTS), words=("block",))
    seen = RunReport(run.competition, run.recipe, summary, run.keeper.rows, gradients, pictures, _found(folders))
    files.write(folders.working / REPORT, page(seen))


def write_folds(folders: Folders, summary: Mapping[str, Any]) -> None:
    """Write the page of a run of folds: their score together, and the way to the page of each."""
    from lib.reporting.run_page import RunReport, page

    seen = RunReport(folders.competition(), folders.recipe(), summary, facts=_found(folders))
    files.write(folders.outputs / REPORT, page(seen))


def _found(folders: Folders) -> dict[str, Any]:
    """What the session has found out about its recipe, for the page."""
    return {f"{key}, found by trying": value for key, value in folders.settings().items() if key in tryout.KEYS}
