"""What a run starts from: files of weights, runs, Kaggle's data sets and models, the hub. Never random in silence."""

import http.server
import json
import threading

import pytest
import segmentation_models_pytorch as smp
import timm
import torch
from safetensors.torch import save_file

from lib import files
from lib.competitions import load
from lib.errors import DataError, Failed, UsageError
from lib.models import build, checkpoint, hub
from lib.models.__main__ import try_out
from lib.models.brought import mounted_weights
from lib.models.fitting import fill, fitted
from lib.models.reading import read
from lib.models.starting import start
from lib.rasters.radiometry import IMAGENET, Radiometry
from lib.recipe import ModelRecipe, Recipe
from lib.recipe.origin import origin
from tests.programs import WITHOUT_GPU, only
from tests.ready import ON_KAGGLE, field, ready_run

ENCODER = "test_resnet"
REVISION = "0123456789abcdef0123456789abcdef01234567"


def recipe(weights="none", encoder=ENCODER, **more) -> Recipe:
    return Recipe(model={"encoder": encoder, "weights": str(weights), **more})


def started(weights, tmp_path, classes=3, radiometry=IMAGENET, **more):
    """The model that a session starts from, and what it said."""
    said = []
    model = start(recipe(weights, **more), classes, radiometry, tmp_path / "input", say=said.append)
    return model, "\n".join(said)


@pytest.fixture(scope="module")
def whole():
    """A classifier as timm saves it."""
    torch.manual_seed(0)
    return timm.create_model(ENCODER).state_dict()


def same_encoder(model, tensors) -> bool:
    """Whether the model's encoder has a classifier's very weights."""
    own = model.net.encoder.model.state_dict()
    return all(torch.equal(tensor, tensors[name]) for name, tensor in own.items()) and len(own) > 50


PREFIXES = ("", "module.", "net.", "module.model.", "encoder.", "backbone.", "encoder.model.")
NESTED = ("state_dict", "model", "model_state")


@pytest.mark.parametrize(("nested", "prefix"), [(None, one) for one in PREFIXES] + [(one, "module.") for one in NESTED])
def test_an_encoder_in_any_wrapping(tmp_path, whole, nested, prefix):
    content = {prefix + name: tensor for name, tensor in whole.items()}
    torch.save({nested: content, "epoch": 3, "optimizer": {"lr": 0.1}} if nested else content, tmp_path / "weights.pth")
    model, said = started(tmp_path / "weights.pth", tmp_path)
    assert same_encoder(model, whole)
    assert "new: decoder, segmentation_head; not used: " in said
    assert "fc.weight" in said


@pytest.mark.parametrize("name", ["test_convnext", "mobilenetv3_small_050", "test_efficientnet", "resnet10t"])
def test_names_that_timm_joins_are_found(tmp_path, name):
    """Every tensor that the encoder has is in the classifier's file, and is loaded."""
    classifier = timm.create_model(name).state_dict()
    save_file(classifier, tmp_path / "whole.safetensors")
    fit = fitted(build(recipe(encoder=name).model, 3), classifier, recipe(encoder=name).model)
    assert [*fit.missing, *fit.others, *fit.strange] == []
    _, said = started(tmp_path / "whole.safetensors", tmp_path, encoder=name)
    assert f"{len([key for key in fit.fitting if not key.endswith('num_batches_tracked')])} of " in said


@pytest.mark.parametrize("bands", [1, 2, 4, 6, 10])
def test_rgb_weights_are_spread_over_bands_as_timm_spreads_them(tmp_path, whole, bands):
    save_file(whole, tmp_path / "rgb.safetensors")
    theirs = timm.create_model(
        ENCODER, pretrained=True, in_chans=bands, pretrained_cfg_overlay={"file": str(tmp_path / "rgb.safetensors")}
    ).state_dict()
    model, said = started(tmp_path / "rgb.safetensors", tmp_path, radiometry=Radiometry((0.0,) * bands, (1.0,) * bands))
    assert same_encoder(model, theirs)
    assert f"3 bands spread over {bands}" in said
    if bands % 3 == 0:
        (first,) = (name for name in whole if whole[name].ndim == 4 and whole[name].shape[1] == 3)
        ours = model.net.encoder.model.state_dict()[first]
        assert torch.allclose(ours.sum(1), whole[first].sum(1), atol=1e-5), "the sum is kept"
        assert torch.equal(ours[:, :3], ours[:, 3:6])


