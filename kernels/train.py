"""Trains a segmentation model inside a session: data, model, fit, outputs.

It is started by the bundle that `launch.py` makes, in Kaggle's folders or in their likeness on your machine:

    python launch.py                                     one process on the CPU
    python launch.py --gpu t4x2 -c deepglobe             one process a GPU, through torch.distributed.run
    python launch.py --set train.ranks=2                 two processes on the CPU

What it leaves in the working folder: checkpoints/best.safetensors, report.html, summary.json, metrics.csv,
confusion.csv, gradients.csv, tensorboard/, overlays/ and manifest.json with the size and SHA-256 of each of them. When
the session's limit comes first, it stops a little before, says so in summary.json and leaves checkpoints/last.ckpt,
from which the next session goes on. With `train.folds` it runs itself again for each fold, in working/folds/<number>/,
and puts together what they leave.
"""

import logging
import os
import signal
import sys
import warnings
from contextlib import closing, suppress
from pathlib import Path

warnings.filterwarnings("ignore", module="lightning_fabric|timm|segmentation_models_pytorch|torch")

from lib import garbage

garbage.seldom()

import torch
import torch.distributed as dist

from lib import files
from lib.data.datasets import TrainingCrops
from lib.data.ready import Ready, make_ready
from lib.data.roots import find_root
from lib.errors import Failed, UsageError, guarded
from lib.folders import Folders
from lib.models import starting
from lib.reporting import run_report
from lib.reporting.confusion_picture import confusion_picture
from lib.training import devices, ranks, resume, seeing, state, tryout
from lib.training.compiling import told
from lib.training.folds import train_folds
from lib.training.gpus import Gpus
from lib.training.keeper import Keeper
from lib.training.lightning import fabric_of, seed_everything, synchronized
from lib.training.limit import Limit, SessionEnds
from lib.training.loaders import Share, crop_loader, image_loader
from lib.training.loop import Training
from lib.training.out_of_fold import COUNTS, predict_held_out
from lib.training.tensorboard import Board
from lib.training.watch import Watch

garbage.usual()

"""Pictures of either kind; overlays/ has the worst."""
logging.getLogger("lightning_fabric").setLevel(logging.ERROR)  # its import resets the level


@guarded
def main() -> None:
    limit = Limit.here()
    limit.listen()
    folders = Folders.here()
    competition, recipe = folders.competition(), folders.recipe()
    if ranks.is_rank() or folders.fold:
        ranks.end_with_parent(signal.SIGKILL)
        if folders.fold and not ranks.is_rank() and os.getppid() != folders.fold.parent:
            sys.exit("the process that started this fold is gone")
    else:
        limit.guard(folders.working)
        print(*devices.describe(), sep="\n", flush=True)
    device = devices.choose(recipe.train, gpu_asked=folders.plan()["gpu"] != "none")
    count = devices.ranks(recipe.train, device)
    recipe.must_share(1 if recipe.train.gpus == "folds" else count)
    starting.find(recipe, folders.inputs)  # what is missing is told before the images are read

    # Data: found, divided, measured, every file decoded once, tiles counted; ranks find it in the scratch folder.
    root = find_root(competition, folders).resolve()  # at home, errors name the user's folder, not a link to it
    if recipe.train.folds:
        try:
            tryout.settle(folders, recipe, device, 1 if recipe.train.gpus == "folds" else count)
            run_report.write_folds(folders, train_folds(Path(__file__), folders, root, device, count, limit, say))
        finally:
            files.write_manifest(folders.outputs)
        return
    ready = make_ready(competition, recipe, root, folders.scratch, None if ranks.is_rank() or folders.fold else say)
    if len(ready.held_out) < count:
        raise UsageError(f"{len(ready.held_out)} validation image(s) cannot be shared by {count} ranks")
    if ranks.is_rank():
        train(folders, device, count, ready, limit)
        return
    try:
        tryout.settle(folders, recipe, device, count)
        if count > 1:
            print(f"starting {count} ranks", flush=True)
            processes = ranks.Ranks(Path(__file__), count)
            limit.ends = processes.end
            sys.exit(processes.wait())
        train(folders, device, count, ready, limit)
    finally:
        if folders.fold is None:
            files.write_manifest(folders.outputs)


def say(text: str) -> None:
    """A line of the log, at once."""
    print(text, flush=True)


