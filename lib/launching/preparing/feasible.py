"""What a place can and cannot do with a recipe, its data and its time: refused before anything is spent."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from lib.competitions import Competition, find_pairs, spelled
from lib.errors import Refused, UsageError
from lib.launching import durations, runs
from lib.launching.preparing.accelerators import TITLES
from lib.recipe import Recipe
from lib.recipe.tune import TuneRecipe

Place = Literal["local", "kaggle", "colab"]
PLACES = ("local", "kaggle", "colab")

SESSION_SECONDS = 12 * 3600
"""How long a session lasts on Kaggle's CPUs and GPUs; on Colab, how long it lasts for everybody."""

COLAB_SECONDS = 24 * 3600
"""The longest that Colab lets a machine run, for those who pay most."""

LONGEST = {"kaggle": SESSION_SECONDS, "colab": COLAB_SECONDS}


def at_home(recipe: Recipe, place: Place) -> Recipe:
    """The recipe with the full path of the file that it starts from: a session's folder is another than the user's.

    `run:RUN` becomes the path of the run's best checkpoint. A path below /kaggle is the session's, and stays.
    """
    origin = recipe.model.origin
    if origin.is_mounted and place != "kaggle":
        raise UsageError(
            f"model.weights = {recipe.model.weights!r}: what is on Kaggle is mounted only there",
            "train there with --on kaggle, or download the file, and name its path",
        )
    start = runs.finished(origin.name).checkpoint if origin.kind == "run" else recipe.starts_from
    if start is None or (place == "kaggle" and start.is_relative_to("/kaggle")):
        return recipe
    if not start.expanduser().is_file():
        raise UsageError(
            f"model.weights = {str(start)!r}: there is no such file", "imagenet, none, run:RUN, or a checkpoint's path"
        )
    model = recipe.model.model_copy(update={"weights": str(start.expanduser().resolve())})
    return recipe.model_copy(update={"model": model})


def attached(recipe: Recipe, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """kernel-metadata.json with the data set or the model that the recipe's weights lie in."""
    more = recipe.model.origin.sources
    return {**metadata, **{key: list(dict.fromkeys([*metadata[key], *names])) for key, names in more.items()}}


def check_timeout(text: str | None, place: Place) -> int | None:
    """Seconds that the session may take, within what the place allows."""
    seconds = None if text is None else durations.parse(text)
    if seconds and seconds > LONGEST.get(place, seconds):
        raise UsageError(
            f"--timeout {text}: {TITLES[place]} ends a session after {durations.spell(LONGEST[place])}",
            f"leave --timeout out for {durations.spell(SESSION_SECONDS)}",
        )
    return seconds


def session_limit(timeout: int | None, place: Place) -> int | None:
    """Seconds that a session may take: what was asked, else what the place gives; None for no limit."""
    return timeout or (None if place == "local" else SESSION_SECONDS)


def check_network(recipe: Recipe, place: Place) -> None:
    """Raise when a Colab machine would lack the weights that it starts from; to Kaggle they can travel."""
    if place == "colab" and recipe.model.origin.kind in ("file", "run"):
        raise UsageError(
            f"model.weights = {recipe.model.weights!r} is a file of this machine, and a Colab machine cannot see it",
            "start from imagenet or none there, or train here or on Kaggle",
        )


def check_folds(competition: Competition, recipe: Recipe, data: Path | None) -> None:
    """Raise `UsageError` for a run of folds that cannot be divided so, as far as that can be known here."""
    folds = recipe.train.folds
    if not folds:
        return
    if recipe.data.folds:
        raise UsageError(
            f"train.folds = {folds} trains every fold, and data.folds = {recipe.data.folds} one of them",
            "leave data.folds and data.fold out",
        )
    if recipe.train.epochs == 0:
        raise UsageError(
            f"train.epochs = 0 trains nothing, so {folds} folds would be one model", "give train.epochs, or no folds"
        )
    if competition.data.lists is not None and recipe.data.split in ("auto", "official"):
        raise UsageError(
            f"train.folds = {folds}: the official lists of {competition.name} say what is held out, once; folds would "
            "train on what they keep for validation and test",
            "leave train.folds out, or --set data.split=group (or block, stratified) if that is what you want",
        )
    if data is None or recipe.data.split == "block":
        return
    groups = len({pair.group for pair in find_pairs(competition.data.train, data)})
    if groups < folds and (recipe.data.split != "auto" or groups >= 3):
        raise UsageError(
            f"train.folds = {folds}: {data} holds {groups} groups of images, and a group is never divided",
            f"--set train.folds={groups}, or hold out parts of large images: --set data.split=block"
            if groups > 1
            else "hold out parts of large images: --set data.split=block",
        )


def check_search(tuning: TuneRecipe, recipe: Recipe, place: Place, internet: bool) -> None:
    """Raise when trials would lack their pretrained weights: of several encoders, none are brought."""
    models = tuning.variants(recipe, "model", most=200)
    encoders = {model.model.encoder for model in models if model.needs_hub}
    if place == "kaggle" and not internet and len(encoders) > 1:
        raise Refused(
            f"the search tries the pretrained weights of {', '.join(sorted(encoders))}, and the session would have no "
            "internet to get them",
            "--internet; or search the rest on one encoder; or --set model.weights=none",
        )


def check_data(
    competition: Competition, source: Path, place: Place, data: Path | None, is_prediction: bool = False
) -> Path | None:
    """The data root of a run that brings its own, every image and mask paired; None when there is nothing to bring.

    A prediction needs the test images alone.
    """
    if is_prediction and competition.data.test is None:
        raise UsageError(
            f"{competition.name} names no test images, so there is nothing to predict",
            'add [data.test] images = "…" to its file',
        )
    if place == "kaggle":
        if data is not None:
            raise UsageError(
                "--data is for runs on this machine", "on Kaggle the competition's [kaggle] sources are mounted"
            )
        if not (competition.data.built_in or competition.kaggle.datasets or competition.kaggle.competition):
            raise Refused(
                f"{competition.name} names no data on Kaggle, so the session would find none",
                "add [kaggle] datasets = ['owner/slug'] or competition = 'slug' to its file",
            )
        return None
    if competition.data.built_in:
        if data is not None:
            raise UsageError(
                f"{competition.name} makes its own scenes", "leave --data out, or name a competition with -c"
            )
        return None
    if data is None and place == "colab":
        raise UsageError(
            f"{competition.name} needs its data, and Colab mounts nothing of Kaggle's",
            "bring it with --data DIR, or train where it is mounted: --on kaggle",
        )
    if data is None:
        where = f"; it is on Kaggle: {competition.home}" if competition.home else ""
        raise UsageError(
            f"{competition.name} needs its data{where}", f"python launch.py -c {spelled(source)} --data DIR"
        )
    if is_prediction:
        pairs = find_pairs(competition.data.test, data, masks=False)
    else:
        pairs = find_pairs(competition.data.train, data)
    if place == "colab":
        from lib.launching.colab.data import check_size

        check_size(pairs)
    return data
