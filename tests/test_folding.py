"""Batch norms folded into convolutions: the same answers from fewer layers, and no layer that must not be touched."""

import copy

import pytest
import torch
from torch import nn

from lib.inference.predictor import Member
from lib.models import build
from lib.models.folding import folded
from lib.recipe import resolve

MODELS = (
    ("unet", "mobilenetv3_small_100"),  # norms that bring their activation along
    ("unetplusplus", "resnet18"),
    ("fpn", "tf_efficientnet_b0"),  # convolutions that pad by themselves
    ("unet", "nf_resnet26"),  # convolutions that normalise their weights
    ("unet", "densenet121"),  # norms before their convolution
)


def trained(model: nn.Module) -> nn.Module:
    """The model with statistics and weights of its norms as training leaves them: a fresh norm changes nothing."""
    torch.manual_seed(1)
    for norm in norms(model):
        norm.running_mean.uniform_(-0.5, 0.5)
        norm.running_var.uniform_(0.5, 2)
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.uniform_(norm.bias, -0.5, 0.5)
    return model.eval()


def norms(model: nn.Module) -> list[nn.BatchNorm2d]:
    return [layer for layer in model.modules() if isinstance(layer, nn.BatchNorm2d)]


def is_as_before(model: nn.Module, images: torch.Tensor) -> bool:
    """Whether a model in evaluation mode answers the same when it is folded, to a 50,000th of the largest answer."""
    with torch.inference_mode():
        before, after = model(images), folded(copy.deepcopy(model))(images)
    return float((after - before).abs().max()) < 2e-5 * float(before.abs().max())


@pytest.mark.parametrize(("architecture", "encoder"), MODELS)
def test_a_folded_model_answers_as_before(architecture, encoder):
    keys = {"model.architecture": architecture, "model.encoder": encoder, "model.weights": "none"}
    recipe, _ = resolve([("test", keys)])
    model = trained(build(recipe.model, 5))
    assert is_as_before(model, torch.randint(0, 256, (2, 3, 70, 90), dtype=torch.uint8))
    member = Member.on("cpu", model, recipe)
    assert member.model is model
    assert len(norms(model)) == (62 if encoder == "densenet121" else 0)


class Odd(nn.Module):
    """A convolution and a norm with something between or beside them."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.convolution, self.norm, self.other = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.BatchNorm2d(3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        maps = self.convolution(images.float())
        match self.kind:
            case "an activation between, in place":
                return self.norm(maps.relu_())
            case "an activation between":
                return self.norm(maps.relu())
            case "two norms of one convolution":
                return self.norm(maps) + self.other(maps)
            case "a convolution used twice":
                return self.norm(self.convolution(maps))
            case "a norm used twice":
                return self.norm(self.norm(maps))
            case "something beside the norm":
                return self.norm(maps) + maps


@pytest.mark.parametrize(
    "kind",
    [
        "an activation between, in place",
        "an activation between",
        "two norms of one convolution",
        "a convolution used twice",
        "a norm used twice",
        "something beside the norm",
    ],
)
def test_what_cannot_be_folded_stays(kind):
    torch.manual_seed(2)
    model = trained(Odd(kind))
    assert is_as_before(model, torch.randint(0, 256, (1, 3, 9, 7), dtype=torch.uint8))
    layers = model.convolution, model.norm
    folded(model)
    assert (model.convolution, model.norm) == layers


def test_a_model_in_training_is_refused():
    with pytest.raises(ValueError, match="training"):
        folded(nn.Conv2d(3, 3, 1))