def test_a_whole_model_of_segmentation_models_pytorch(tmp_path):
    for name in (f"tu-{ENCODER}", "resnet18"):  # the second with the library's own encoder, whose names are shorter
        encoder = name.removeprefix("tu-")
        theirs = smp.Unet(name, encoder_weights=None, classes=7)
        torch.save(theirs.state_dict(), tmp_path / "smp.pt")
        same, said = started(tmp_path / "smp.pt", tmp_path, classes=7, encoder=encoder)
        assert "new" not in said
        image = torch.randn(1, 3, 64, 64)
        with torch.inference_mode():
            assert torch.allclose(same.net.eval()(image), theirs.eval()(image), atol=1e-5)
        other, said = started(tmp_path / "smp.pt", tmp_path, classes=3, encoder=encoder)
        assert "new: segmentation_head (7 -> 3 classes)" in said
        blocks = zip(theirs.decoder.parameters(), other.net.decoder.parameters(), strict=True)
        assert all(torch.equal(one, two) for one, two in blocks)
        assert other.net.segmentation_head[0].weight.shape[0] == 3


def test_a_run_of_another_competition(tmp_path):
    path = tmp_path / "best.safetensors"
    own = recipe()
    checkpoint.save(path, build(own.model, 6), load("sample"), own, score=0.5, epoch=1)
    model, said = started(path, tmp_path, classes=6)
    assert "new" not in said
    assert all(torch.equal(tensor, read(path).tensors[name]) for name, tensor in model.net.state_dict().items())
    assert "new: segmentation_head (6 -> 2 classes)" in started(path, tmp_path, classes=2)[1]
    with pytest.raises(UsageError, match=f"are of unet on {ENCODER}, not of fpn on {ENCODER}") as caught:
        started(path, tmp_path, architecture="fpn")
    assert caught.value.hint == "--set model.architecture=unet"
    with pytest.raises(Failed, match="do not fit the model") as caught:
        started(path, tmp_path, decoder_channels=(16, 16, 8, 8, 8))
    with pytest.raises(UsageError) as caught:
        started(path, tmp_path, encoder="resnet18")
    assert caught.value.hint == f"--set model.encoder={ENCODER}"


def test_what_does_not_fit_is_an_error_and_changes_nothing(tmp_path, whole):
    model = build(recipe().model, 3)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    one = next(name for name, tensor in whole.items() if tensor.ndim == 4)
    faults = {
        "missing: encoder": {name: tensor for name, tensor in whole.items() if name != one},
        r"of another shape: encoder.*\(there 5, here ": whole | {one: torch.zeros(5)},
        "unknown: layer9.0.conv1.weight": whole | {"layer9.0.conv1.weight": torch.zeros(1)},
        "none of a, b is in it": {"a": torch.zeros(1), "b": torch.zeros(1)},
    }
    for said, tensors in faults.items():
        torch.save(tensors, tmp_path / "weights.pt")
        with pytest.raises(Failed, match=said):
            fill(model, read(tmp_path / "weights.pt"), recipe().model, "weights.pt")
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


