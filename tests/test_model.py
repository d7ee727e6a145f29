"""Models of any size, weights that load or say why not, checkpoints that explain themselves, the loss."""

import os
import subprocess
import sys

import pytest
import torch

from lib.competitions import IGNORE, load
from lib.errors import Failed, UsageError
from lib.models import build, checkpoint, has_unused_parameters
from lib.progress import line, parse
from lib.recipe import ModelRecipe, Recipe, TrainRecipe, resolve
from lib.training.devices import _runs
from lib.training.loop import rate
from lib.training.losses import Loss
from tests.conftest import PROJECT

SMALL = {"encoder": "mobilenetv3_small_050", "weights": "none", "decoder_channels": (32, 16, 16, 16, 8)}


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return build(ModelRecipe(**SMALL), classes=6).eval()


@pytest.mark.parametrize("size", [(1, 1), (31, 33), (301, 509), (64, 64), (5, 200)])
def test_any_size_in_the_same_size_out(model, size):
    with torch.inference_mode():
        assert model(torch.zeros(2, 3, *size, dtype=torch.uint8)).shape == (2, 6, *size)


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
    checkpoint.save(path, model, load("sample"), Recipe(model=ModelRecipe(**SMALL)), 0.5, 1)
    other = build(ModelRecipe(**{**SMALL, "decoder_channels": (16, 16, 16, 16, 8)}), classes=6)
    with pytest.raises(Failed, match="do not fit the model"):
        checkpoint.fill(other, checkpoint.read(path)[1], path)


def test_the_loss_by_hand():
    logits = torch.tensor([[[[2.0, -1.0]], [[0.0, 3.0]]]])  # one image, two classes, two pixels
    labels = torch.tensor([[[0, 1]]])
    probability = logits.softmax(1)
    ce = -(probability[0, 0, 0, 0].log() + probability[0, 1, 0, 1].log()) / 2
    dice = [2 * probability[0, c, 0, c] / (1 + probability[0, c].sum()) for c in (0, 1)]
    assert Loss(TrainRecipe(ce=1, dice=0))(logits, labels).item() == pytest.approx(ce.item(), abs=1e-6)
    assert Loss(TrainRecipe(ce=0, dice=1))(logits, labels).item() == pytest.approx(1 - sum(dice).item() / 2, abs=1e-5)
    both = Loss(TrainRecipe(ce=0.25, dice=2))(logits, labels).item()
    assert both == pytest.approx(0.25 * ce.item() + 2 * (1 - sum(dice).item() / 2), abs=1e-5)


def test_ignored_pixels_do_not_move_the_loss():
    torch.manual_seed(0)
    logits, labels = torch.randn(2, 4, 9, 11), torch.randint(0, 4, (2, 9, 11))
    labels[:, 3:6] = IGNORE
    changed = logits.clone()
    changed[:, :, 3:6] = 50 * torch.randn(2, 4, 3, 11)
    loss = Loss(TrainRecipe())
    assert loss(logits, labels).item() == pytest.approx(loss(changed, labels).item(), rel=1e-6)
    nothing = torch.full_like(labels, IGNORE)
    assert loss(logits.requires_grad_(), nothing).item() == 0
    loss(logits, nothing).backward()
    assert torch.isfinite(logits.grad).all()


def test_the_rate_rises_then_falls_to_zero():
    rates = [rate(step, 100, 0.1) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == 1.0
    assert rates[100] == pytest.approx(0, abs=1e-9)
    assert rates[:10] == sorted(rates[:10])
    assert rates[9:] == sorted(rates[9:], reverse=True)
    assert rates[55] == pytest.approx(0.5, abs=0.01)


def test_the_progress_line_there_and_back():
    record = {"epoch": 3, "loss": 0.123456789, "metric": None}
    assert parse(line(record)) == {"epoch": 3, "loss": 0.123457, "metric": None}
    assert parse("epoch 3") is None
    assert parse("@progress {broken") is None
    assert parse("@progress [1]") is None


def test_which_cards_a_build_of_torch_runs_on():
    kaggle = ["sm_70", "sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120"]
    assert not any(_runs(arch, 6, 0) for arch in kaggle), "a P100"
    assert any(_runs(arch, 7, 5) for arch in kaggle), "a T4"
    assert any(_runs(arch, 8, 9) for arch in kaggle), "an L4 runs code for sm_80"
    assert any(_runs(arch, 9, 0) for arch in ["compute_80"])
    assert any(_runs(arch, 12, 0) for arch in kaggle)