def train(folders: Folders, device: str, count: int, ready: Ready, limit: Limit | None = None) -> None:
    """One rank's part of the run, in this session."""
    competition, recipe = folders.competition(), folders.recipe()
    limit = limit or Limit()
    speaks = ranks.rank() == 0

    # Where it goes on from: the state that an earlier session left, or nothing.
    crops = TrainingCrops(ready.census, ready.pool, ready.reading, recipe)
    identity = state.identity(competition, recipe, ready.training, ready.held_out, crops.steps())
    outputs = resume.predecessor(folders)
    earlier = None
    if outputs is not None:
        earlier = state.read(outputs / state.STATE)
        state.must_fit(earlier, identity, outputs / state.STATE)

    # Model: the recipe's, on the recipe's weights or on those of the earlier session.
    seed_everything(recipe.train.seed, workers=True, verbose=False)
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.benchmark = True
    classes, is_fresh = len(competition.classes), earlier is None
    model = starting.start(recipe, classes, ready.radiometry, folders.inputs, is_fresh, say if speaks else None)
    if recipe.train.sync_batchnorm and count > 1:
        model = synchronized(model, device)

    # Training: the best weights by the competition's own metric are kept.
    gpus = Gpus()
    if speaks:
        gpus.start()
    watch = Watch(recipe.train, crops.steps(), lambda: {"limit_s": limit.left, "gpus": gpus.latest}, speaks)
    keeper = Keeper(folders.working, competition, recipe)
    shared = fabric_of(device, count, devices.precision(recipe.train, device), model)
    run = Training(shared, model, competition, recipe, identity, watch, keeper, limit, ready.class_weights)
    run.held_out = [pair.id for pair in ready.held_out]
    if earlier is not None:
        run.load_state_dict(earlier, outputs)
        if speaks:
            print(f"goes on from {folders.resumes}: epoch {run.epoch}, step {run.step} of {run.total}", flush=True)
    board = Board()
    if speaks:
        names = competition.names
        board = seeing.begin(run, folders.working, outputs, lambda table: confusion_picture(table, names), say)
    share = Share(ranks.rank(), count, folders.fold.beside if folders.fold else 1)
    images = image_loader(ready, recipe, share, device)
    with suppress(SessionEnds), closing(board), told(recipe.train.compile):
        run.go(crop_loader(crops, recipe, share, device, run.step), images, folders.working)
        if folders.fold:
            predict_held_out(run, images, folders)
    if count > 1:
        dist.destroy_process_group()
    if speaks:
        report(folders, run, ready, device)


def report(folders: Folders, run: Training, ready: Ready, device: str) -> None:
    """What is known by now; the pictures, and an end without a state, are for a run that is over."""
    recipe, best, limit, held_out = run.recipe, run.keeper.best, run.limit, ready.held_out
    metric = run.competition.metric
    finished = run.is_finished and (folders.fold is None or (folders.working / COUNTS).is_file())
    this = {"seconds": round(limit.clock() - limit.begin, 1), "gpus": run.fabric.world_size if device == "cuda" else 0}
    summary = {
        "competition": run.competition.name,
        "finished": finished,
        "moved": run.has_moved,
        "epochs_done": run.epochs_done,
        "limit": limit.seconds,
        "metric": best
        and {"label": metric.label, "value": best.score.value, "epoch": best.epoch}
        | {"per_class": best.score.per_class, "baselines": best.score.baselines},
        "classes": best and best.score.classes,
        "table": best
        and best.table is not None
        and {"rows": "truth", "classes": [*run.competition.names, "none"]} | {"pixels": best.table.tolist()},
        "images": {held_out[index].id: value for index, value in best.image_scores} if best else {},
        "training": {"images": len(ready.training), "epochs": recipe.train.epochs, "steps": run.step}
        | {"steps_per_epoch": run.steps},
        "validation": [pair.id for pair in held_out],
        "windows": {pair.id: pair.window for pair in held_out if pair.window},
        "division": ready.division.how,
        "radiometry": ready.radiometry.as_dict(),
        "devices": devices.describe(),
        "device": device,
        "ranks": run.fabric.world_size,
        "precision": devices.precision(recipe.train, device),
        "seconds": round(run.watch.seconds, 1),
        "sessions": [*run.keeper.sessions, this | {"steps": run.step}],
        "bundle": os.environ["SWATH_BUNDLE"],
        "recipe": recipe.model_dump(),
    }
    files.write_json(folders.working / "summary.json", summary)
    run_report.write(folders, run, summary)
    where = f"at epoch {run.epoch}, step {run.step} of {run.total}"
    if limit.asked:
        files.write_manifest(folders.outputs)  # ranks take their time to end, and whoever asked may not wait
        raise Failed(f"asked to end, {where}" + ("" if finished else f"; its state lies in {state.STATE}"))
    if not finished and not run.has_moved and folders.fold is None:
        raise Failed(
            f"the session's limit of {limit.seconds:.0f} s is too short: it came no further than it began, {where}",
            "give each session more time with --timeout",
        )
    if not finished:
        print(f"stopped before the session's limit {where}; it goes on from {state.STATE}", flush=True)
        return
    run_report.write(folders, run, summary, run_report.draw(folders, run, ready, device))
    (folders.working / state.STATE).unlink(missing_ok=True)
    if run.stopping.diverged:
        raise Failed(
            f"the weights were not numbers any more after epoch {run.stopping.diverged}, and training stopped there; "
            f"the best are those of epoch {best.epoch}",
            f"a smaller learning rate: --set train.lr={recipe.train.lr / 3:.2g}",
        )


if __name__ == "__main__":
    main()