class Evil:
    """Pickled, it makes a file when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_files_that_are_no_weights(tmp_path):
    torch.save({"state_dict": Evil(tmp_path / "ran")}, tmp_path / "evil.pt")
    (tmp_path / "cut.pth").write_bytes((tmp_path / "evil.pt").read_bytes()[:-80])
    (tmp_path / "page.bin").write_text("<html>")
    torch.save([torch.zeros(1)], tmp_path / "list.pt")
    for name, said in {
        "evil.pt": "opening it could run code",
        "cut.pth": "is damaged",
        "page.bin": "neither safetensors nor a file of torch.save",
        "list.pt": "no tensors under names",
        "nowhere.pt": "are missing",
    }.items():
        with pytest.raises(Failed, match=said):
            started(tmp_path / name, tmp_path)
    assert not (tmp_path / "ran").exists()


# Kaggle's data sets and models


@pytest.mark.parametrize("layout", ["new", "old"])
@pytest.mark.parametrize(
    ("text", "new", "old"),
    [
        ("dataset:me/nets/unet/best.pth", "datasets/me/nets/unet", "nets/unet"),
        ("model:me/nets/pyTorch/base/3/best.pth", "models/me/nets/pytorch/base/3", "nets/pytorch/base/3"),
    ],
)
def test_weights_of_kaggle_in_both_layouts(tmp_path, text, new, old, layout):
    files.write(tmp_path / (new if layout == "new" else old) / "best.pth", b"weights")
    found = mounted_weights(origin(text), tmp_path)
    assert found.read_bytes() == b"weights"
    with pytest.raises(DataError, match=r"(?s)has no file .*other.pth; in it are:.*best.pth"):
        mounted_weights(origin(text.replace("best", "other")), tmp_path)
    with pytest.raises(DataError, match=r"(?s)yours/nets.* is not under .*mounted are:"):
        mounted_weights(origin(text.replace("me/nets", "yours/nets2")), tmp_path / "nowhere")


WORDS = ("train.epochs=0", "data.crop=32", f"model.encoder={ENCODER}", "model.decoder_channels=[16, 8, 8, 8, 8]")


@pytest.fixture
def pushed(server, on_kaggle, tmp_path):
    """Pushes a validation of its weights; the words of `--set model.weights=…`."""
    server.datasets["me/field"] = field(tmp_path / "field")
    (tmp_path / "field.toml").write_text(ON_KAGGLE)
    settings = [word for setting in WORDS for word in ("--set", setting)]

    def push(weights, *words, code=0):
        base = ("launch.py", "--gpu", "t4x2", "-c", tmp_path / "field.toml", *settings, *WITHOUT_GPU)
        return on_kaggle(*base, "--set", f"model.weights={weights}", *words, code=code)

    return push


def test_a_model_of_kaggle_is_attached_and_started_from(server, on_kaggle, pushed, whole, tmp_path):
    (tmp_path / "nets").mkdir()
    torch.save({"state_dict": whole}, tmp_path / "nets" / "best.pth")
    name = "me/nets/pyTorch/base/3"
    refused = pushed(f"model:{name}/best.pth", code=3)
    assert f"the model {name} is not there" in refused.stderr
    assert server.count("SaveKernel") == 0
    server.models[name] = tmp_path / "nets"
    done = pushed(f"model:{name}/best.pth", "--json")
    version = only(server.kernels).latest
    assert version.metadata["modelDataSources"] == [name]
    assert version.metadata["enableInternet"] is False
    assert "not looked at, they are not on this machine" in done.stderr
    run = on_kaggle.runs / json.loads(done.stdout)["id"]
    assert f"weights from model:{name}/best.pth: " in (run / "log.txt").read_text()
    assert "new: decoder, segmentation_head" in (run / "log.txt").read_text()
    best = checkpoint.load(run / "outputs" / "checkpoints" / "best.safetensors")
    assert same_encoder(best.model, whole)


def test_a_data_set_is_attached_once(launch, tmp_path):
    (tmp_path / "field.toml").write_text(ON_KAGGLE)
    for name, sources in {"me/field": ["me/field"], "me/nets": ["me/field", "me/nets"]}.items():
        words = ("--gpu", "t4x2", "-c", tmp_path / "field.toml", "--set", f"model.weights=dataset:{name}/best.pth")
        plan = launch.json(*words, "--dry-run")
        assert plan["metadata"]["dataset_sources"] == sources
        assert plan["internet"] is False
        assert plan["uploads"] is None


def test_what_is_on_kaggle_is_not_here(launch):
    said = launch("--set", "model.weights=dataset:me/nets/best.pth", "--dry-run", code=2).stderr
    assert "mounted only there" in said
    assert "--on kaggle" in said


# Runs


def test_a_run_by_a_part_of_its_name(launch, tmp_path, monkeypatch):
    runs = tmp_path / "runs"
    run = ready_run(runs, field(tmp_path / "data"))
    plan = launch.json("--set", f"model.weights=run:{run.id[-4:]}", "--dry-run")
    assert plan["recipe"]["model"]["weights"] == str(run.checkpoint.resolve())
    plan = launch.json("--gpu", "t4x2", "--set", f"model.weights=run:{run.id[-4:]}", "--dry-run")
    assert plan["uploads"]["bytes"] == run.checkpoint.stat().st_size
    assert "there is no run 'zzzz'" in launch("--set", "model.weights=run:zzzz", "--dry-run", code=2).stderr
    assert (
        "a Colab machine cannot see it"
        in launch("--on", "colab", "--gpu", "t4", "--set", "model.weights=run:abcd", "--dry-run", code=2).stderr
    )
    run.checkpoint.unlink()
    said = launch("--set", f"model.weights=run:{run.id}", "--dry-run", code=2).stderr
    assert f"python launch.py fetch {run.id}" in said


# The hub


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A segmentation model saved as the hub's are, in a cache of its own; returns the model."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    for name in ("HF_ENDPOINT", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("socket.getaddrinfo", lambda *words: [])
    theirs = smp.Segformer(f"tu-{ENCODER}", encoder_weights=None, classes=150, decoder_segmentation_channels=32)
    folder = tmp_path / "hub" / "models--smp-hub--segformer-test"
    files.write(folder / "refs" / "main", REVISION)
    theirs.save_pretrained(folder / "snapshots" / REVISION)
    return theirs


def test_a_whole_model_of_the_hub(repository, tmp_path):
    words = {"weights": "hub:smp-hub/segformer-test", "architecture": "segformer", "decoder_channels": 32}
    model, said = started(classes=6, tmp_path=tmp_path, radiometry=Radiometry((0.0,) * 4, (1.0,) * 4), **words)
    theirs, own = repository.state_dict(), model.net.state_dict()
    differing = {name for name in own if own[name].shape != theirs[name].shape}
    assert all(torch.equal(own[name], theirs[name]) for name in own if name not in differing)
    assert f"weights from {words['weights']}: " in said
    assert "new: segmentation_head (150 -> 6 classes)" in said
    assert "3 bands spread over 4" in said
    assert len(differing) == 3, "the head's weight and bias, and the first convolution"
    same, _ = started(classes=150, tmp_path=tmp_path, **words)
    image = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        expected = smp.from_pretrained(hub.obtain("smp-hub/segformer-test")[0].parent).eval()(image)
        assert torch.allclose(same.net.eval()(image), expected, atol=1e-5)
    with pytest.raises(UsageError, match=f"of segformer on {ENCODER}, not of unet on resnet18") as caught:
        started(**words | {"architecture": "unet", "decoder_channels": None}, tmp_path=tmp_path, encoder="resnet18")
    assert "--set model.architecture=segformer" in caught.value.hint
    assert f"--set model.encoder={ENCODER}" in caught.value.hint
    with pytest.raises(Failed, match="do not fit the model, segformer on") as caught:
        started(**words | {"decoder_channels": None}, tmp_path=tmp_path)
    assert caught.value.hint == "--set model.decoder_channels=32"


def test_a_hub_that_cannot_be_reached(repository, tmp_path):
    with pytest.raises(Failed, match="the weights of hub:smp-hub/another did not load") as caught:
        started("hub:smp-hub/another", tmp_path)
    assert "--set model.weights=none" in caught.value.hint
    assert hub.is_here("smp-hub/segformer-test")
    assert not hub.is_here("smp-hub/another")


class NoSuchModel(http.server.BaseHTTPRequestHandler):
    """A hub that has nothing."""

    def do_HEAD(self):
        self.send_response(404)
        self.send_header("X-Error-Code", "RepoNotFound")
        self.end_headers()

    do_GET = do_HEAD

    def log_message(self, *words):
        pass


def test_a_model_that_the_hub_does_not_have_is_refused_at_home(tmp_path, monkeypatch):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), NoSuchModel) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        with pytest.raises(Failed, match="the hub has no model 'smp-hub/nothing'"):
            try_out(recipe("hub:smp-hub/nothing"), 6, 3)
        server.shutdown()


def test_random_weights_that_are_frozen_are_told(tmp_path):
    _, said = started("none", tmp_path, freeze="encoder")
    assert "random weights are frozen" in said
    assert isinstance(recipe("hub:a/b").needs_hub, bool)
    assert recipe("hub:a/b").needs_hub
    assert recipe("/x/y.pth").starts_from.name == "y.pth"
    assert recipe("dataset:a/b/c.pth").starts_from is None
    assert not recipe("run:a").needs_hub
    assert ModelRecipe(weights="hub:a/b@main").origin.name == "a/b@main"
