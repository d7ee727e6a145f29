"""Ray Tune over a recipe's keys: Optuna's TPE proposes values, ASHA stops what falls behind.

    search(place, tuning, epochs=12, seed=0, slots=2, share=0.5)

TPE: Bergstra et al. 2011, https://papers.nips.cc/paper/4443; ASHA: Li et al. 2020, https://arxiv.org/abs/1810.05934.
What the trials' folders say is all that a search knows: that of an earlier session, or of one that was killed, is told
to both of them first. Nothing depends on Ray's own files, which lag behind, and are one version's alone.
Importing this module needs Ray and Optuna.
"""

from __future__ import annotations

import time
import warnings
from types import SimpleNamespace
from typing import Any

import optuna
from ray import tune
from ray.tune.schedulers import ASHAScheduler, TrialScheduler
from ray.tune.search.optuna import OptunaSearch
from ray.tune.stopper import Stopper

from lib.recipe.tune import TuneRecipe
from lib.tuning.attempt import PATIENCE
from lib.tuning.place import Place
from lib.tuning.space import distribution, encoded
from lib.tuning.trainable import TrialActor
from lib.tuning.trials import FAILED, RUNNING, TRIALS, Trial, all_trials

METRIC, EPOCH = "metric", "epoch"

STARTUP = 10
"""Trials of random values before TPE learns from them; of a short search a third."""


class EndsWithTrials(Stopper):
    """Ends the search when it was asked to and no training saves its state any more."""

    def __init__(self, place: Place) -> None:
        self.place = place

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        if not self.place.ending.exists():
            return False
        running = [trial for trial in all_trials(self.place.working / TRIALS) if trial.read()["status"] == RUNNING]
        return not running or time.time() - self.place.ending.stat().st_mtime > 1.5 * PATIENCE


def search(place: Place, tuning: TuneRecipe, epochs: int, seed: int, slots: int, gpu_share: float) -> None:
    """Try what is left of the trials, `slots` at a time, each with a share of a GPU; returns when the search ends."""
    known = all_trials(place.working / TRIALS)
    over = [trial for trial in known if trial.is_over]
    begun = [trial for trial in known if not trial.is_over]
    left = tuning.trials - len(over)
    if left <= 0:
        return
    proposer = propose(tuning, seed + len(over), begun, over)
    scheduler = halve(tuning, epochs, over)
    actor = tune.with_resources(
        tune.with_parameters(TrialActor, place=place), {"cpu": 0 if gpu_share else 1, "gpu": gpu_share}
    )
    tuner = tune.Tuner(
        actor,
        tune_config=tune.TuneConfig(
            search_alg=proposer, scheduler=scheduler, num_samples=left, max_concurrent_trials=slots
        ),
        run_config=tune.RunConfig(
            name="search", storage_path=str(place.temp / "ray"), stop=EndsWithTrials(place), verbose=0
        ),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tuner.fit()


def propose(tuning: TuneRecipe, seed: int, begun: list[Trial], over: list[Trial]) -> OptunaSearch:
    """TPE that knows the trials that are over, and proposes first those that were begun."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    space = {key: distribution(key, value) for key, value in tuning.space.items()}
    sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=min(STARTUP, max(1, tuning.trials // 3)))
    points = [encoded(trial.read()["values"], tuning) for trial in begun]
    proposer = OptunaSearch(space, metric=METRIC, mode="max", sampler=sampler, points_to_evaluate=points or None)
    for trial in over:
        content, failed = trial.read(), trial.read()["status"] == FAILED
        if content["values"].keys() == space.keys():
            proposer.add_evaluated_point(encoded(content["values"], tuning), trial.best, error=failed)
    return proposer


def halve(tuning: TuneRecipe, epochs: int, over: list[Trial]) -> ASHAScheduler:
    """ASHA that knows the scores of the trials that are over; the last epoch ends by itself."""
    scheduler = ASHAScheduler(
        time_attr=EPOCH,
        metric=METRIC,
        mode="max",
        max_t=max(epochs, 2),
        grace_period=min(tuning.grace, epochs),
        reduction_factor=tuning.reduction,
        stop_last_trials=False,
    )
    for trial in over:
        stand_in, best = SimpleNamespace(trial_id=trial.name), float("-inf")
        scheduler.on_trial_add(None, stand_in)
        for epoch, score in sorted(trial.scores.items()):
            best = max(best, score)
            if scheduler.on_trial_result(None, stand_in, {EPOCH: epoch, METRIC: best}) == TrialScheduler.STOP:
                break
    return scheduler
