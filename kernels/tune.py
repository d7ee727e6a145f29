"""Searches a recipe's best values inside a session: Ray Tune, Optuna's TPE and ASHA, a trial a GPU.

    python launch.py --kernel tune --recipe tune.toml                            here
    python launch.py --kernel tune --recipe tune.toml --gpu t4x2 -c deepglobe    on Kaggle, a trial on each T4

Each trial is kernels/train.py with other values, in folders of its own below the working folder's tune/. What is left
at the end: trials.csv, best.toml (a recipe file), checkpoints/best.safetensors, summary.json. When the session's limit
comes first, or somebody asks, every trial that runs saves its state, and the next session goes on: docs/tuning.md.
"""

import os
import sys
import warnings
from pathlib import Path

warnings.filterwarnings("ignore", module="timm|segmentation_models_pytorch|torch")

from lib.tuning import leash

ALONE = "SWATH_SEARCH"
"""Set for the process that has Ray, which is in a session of its own; the first one only passes signals on."""

if __name__ == "__main__" and ALONE not in os.environ:
    sys.exit(leash.alone(Path(__file__), ALONE))

from lib import garbage

garbage.seldom()

import torch

from lib import files
from lib.competitions import Competition
from lib.data.ready import make_ready
from lib.data.roots import find_root
from lib.errors import Failed, guarded
from lib.folders import STATE, Folders
from lib.models import starting
from lib.recipe import Recipe
from lib.recipe.tune import TuneRecipe
from lib.training import devices
from lib.training.gpus import Gpus
from lib.training.limit import Limit
from lib.tuning import cluster, earlier, results
from lib.tuning.attendant import Attendant
from lib.tuning.place import Place
from lib.tuning.trials import TRIALS, TUNE, all_trials, keep_best

garbage.usual()


@guarded
def main() -> None:
    limit = Limit.here()
    limit.listen()
    folders = Folders.here()
    limit.guard(folders.working)
    print(*devices.describe(), sep="\n", flush=True)
    competition, recipe = folders.competition(), folders.recipe()
    tuning = TuneRecipe.model_validate(folders.plan()["tune"])
    device = devices.choose(recipe.train, gpu_asked=folders.plan()["gpu"] != "none")
    try:
        known = earlier.take(folders)
        keep_best(folders.working)
        if known:
            print(f"goes on from {folders.resumes}: {known} trials were begun, {_over(folders)} are over", flush=True)
        starting.find(recipe, folders.inputs)  # what is missing is told before the images are read

        # Data: every file checked and decoded once, for all trials.
        root = find_root(competition, folders).resolve()
        make_ready(competition, recipe, root, folders.scratch, lambda text: print(text, flush=True))
        with limit.saving():
            finished = try_all(folders, competition, recipe, tuning, limit, device)
        report(folders, competition, tuning, limit, finished)
    finally:
        files.write_manifest(folders.working)


def try_all(
    folders: Folders, competition: Competition, recipe: Recipe, tuning: TuneRecipe, limit: Limit, device: str
) -> bool:
    """Run the search in this session; whether it came to its end."""
    gpus = torch.cuda.device_count() if device == "cuda" else 0
    slots = gpus * tuning.per_gpu or tuning.concurrent
    before, usage = _standing(folders), Gpus()
    if gpus:
        usage.start()
    with cluster.running(slots, gpus, folders.root / "temp") as there:
        limit.listen()  # Ray has taken SIGTERM for itself
        share = 1 / tuning.per_gpu if there and recipe.train.device != "cpu" else 0
        slots = there * tuning.per_gpu if share else tuning.concurrent
        place = Place(
            inputs=folders.inputs,
            working=folders.working.resolve(),
            scratch=folders.scratch.resolve(),
            temp=(folders.root / "temp" / "trials").resolve(),
            competition=(folders.payload / "competition.toml").read_text(encoding="utf-8"),
            recipe=sharing_cores(recipe, slots).model_dump_json(),
            gpu=folders.plan()["gpu"] if share else "none",
            threads=cores(slots),
            environment={name: os.environ.get(name, "") for name in ("SWATH_BUNDLE", "SWATH_WEIGHTS")},
        )
        print(f"search: {tuning.trials} trials, {slots} at a time; {'; '.join(tuning.words())}", flush=True)
        from lib.tuning.search import search  # Ray must be set up before it is imported

        told = lambda: {"limit_s": limit.left, "gpus": usage.latest}  # noqa: E731
        with Attendant(place, tuning.trials, slots, competition.metric.label, limit, told):
            search(place, tuning, recipe.train.epochs, recipe.train.seed, slots, share)
            ended = place.ending.exists()
        place.ending.unlink(missing_ok=True)
    if ended and not limit.asked and _standing(folders) == before:
        raise Failed(
            f"the session's limit of {limit.seconds:.0f} s is too short: no trial came any further than it was",
            "give each session more time with --timeout",
        )
    return not ended


def cores(slots: int) -> int:
    """Of this machine's cores, a trial's."""
    return max(1, (os.cpu_count() or 1) // slots)


def sharing_cores(recipe: Recipe, slots: int) -> Recipe:
    """The recipe with as many loaders as a trial has cores, where it does not say how many."""
    if recipe.data.workers is not None or recipe.train.device == "cpu" or not torch.cuda.is_available():
        return recipe
    return recipe.model_copy(update={"data": recipe.data.model_copy(update={"workers": cores(slots)})})


def report(folders: Folders, competition: Competition, tuning: TuneRecipe, limit: Limit, finished: bool) -> None:
    """The trials ranked, the best one's values and weights; an end by request is a failure, as one without a score."""
    working = folders.working
    more = {"limit": limit.seconds, "bundle": os.environ["SWATH_BUNDLE"], "devices": devices.describe()}
    results.write(working, tuning, competition, finished, more)
    found = all_trials(working / TRIALS)
    print(*results.table(working, tuning), sep="\n", flush=True)
    done = f"{_over(folders)} of {tuning.trials} trials are over"
    if limit.asked:
        files.write_manifest(working)  # whoever asked may not wait
        raise Failed(f"asked to end; {done}" + ("" if finished else f", and what they go on from lies in {TUNE}/"))
    if not finished:
        print(f"stopped before the session's limit: {done}; it goes on from {TUNE}/", flush=True)
    elif not results.has_weights(working):
        errors = [trial.read()["error"] for trial in found if trial.read()["error"]]
        raise Failed(
            f"all {len(found)} trials failed; the last: {errors[-1] if errors else 'without a word'}",
            "the trials' logs are in tune/trials/; try one set of values alone: python launch.py --set …",
        )
    else:
        print(f"the best values: {results.VALUES}, for python launch.py --recipe", flush=True)


def _over(folders: Folders) -> int:
    return sum(trial.is_over for trial in all_trials(folders.working / TRIALS))


def _standing(folders: Folders) -> list[tuple]:
    """How far each trial is."""
    states = ((trial, trial.folder / STATE) for trial in all_trials(folders.working / TRIALS))
    return [(trial.name, trial.scores, trial.is_over, files.state_of(state)) for trial, state in states]


if __name__ == "__main__":
    main()
