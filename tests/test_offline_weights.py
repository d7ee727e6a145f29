"""Pretrained weights for a session without internet, a checkpoint of this machine: a private data set, made once."""

import hashlib
import json
from unittest.mock import ANY

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from slugify import slugify

from lib import files
from lib.competitions import parse
from lib.errors import DataError, Failed, UsageError
from lib.models import build, checkpoint
from lib.models.__main__ import try_out
from lib.models.brought import brought_weights
from lib.rasters import encode_png
from lib.recipe import ModelRecipe, Recipe
from tests.loopback import Refuse
from tests.loopback.quick_kernel import quick_python
from tests.programs import only, program_in
from tests.ready import ON_KAGGLE

ENCODER = "mobilenetv3_small_050"


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """A Hugging Face cache that holds one encoder's weights, random ones; the weights by their names."""
    torch.manual_seed(3)
    model = timm.create_model(ENCODER, pretrained=False)
    folder = tmp_path_factory.mktemp("hub")
    repository = folder / f"models--{model.pretrained_cfg['hf_hub_id'].replace('/', '--')}"
    revision = "0123456789abcdef0123456789abcdef01234567"
    files.write(repository / "refs" / "main", revision)
    snapshot = repository / "snapshots" / revision
    snapshot.mkdir(parents=True)
    save_file(model.state_dict(), snapshot / "model.safetensors")
    return folder, model.state_dict()


