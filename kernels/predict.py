"""Predicts a competition's test images inside a session and writes its submission file.

It is started by the bundle that `launch.py` makes, with the weights of runs that were trained before:

    python launch.py --kernel predict                                    the newest run's, here
    python launch.py --kernel predict --run 3c65 -c my.toml --gpu t4x2   on Kaggle, an image at a time on each GPU
    python submit.py send --code --run 3c65                              for a competition that runs the kernel itself

What it leaves in the working folder: submission.csv (or .zip), decoded again and checked, summary.json, manifest.json.
An image that fails does not lose the others: it is named at the end, which is then a failure, and what was predicted
is left in predictions/. When the session's limit comes first, it stops a little before, and the next session takes what
is there and makes the others.

While Kaggle scores a code competition it runs this with KAGGLE_IS_COMPETITION_RERUN set, on images that nobody has seen
and that stand in the visible ones' place. A failure would cost the submission there, so an image that fails, or that
the session's limit leaves no time for, gets an empty mask, and one pixel where the scorer fails on an empty mask.
"""

import os
import shutil
import sys
import time
import warnings
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

warnings.filterwarnings("ignore", module="timm|segmentation_models_pytorch|torch")

from lib import garbage

garbage.seldom()

import torch

from lib import files
from lib.data.roots import find_root
from lib.errors import DataError, Failed, SwathError, UsageError, first, guarded
from lib.folders import Folders
from lib.inference import earlier, ensemble
from lib.inference.decision import Decision
from lib.inference.ensemble import Weighted
from lib.inference.in_time import Done, predict_all
from lib.inference.output import MaskOutput
from lib.models.found import checkpoints
from lib.rasters import header_size, masks_in
from lib.rasters.masks import empty_mask
from lib.submissions import Layout, check, expected
from lib.submissions.containers import container
from lib.submissions.job import Job, find_job
from lib.submissions.layout import Mask
from lib.submissions.never_empty import least_size, never_empty
from lib.submissions.truth import score_document, score_file
from lib.training import devices
from lib.training.limit import Limit

garbage.usual()

RERUN = "KAGGLE_IS_COMPETITION_RERUN"

THREADS = 2
"""A GPU's: one image is read or restored while the other is in the network."""


@guarded
def main() -> None:
    limit = Limit.here()
    limit.listen()
    folders = Folders.here()
    limit.guard(folders.working)
    is_rerun = bool(os.environ.get(RERUN))
    competition, recipe, plan = folders.competition(), folders.recipe(), folders.plan()
    print(*devices.describe(), sep="\n", flush=True)
    if is_rerun:
        print(f"{RERUN} is set: these images are scored, and no failure of one may lose the others", flush=True)
    device = devices.choose(recipe.train, gpu_asked=plan["gpu"] != "none")

    # Weights: every run's, known by their content; they decide on everything but how to predict.
    named = plan.get("members", ())
    if not named:
        raise UsageError("no weights were named", "python launch.py --kernel predict --run RUN")
    paths = zip(checkpoints(folders.inputs, named), named, strict=True)
    loaded = ensemble.load([Weighted(path, member["weight"]) for path, member in paths], competition)
    own = [replace(each, recipe=each.recipe.model_copy(update={"infer": recipe.infer})) for each in loaded.checkpoints]
    loaded = replace(loaded, checkpoints=tuple(own))
    plain = Decision.plain(len(competition.classes), competition.multilabel)
    decision = Decision.of(competition, plan["thresholds"]) if plan.get("thresholds") else plain

    # Data: the test images, in the rerun the hidden ones; their ids and order come from the sample submission there.
    root = find_root(competition, folders, competition.data.test).resolve()
    job = find_job(competition, root)
    if job.which != "test":
        raise DataError(f"{root} holds no test images of {competition.name}")
    print(f"data: {root}: {len(job.images)} test images", flush=True)
    layout = layout_of(job, is_rerun)
    if limit.left is not None:
        print(f"limit: the session ends in {limit.left:.0f} s, and predicting in time for the file", flush=True)

    # Masks: those of an earlier session first. They lie among the outputs until the file is there.
    began, done, folder = time.time(), Done(), folders.working / earlier.MASKS
    cards = [f"cuda:{index}" for index in range(torch.cuda.device_count())] if device == "cuda" else ["cpu"]
    outputs = [MaskOutput(loaded.predictor(device=card), competition, folder, decision) for card in cards]
    bundle, sources = os.environ["SWATH_BUNDLE"], earlier.sources_of(job.images)
    try:
        if not is_rerun:
            done.kept = earlier.take(folders, bundle, outputs[0], sources)
            earlier.begin(folders.working, bundle, sources, images_done=len(done.kept))
        if done.kept:
            print(f"goes on from {folders.resumes}: {len(done.kept)} images are predicted already", flush=True)
        todo = [pair for pair in job.images if pair.id not in set(done.kept)]
        predict_all(todo, outputs * (THREADS if device == "cuda" else 1), limit, done)
        finish(folders, job, layout, folder, done, is_rerun, began, plan)
    finally:
        files.write_manifest(folders.working)


