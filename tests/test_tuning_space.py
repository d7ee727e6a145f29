"""`[tune]` of a recipe file: what is refused at home, what Optuna is told, what a dry run shows."""

import json
import tomllib

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.errors import UsageError
from lib.recipe import Recipe, resolve
from lib.recipe.tune import Range, TuneRecipe, resolve_tune, split, with_values
from lib.tuning.space import decoded, distribution, encoded

DOTTED = """
[train]
epochs = 4
[tune]
trials = 3
[tune.space]
"train.lr" = {low = 1e-4, high = 1e-2, log = true}
"data.crop" = {low = 256, high = 512, step = 64}
"model.encoder" = ["resnet34", "resnet50"]
"""
NESTED = """
train.epochs = 4
tune.trials = 3
tune.space.train.lr = {low = 1e-4, high = 1e-2, log = true}
[tune.space.data]
crop = {low = 256, high = 512, step = 64}
[tune.space.model]
encoder = ["resnet34", "resnet50"]
"""


def settled(text, *more):
    layers, tried = split([("tune.toml", tomllib.loads(text)), *more])
    recipe, origins = resolve(layers)
    return recipe, origins, resolve_tune(tried, recipe)


@pytest.mark.parametrize("text", [DOTTED, NESTED])
def test_both_spellings_are_one_search(text):
    recipe, origins, search = settled(text)
    assert (recipe.train.epochs, origins) == (4, {"train.epochs": "tune.toml"})
    assert search == TuneRecipe(
        trials=3,
        space={
            "train.lr": Range(low=1e-4, high=1e-2, log=True),
            "data.crop": Range(low=256, high=512, step=64),
            "model.encoder": ("resnet34", "resnet50"),
        },
    )
    assert TuneRecipe.model_validate_json(search.model_dump_json()) == search
    assert "tune" not in Recipe.model_validate_json(recipe.model_dump_json()).model_dump()


def test_later_layers_win():
    _, _, search = settled(DOTTED, ("--set", {"tune.trials": 5, "tune.space.train.lr": [0.1, 0.2]}))
    assert (search.trials, search.space["train.lr"]) == (5, (0.1, 0.2))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('"train.lrr" = {low = 1, high = 2}', "tune.space: train.lrr: unknown recipe key; did you mean train.lr?"),
        ("tran.lr = [0.1, 0.2]", "tune.space: tran.lr: unknown recipe key; did you mean train.lr?"),
        ('"train.lr" = {low = 0, high = 1e-2}', "train.lr: found 0: input should be greater than 0"),
        ('"train.lr" = {low = 1e-3, high = 20}', "train.lr: found 20: input should be less than or equal to 10"),
        ('"train.lr" = {low = 1e-2, high = 1e-4}', "train.lr: low = 0.01 is not below high = 0.0001"),
        ('"train.weight_decay" = {low = 0, high = 1, log = true}', "low = 0: with log = true it must be more than 0"),
        ('"train.lr" = {low = 0.1, hihg = 2}', "hihg: unknown key; did you mean high?"),
        ('"train.lr" = 0.1', "train.lr: found 0.1; a list of choices"),
        ('"train.lr" = []', "train.lr: found []; one choice or more"),
        ('"train.lr" = [0.1, 0.1]', "train.lr: found [0.1, 0.1]; one choice or more, none twice"),
        ('"data.crop" = {low = 64.5, high = 128}', "data.crop takes whole numbers, found 64.5"),
        ('"model.encoder" = ["resnet34", 3]', "model.encoder: found 3: input should be a valid string"),
        ('"model.encoder" = {low = 1, high = 2}', "model.encoder is no number, so it has no range"),
        ('"train.loss" = ["ce", "cee"]', "train.loss: found 'cee'"),
        ('"data.fold" = [0, 1]', "data.fold decides what is validated"),
        ('"train.epochs" = [4, 8]', "train.epochs is the same for all trials"),
        ('"model.weights" = ["a/best.safetensors", "none"]', "imagenet and none can be searched"),
        ("", "tune.space is empty"),
        ('"train.lr" = [0.1]\n[train]\nfolds = 5', "train.folds = 5: a trial trains one model"),
        ('"train.lr" = [0.1]\n[train]\nepochs = 0', "train.epochs = 0: there is nothing to compare"),
        ('"train.lr" = [0.1]\n[tune]\ntrails = 5', "trails: unknown key; did you mean trials?"),
    ],
)
def test_what_cannot_be_searched_is_refused_at_home(line, words):
    with pytest.raises(UsageError) as caught:
        settled(f"[tune.space]\n{line}")
    assert words in f"{caught.value.reason}; {caught.value.hint}"


