"""The recipe: layers in their order, keys and values checked, each mistake told with the layer it came from."""

import subprocess
import sys

import pytest

from lib.errors import UsageError
from lib.recipe import Recipe, from_environment, parse_setting, resolve
from tests.programs import PROJECT


def test_later_layers_win_and_origins_are_known():
    recipe, origins = resolve(
        [
            ("sample.toml", {"train": {"epochs": 12, "lr": 0.003}}),
            ("own.toml", {"train.epochs": 20}),
            ("the environment", from_environment({"SWATH_TRAIN__EPOCHS": "30", "SWATH_GPU": "t4x2", "PATH": "/bin"})),
            ("--set", dict([parse_setting("model.encoder=resnet50"), parse_setting("train.ranks=auto")])),
        ]
    )
    assert (recipe.train.epochs, recipe.train.lr, recipe.model.encoder) == (30, 0.003, "resnet50")
    assert recipe.train.ranks is None
    assert origins["train.epochs"] == "the environment"
    assert origins["train.lr"] == "sample.toml"
    assert origins["model.encoder"] == "--set"


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("train.epoch=3", "--set: train.epoch: unknown recipe key"),
        ("train.epochs=-1", "--set: train.epochs: found -1"),
        ("train.precision=8", "--set: train.precision: found '8', allowed: 'auto', '32', '16' or 'bf16'"),
        ("train.ranks=3", "batch = 16 cannot be divided over ranks = 3"),
        ("data.scale=big", "--set: data.scale: found 'big'"),
        ("model.architecture=unett", "found 'unett', allowed: 'unet'"),
        ("train=3", "--set: train: unknown recipe key"),
        ("infer.tta=d5", "found 'd5', allowed: 'none', 'flips' or 'd4'"),
    ],
)
def test_a_mistake_names_layer_key_and_what_is_allowed(setting, said):
    with pytest.raises(UsageError) as caught:
        resolve([("sample.toml", {"train": {"epochs": 3}}), ("--set", dict([parse_setting(setting)]))])
    assert said in caught.value.reason


def test_a_decoder_of_another_architecture():
    with pytest.raises(UsageError, match="not with fpn"):
        resolve([("own.toml", {"model": {"architecture": "fpn", "decoder_channels": [64, 32, 32, 16, 16]}})])


@pytest.mark.parametrize("text", ["epochs", "=3", "  =4"])
def test_a_setting_without_key_and_value(text):
    with pytest.raises(UsageError, match="KEY=VALUE"):
        parse_setting(text)


def test_values_are_read_as_toml_and_else_as_text():
    assert parse_setting("a.b=3") == ("a.b", 3)
    assert parse_setting("a.b=0.5") == ("a.b", 0.5)
    assert parse_setting("a.b=[1, 2]") == ("a.b", [1, 2])
    assert parse_setting("a.b=resnet50.a1_in1k") == ("a.b", "resnet50.a1_in1k")


def test_a_recipe_survives_its_own_json():
    recipe, _ = resolve([("own", {"train.ranks": 2, "model.decoder_channels": [64, 64, 32, 32, 16]})])
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe


def test_recipe_and_launching_import_neither_torch_nor_numpy():
    modules = sorted(
        path.stem for path in (PROJECT / "lib" / "launching").glob("*.py") if path.stem not in ("__init__", "head")
    )
    assert len(modules) > 10
    code = "import importlib, sys\n"
    code += f"for name in {modules}: importlib.import_module('lib.launching.' + name)\n"
    code += "import launch, lib.recipe\n"
    code += "print([name for name in ('torch', 'numpy', 'cv2', 'kaggle', 'timm') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