def layout_of(job: Job, is_rerun: bool) -> Layout:
    """What the file must hold. In the rerun, sample and images that do not belong together are no reason to stop."""
    try:
        return job.layout()
    except SwathError as error:
        if not is_rerun:
            raise
        print(f"warning: {error.reason}", file=sys.stderr, flush=True)
    sizes: dict[str, tuple[int, int] | None] = {}
    for pair in job.images:
        sizes[pair.id] = job.competition.submission.size
        with suppress(SwathError):
            sizes[pair.id] = sizes[pair.id] or header_size(pair.image, job.competition.images)
    if job.sample is None:
        return expected(job.competition, sizes)
    layout = expected(job.competition, None, job.sample)
    return replace(layout, sizes={image: sizes.get(image, layout.sizes[image]) for image in layout.sizes})


def finish(
    folders: Folders, job: Job, layout: Layout, folder: Path, done: Done, is_rerun: bool, began: float, plan: dict
) -> None:
    """Write the file, decode it again, and say in summary.json what is in it; a missing image ends in `Failed`."""
    competition, missing, made = job.competition, [*done.failed, *done.left], done.made
    lost = f"{len(done.failed)} images failed ({first(list(done.failed), 3)})" if done.failed else ""
    late = f"the session's limit left no time for {len(done.left)} images" if done.left else ""
    summary = {
        "competition": competition.name,
        "finished": is_rerun or not missing,
        "rerun": is_rerun,
        "images": len(job.images),
        "images_done": len(made),
        "failed": done.failed,
        "left": done.left,
        "kept": len(done.kept),
        "seconds": round(time.time() - began, 3),
        "devices": devices.describe(),
        "bundle": os.environ["SWATH_BUNDLE"],
        "submission": None,
    }
    if missing and not is_rerun:
        for image in missing:
            MaskOutput(None, competition, folder).forget(image)  # what was begun
        files.write_json(folders.working / "summary.json", summary | {"sources": earlier.sources_of(job.images)})
        if done.left and done.seconds:
            print(f"stopped before the session's limit: {len(made)} of {len(job.images)} images predicted", flush=True)
            return
        how = "give each session more time with --timeout, or predict faster: --set infer.tta=none"
        raise Failed(
            f"{'; '.join(filter(None, [lost, late]))}; no file was written, and what was predicted is in predictions/",
            how if late else "repair or remove these images, then launch again",
        )
    if missing:
        print(f"empty masks stand for what is missing: {'; '.join(filter(None, [lost, late]))}", flush=True)
    masks = masks_in(folder, competition) if made else None
    sizes = {image: size if image in made else size or least_size(competition) for image, size in layout.sizes.items()}
    layout = replace(layout, sizes=sizes)  # an empty mask is empty at any size

    def mask(image: str) -> Mask:
        found = masks(image) if image in made else empty_mask(competition, sizes[image])
        return never_empty(found, competition) if is_rerun else found

    infer = folders.recipe().infer
    members = plan["members"]
    made_of = {"runs": list(dict.fromkeys(member["run"] for member in members)), "tta": infer.tta}
    made_of |= {"folds": folds} if (folds := [member["fold"] for member in members if "fold" in member]) else {}
    made_of |= {"scales": list(infer.scales)}
    made_of |= {"thresholds": plan["thresholds"]} if plan.get("thresholds") else {}
    path = folders.working / f"submission{container.suffix(competition)}"
    container.write(mask, competition, layout, path)
    problems = check(path, competition, layout, mask)
    score = None
    if job.truth and not problems and not is_rerun:
        score = score_document(competition, *score_file(path, competition, layout, job.right))
    summary["submission"] = {
        "file": path.name,
        "sha256": files.sha256(path),
        "bytes": path.stat().st_size,
        "rows": len(layout.rows),
        "images": len(layout.images),
        "which": job.which,
        "sample": str(job.sample) if job.sample else None,
        "problems": problems,
        "score": score,
        "made_of": made_of,
    }
    summary["seconds"] = round(time.time() - began, 3)
    files.write_json(folders.working / "summary.json", summary)
    shutil.rmtree(folder, ignore_errors=True)
    print(f"{path.name}: {len(layout.rows)} rows for {len(layout.images)} images, {path.stat().st_size:,} bytes")
    for problem in problems:
        print(f"wrong: {problem}", file=sys.stderr, flush=True)
    if problems and not is_rerun:
        raise Failed(f"{path.name} would be refused: {problems[0]}")


if __name__ == "__main__":
    main()