SPACE = """
[tune.space]
"train.lr" = {low = 1e-4, high = 1e-2, log = true}
"train.clip" = {low = 0, high = 2, step = 0.5}
"data.crop" = {low = 64, high = 500, step = 64}
"train.accumulate" = {low = 1, high = 8, log = true}
"data.scales" = [[0.75, 1.0], [1.0]]
"train.compile" = [true, false]
"data.tile" = ["auto", 64]
"""


def test_whatever_optuna_proposes_is_a_recipe():
    """Of every kind of range and choice; and a proposal goes to Optuna and back unchanged."""
    recipe, _, search = settled(SPACE)
    space = {key: distribution(key, value) for key, value in search.space.items()}
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    seen = {key: set() for key in space}
    for _ in range(60):
        config = study.ask(space).params
        values = decoded(config)
        made = with_values(recipe, values)
        assert encoded(values, search) == config
        assert made.data.crop in range(64, 500, 64)
        for key, value in values.items():
            seen[key].add(json.dumps(value))
    assert seen["data.crop"] == {str(side) for side in range(64, 500, 64)}
    assert seen["train.clip"] == {"0.0", "0.5", "1.0", "1.5", "2.0"}
    assert seen["data.scales"] == {"[0.75, 1.0]", "[1.0]"}
    assert seen["data.tile"] == {'"auto"', "64"}


@settings(max_examples=30)
@given(st.floats(1e-6, 1e-2), st.floats(1.01, 100), st.booleans())
def test_a_range_that_is_taken_has_nothing_but_valid_values(low, factor, log):
    _, _, search = settled(
        f'[tune.space]\n"train.lr" = {{low = {low!r}, high = {low * factor!r}, log = {str(log).lower()}}}'
    )
    for share in (0, 0.3, 1):
        value = search.space["train.lr"].low * factor**share
        assert with_values(Recipe(), {"train.lr": value}).train.lr == value


def test_a_dry_run_shows_the_search_and_carries_what_it_starts(launch, tmp_path):
    (tmp_path / "tune.toml").write_text(DOTTED)
    words = ("--kernel", "tune", "--recipe", tmp_path / "tune.toml", "--gpu", "t4x2", "--dry-run")
    card = launch(*words).stdout
    assert "search       3 trials" in card
    assert "train.lr 0.0001…0.01 (log); data.crop 256…512 by 64; model.encoder resnet34 | resnet50" in card
    document = launch.json(*words)
    assert {"kernels/tune.py", "kernels/train.py", "lib/tuning/search.py"} <= document["files"].keys()
    assert (document["tune"]["trials"], "tune" in document["recipe"]) == (3, False)
    plain = launch.json("--recipe", tmp_path / "tune.toml", "--gpu", "t4x2", "--dry-run")
    assert "tune" not in plain
    assert "kernels/tune.py" not in plain["files"]
    assert plain["recipe"]["train"]["epochs"] == 4


def test_a_search_without_a_space_or_without_its_weights_is_refused(launch, tmp_path):
    said = launch("--kernel", "tune", "--dry-run", code=2).stderr
    assert "no recipe has a [tune] table" in said
    (tmp_path / "tune.toml").write_text(DOTTED)
    words = ("--kernel", "tune", "--recipe", tmp_path / "tune.toml", "--gpu", "t4x2", "--no-internet", "--dry-run")
    assert "pretrained weights of resnet34, resnet50" in launch(*words, code=3).stderr


def test_an_encoder_that_cannot_be_is_refused_before_the_search_starts(launch, tmp_path):
    (tmp_path / "tune.toml").write_text(
        '[model]\nweights = "none"\n[tune.space]\nmodel.encoder = ["resnet19", "resnet18"]'
    )
    said = launch("--kernel", "tune", "--recipe", tmp_path / "tune.toml", code=2).stderr
    assert "resnet19" in said
    assert not list((tmp_path / "runs").glob("2*"))