@pytest.fixture(scope="module")
def own_cache(tmp_path_factory):
    """A cache folder for these tests together: weights are got from the hub once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def field(server, tmp_path):
    """The words that push a validation of its weights, on a few small images."""
    for number in range(4):
        files.write(tmp_path / "field" / "images" / f"{number}.png", encode_png(np.full((64, 64, 3), number, np.uint8)))
        files.write(tmp_path / "field" / "masks" / f"{number}.png", encode_png(np.eye(64, dtype=np.uint8)))
    server.datasets["me/field"] = tmp_path / "field"
    (tmp_path / "field.toml").write_text(ON_KAGGLE)
    settings = ("train.epochs=0", "train.device=cpu", f"model.encoder={ENCODER}")
    words = [word for setting in settings for word in ("--set", setting)]
    return ("launch.py", "--gpu", "t4x2", "-c", tmp_path / "field.toml", *words)


@pytest.fixture
def offline(server, tmp_path, own_cache, hub):
    """A program on a machine whose hub is `hub` and nothing else; sessions have no hub at all."""
    server.env |= {"SWATH_CACHE": str(own_cache), "HF_HUB_OFFLINE": "1"}
    environment = {"HF_HUB_CACHE": str(hub[0]), "HF_HUB_OFFLINE": "1", "SWATH_POLL_SECONDS": "0.05"}
    return program_in(tmp_path, own_cache, **server.client_env(tmp_path / "home"), **environment)


def test_weights_that_cannot_be_had_here_are_refused_before_the_push(server, offline, field, tmp_path):
    done = offline(*field, "--no-internet", code=3, HF_HUB_CACHE=str(tmp_path / "empty"))
    assert f"the pretrained weights of {ENCODER} did not load" in done.stderr
    for way_out in ("go online", "--internet", "--set model.weights=none"):
        assert way_out in done.stderr
    assert not list(offline.runs.glob("*"))
    assert not server.kernels
    assert server.count("StartBlobUpload") == 0


def test_a_session_without_internet_starts_from_the_very_weights_of_the_hub(server, offline, hub, field):
    words = (*field, "--no-internet")
    planned = offline.json(*words, "--dry-run")
    assert planned["uploads"] == {"what": f"the pretrained weights of {ENCODER}", "dataset": None, "bytes": None}
    assert "not asked: bytes and name" in offline(*words, "--dry-run").stdout

    server.faults.add("CreateDataset", Refuse(400, "You have exceeded your private dataset quota."))
    assert "exceeded your private dataset quota" in offline(*words, code=3).stderr
    assert not server.kernels
    assert not list(offline.runs.glob("2*"))

    done = offline(*words, "--json")
    run = json.loads(done.stdout)
    name, made = next(iter(server.dataset_service.made.items()))
    assert name.startswith("tester/swath-weights-mobilenetv3-small-050-")
    assert slugify(made.title) == name.split("/")[1]
    assert made.private is True
    assert made.files == ["encoder.safetensors"]
    assert f"waiting until the private data set {name} is READY" in done.stderr
    assert run["weights"]["dataset"] == name
    assert run["weights"]["file"] == "encoder.safetensors"
    assert run["weights"]["sha256"] == files.sha256(server.datasets[name] / "encoder.safetensors")

    version = only(server.kernels).latest
    assert version.metadata["enableInternet"] is False
    assert version.metadata["datasetDataSources"] == ["me/field", name]
    result = load_file(offline.runs / run["id"] / "outputs" / "checkpoints" / "best.safetensors")
    loaded = {key.removeprefix("net.encoder.model."): value for key, value in result.items() if ".encoder." in key}
    assert len(loaded) > 200
    assert all(torch.equal(value, hub[1][key]) for key, value in loaded.items())

    # Once: a second launch uploads nothing; its dry run knows all of it.
    server.python = quick_python(offline.folder)
    server.requests.clear()
    again = offline.json(*words, "--detach")
    assert again["weights"] == run["weights"]
    assert not [method for method, _ in server.requests if method.startswith(("StartBlob", "/upload", "CreateData"))]
    asked = [body["datasetSlug"] for method, body in server.requests if method == "GetDatasetStatus"]
    assert asked.count(name.split("/")[1]) == 1
    known = {"KAGGLE_API_TOKEN": "", "KAGGLE_USERNAME": "tester", "KAGGLE_KEY": "k"}
    planned = offline.json(*words, "--dry-run", KAGGLE_API_ENDPOINT="http://127.0.0.1:9", **known)
    size = (server.datasets[name] / "encoder.safetensors").stat().st_size
    assert planned["uploads"] == {"what": ANY, "dataset": name.split("/")[1], "bytes": size}
    assert planned["weights"] == run["weights"]
    assert planned["metadata"]["dataset_sources"] == ["me/field", name]
    assert (offline.runs / "dry-run" / "kernel" / "kernel.py").read_text() == version.text


def test_a_checkpoint_of_this_machine_goes_along(server, offline, field, tmp_path, capsys):
    path = tmp_path / "my best.safetensors"
    recipe, competition = Recipe(model={"encoder": ENCODER, "weights": str(path)}), parse(tmp_path / "field.toml")
    checkpoint.save(path, build(recipe.model, 2), competition, recipe, score=0.5, epoch=1)
    try_out(recipe, classes=2, channels=3)
    try_out(recipe, classes=3, channels=3)
    assert "new: segmentation_head (2 -> 3 classes)" in capsys.readouterr().out
    with pytest.raises(UsageError, match="not of unet on resnet10t") as caught:
        try_out(Recipe(model={"encoder": "resnet10t", "weights": str(path)}), classes=2, channels=3)
    assert caught.value.hint == f"--set model.encoder={ENCODER}"

    server.layout = "old"
    run = offline.json(*field, "--internet", "--set", f"model.weights={path}")
    assert run["weights"]["file"] == "checkpoint.safetensors"
    assert run["weights"]["sha256"] == files.sha256(path)
    assert only(server.kernels).latest.metadata["enableInternet"] is True
    result = load_file(offline.runs / run["id"] / "outputs" / "checkpoints" / "best.safetensors")
    assert all(torch.equal(value, result[key]) for key, value in load_file(path).items())


@pytest.fixture
def brought(tmp_path, monkeypatch):
    """A session that was told of weights; puts them somewhere below its inputs."""

    def put(place, content=b"weights"):
        about = {"dataset": "me/swath-weights-a", "file": "encoder.safetensors"}
        monkeypatch.setenv("SWATH_WEIGHTS", json.dumps(about | {"sha256": hashlib.sha256(b"weights").hexdigest()}))
        files.write(tmp_path / place / "encoder.safetensors", content)
        return tmp_path

    return put


@pytest.mark.parametrize(
    "place", ["datasets/me/swath-weights-a", "swath-weights-a", "data/of/somebody/me/swath-weights-a"]
)
def test_weights_are_found_wherever_they_are_mounted(brought, place):
    inputs = brought(place)
    brought("datasets/me/another", b"other weights")
    assert brought_weights(inputs) == inputs / place / "encoder.safetensors"


def test_weights_that_are_missing_or_others_are_an_error_never_random(brought, monkeypatch):
    inputs = brought("datasets/me/another")
    with pytest.raises(DataError, match=r"(?s)are not under .*mounted are:.*datasets/me/another"):
        brought_weights(inputs)
    inputs = brought("swath-weights-a", b"weightz")
    with pytest.raises(DataError, match="its SHA-256 is another"):
        brought_weights(inputs)
    monkeypatch.setenv("SWATH_WEIGHTS", "")
    assert brought_weights(inputs) is None


def test_an_encoder_file_must_fit_in_every_weight(tmp_path, hub):
    recipe = ModelRecipe(encoder=ENCODER, weights="imagenet")
    whole = {f"model.{key}": value for key, value in hub[1].items() if "classifier" not in key}
    kept = build(recipe, 2, pretrained=False).net.encoder.state_dict().keys()
    whole = {key: value for key, value in whole.items() if key in kept}
    save_file(whole, tmp_path / "whole.safetensors")
    filled = build(recipe, 2, encoder=tmp_path / "whole.safetensors").net.encoder.state_dict()
    assert all(torch.equal(whole[key], filled[key]) for key in filled)
    del whole["model.conv_stem.weight"]
    save_file(whole, tmp_path / "less.safetensors")
    with pytest.raises(Failed, match="do not fit the encoder"):
        build(recipe, 2, encoder=tmp_path / "less.safetensors")
    (tmp_path / "damaged.safetensors").write_bytes(b"damaged")
    with pytest.raises(Failed, match="does not hold readable weights"):
        build(recipe, 2, encoder=tmp_path / "damaged.safetensors")
