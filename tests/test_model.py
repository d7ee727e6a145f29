"""Models of any size, weights that load or say why not, checkpoints that explain themselves, the loss."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from lib.competitions import load
from lib.errors import Failed, UsageError
from lib.launching.following.show import TrainingView
from lib.models import build, checkpoint, has_unused_parameters, starting
from lib.progress import line, parse
from lib.rasters.radiometry import IMAGENET
from lib.recipe import ModelRecipe, Recipe, TrainRecipe, resolve
from lib.training.lightning import synchronized
from lib.training.watch import Watch
from tests.programs import PROJECT

SMALL = {"encoder": "mobilenetv3_small_050", "weights": "none", "decoder_channels": (32, 16, 16, 16, 8)}


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return build(ModelRecipe(**SMALL), classes=6).eval()


@pytest.mark.parametrize("size", [(1, 1), (31, 33), (301, 509), (64, 64), (5, 200)])
def test_any_size_in_the_same_size_out(model, size):
    with torch.inference_mode():
        assert model(torch.zeros(2, 3, *size, dtype=torch.uint8)).shape == (2, 6, *size)


@pytest.mark.parametrize(("size", "mode"), [((40, 61), "reflect"), ((5, 40), "edge")])
def test_the_border_is_continued_with_the_image(model, size, mode):
    """Mirrored; repeated where the image is too small for that. Never black, nor the mean colour."""
    image = np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(np.uint8)
    around = np.pad(image, ((0, -size[0] % 32), (0, -size[1] % 32), (0, 0)), mode=mode)
    small, large = (torch.from_numpy(pixels).permute(2, 0, 1)[None] for pixels in (image, around))
    with torch.inference_mode():
        assert torch.allclose(model(small), model(large)[..., : size[0], : size[1]], atol=1e-5)


def test_pixels_are_normalised_inside(model):
    """The same picture as bytes and as floats, and the wrapped net on values normalised by hand."""
    image = torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8)
    mean, std = torch.tensor([123.675, 116.28, 103.53]), torch.tensor([58.395, 57.12, 57.375])
    by_hand = (image - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)
    with torch.inference_mode():
        assert torch.equal(model(image), model(image.float()))
        assert torch.allclose(model(image), model.net(by_hand), atol=1e-5)


@pytest.mark.parametrize("architecture", ["unet", "fpn", "deeplabv3plus", "upernet", "segformer", "linknet"])
def test_architectures(architecture):
    net = build(ModelRecipe(architecture=architecture, encoder="resnet10t", weights="none"), classes=4).eval()
    with torch.inference_mode():
        assert net(torch.zeros(1, 3, 70, 90, dtype=torch.uint8)).shape == (1, 4, 70, 90)


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        ({"encoder": "resnet5o"}, "timm .* has no model 'resnet5o'"),
        ({"encoder": "vit_tiny_patch16_224", "weights": "none"}, "unet cannot be built on vit_tiny_patch16_224"),
        ({"encoder": "test_resnet", "weights": "imagenet"}, None),
    ],
)
def test_encoders_that_cannot_be(recipe, said):
    if said is None:
        import timm

        recipe["encoder"] = next(name for name in timm.list_models() if not timm.is_model_pretrained(name))
        said = "timm has no pretrained weights for"
    with pytest.raises(UsageError, match=said):
        build(ModelRecipe(**recipe), classes=3)


def test_pretrained_weights_that_do_not_arrive_are_an_error(tmp_path):
    """In a process whose hub is off and whose cache is empty: an error that says what to do, never random weights."""
    code = "from lib.errors import guarded\nfrom lib.models import build\nfrom lib.recipe import ModelRecipe\n"
    code += "guarded(lambda: print(build(ModelRecipe(encoder='resnet18'), 3)))()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=PROJECT,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "the pretrained weights of resnet18 did not load" in done.stderr
    assert "--set model.weights=none" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_unused_weights_are_noticed(model):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert not has_unused_parameters(model)
    model.net.idle = torch.nn.Linear(2, 2)
    try:
        assert has_unused_parameters(model)
    finally:
        del model.net.idle
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_checkpoint_explains_itself(tmp_path, model):
    sample = load("sample")
    recipe, _ = resolve([("own", {"model": SMALL, "data.scale": 0.5})])
    checkpoint.save(tmp_path / "best.safetensors", model, sample, recipe, score=0.8125, epoch=7)
    loaded = checkpoint.load(tmp_path / "best.safetensors")
    assert (loaded.competition, loaded.recipe, loaded.score, loaded.epoch) == (sample, recipe, 0.8125, 7)
    image = torch.randint(0, 256, (1, 3, 45, 67), dtype=torch.uint8)
    with torch.inference_mode():
        assert torch.equal(loaded.model(image), model(image))
    assert not loaded.model.training
    loaded.must_be_of(sample)
    with pytest.raises(UsageError, match=r"was trained for 'sample' .* not for 'dubai'"):
        loaded.must_be_of(load("dubai"))
    with pytest.raises(UsageError, match=r"for 'sample' \(urban, .*\), not for 'sample' \(barren, .*\)"):
        loaded.must_be_of(sample.model_copy(update={"classes": sample.classes[::-1]}))


def test_files_that_are_no_checkpoint(tmp_path, model):
    path = tmp_path / "best.safetensors"
    with pytest.raises(Failed, match="is missing"):
        checkpoint.load(path)
    path.write_bytes(b"\x00" * 100)
    with pytest.raises(Failed, match="not a readable checkpoint"):
        checkpoint.load(path)
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(Failed, match="not a checkpoint of this kit"):
        checkpoint.load(path)
    for about in ({}, {"competition": "{}", "recipe": "{}", "score": "1", "epoch": "1"}):
        save_file({"a": torch.zeros(1)}, path, metadata={"format": "swath-1", **about})
        with pytest.raises(Failed, match=r"the description inside .* is damaged"):
            checkpoint.load(path)
    checkpoint.save(path, model, load("sample"), Recipe(model=ModelRecipe(**SMALL)), 0.5, 1)
    other = build(ModelRecipe(**{**SMALL, "decoder_channels": (16, 16, 16, 16, 8)}), classes=6)
    with pytest.raises(Failed, match="do not fit the model"):
        checkpoint.fill(other, checkpoint.read(path)[1], path)


def test_the_loss_told_is_the_epochs_mean(capsys):
    ticking = iter(range(100))
    watch = Watch(TrainRecipe(batch=4, epochs=2), 3, lambda: {"limit_s": 60.5}, clock=lambda: next(ticking))
    for epoch, losses in enumerate(([9.0, 1.0, 2.0], [1.0, 2.0, 6.0])):
        watch.start_epoch()
        for loss in losses:
            watch.step(torch.tensor(loss), seconds=0.25, waited=0.0625)
        watch.say(watch.record(3 * epoch + 3, 0.5))
    told = [parse(text) for text in capsys.readouterr().out.splitlines()]
    assert [record["loss"] for record in told] == [4.0, 3.0]
    assert [record["images_per_s"] for record in told] == [16.0, 16.0], "three steps of four images in 3/4 s"
    assert [record["data_wait"] for record in told] == [0.25, 0.25]
    assert [(record["epoch"], record["step"], record["steps"]) for record in told] == [(1, 3, 6), (2, 6, 6)]
    assert [record["limit_s"] for record in told] == [60.5, 60.5]


def test_the_time_left_goes_by_the_steps_left(capsys):
    record = {"epoch": 1, "epochs": 4, "step": 25, "steps": 100, "loss": 0.5, "metric": 0.25, "seconds": 60.0}
    with TrainingView("macro Dice") as view:
        view.line(line(record))
        view.line(line(record | {"epoch": 3, "step": 75, "metric": 0.125, "seconds": 3600.0}))
    first, later = (text.split() for text in capsys.readouterr().err.splitlines() if "/4" in text)
    assert (first[0], first[3:]) == ("1/4", ["0.2500", "-", "1m00s", "3m00s"])
    assert (later[0], later[3:]) == ("3/4", ["0.2500", "-", "1h00m", "20m00s"])


def test_the_progress_line_there_and_back():
    record = {"epoch": 3, "loss": 0.123456789, "metric": None}
    assert parse(line(record)) == {"epoch": 3, "loss": 0.123457, "metric": None}
    runaway = line({"loss": float("nan"), "lr": float("inf"), "seconds": 1.5})
    assert json.loads(runaway.removeprefix("@progress "), parse_constant=pytest.fail)
    assert parse(runaway) == {"loss": None, "lr": None, "seconds": 1.5, "nan": ["loss", "lr"]}
    assert parse("epoch 3") is None
    assert parse("@progress {broken") is None
    assert parse("@progress [1]") is None


def started(tmp_path, **train):
    recipe = Recipe(model=ModelRecipe(**SMALL), train=TrainRecipe(**train))
    torch.manual_seed(0)
    return starting.start(recipe, 6, IMAGENET, tmp_path)


def test_maps_lie_in_memory_as_the_recipe_says(tmp_path):
    """The same weights, and the same answers, in either layout."""
    last, first = started(tmp_path, channels_last=True), started(tmp_path, channels_last=False)
    image, layouts, answers = torch.randint(0, 256, (2, 3, 40, 50), dtype=torch.uint8), [], []
    for built in (last, first):
        hook = built.net.encoder.model.conv_stem.register_forward_hook(
            lambda layer, given, made: layouts.append(
                (layer.weight.is_contiguous(memory_format=torch.channels_last), made.stride(1) == 1)
            )
        )
        with torch.inference_mode():
            answers.append(built.eval()(image))
        hook.remove()
    assert layouts == [(True, True), (False, False)]
    assert torch.allclose(*answers, atol=1e-5)


def test_batch_norms_of_several_gpus_are_one_and_keep_their_names(tmp_path):
    model = started(tmp_path)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    norms = [name for name, part in model.named_modules() if isinstance(part, torch.nn.BatchNorm2d)]
    shared = synchronized(model, "cuda")
    assert all(isinstance(shared.get_submodule(name), torch.nn.SyncBatchNorm) for name in norms)
    assert len(norms) > 10
    assert before.keys() == shared.state_dict().keys()
    assert all(torch.equal(before[name], tensor) for name, tensor in shared.state_dict().items())
    with pytest.raises(UsageError, match="between GPUs only"):
        synchronized(model, "cpu")
