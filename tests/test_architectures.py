"""Every architecture at odd sizes and band counts, its parts, and the two networks that are the kit's own."""

import math
import warnings
from typing import get_args

import pytest
import timm
import torch
from torch import nn

from lib.errors import UsageError
from lib.models import build
from lib.models.blocks import blocks, encoder_parameters
from lib.models.plain_unet import PlainUnet, initialise, up
from lib.rasters.radiometry import Radiometry
from lib.recipe import ModelRecipe, resolve
from lib.recipe.model import FIVE, WIDE

FIVE_BANDS = Radiometry((0.0,) * 5, (1.0,) * 5)
ARCHITECTURES = get_args(ModelRecipe.model_fields["architecture"].annotation)
NARROW = dict.fromkeys(FIVE, (16, 16, 8, 8, 8)) | dict.fromkeys(WIDE, 32)
ON_TRANSFORMERS = [("unet", "mit_b0"), ("dpt", "test_vit"), ("segformer", "mit_b0")]


def small(architecture: str, encoder: str = "test_resnet", **more) -> ModelRecipe:
    width = {"width": 4} if architecture == "plain_unet" else {"decoder_channels": NARROW.get(architecture)}
    return ModelRecipe(architecture=architecture, encoder=encoder, weights="none", **width, **more)


@pytest.mark.parametrize(("architecture", "encoder"), [(one, "test_resnet") for one in ARCHITECTURES] + ON_TRANSFORMERS)
def test_any_size_any_bands_and_every_weight_learns(architecture, encoder):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = build(small(architecture, encoder), 3, radiometry=FIVE_BANDS)
    assert model.training
    logits = model(torch.randn(2, 5, 37, 50))
    assert logits.shape == (2, 3, 37, 50)
    logits.square().mean().backward()
    assert [name for name, weights in model.named_parameters() if weights.grad is None] == []
    with torch.inference_mode():
        assert model.eval()(torch.randn(1, 5, 1, 3)).shape == (1, 3, 1, 3)
    parts = blocks(model)
    found = [id(weights) for part in parts.values() for weights in part.parameters()]
    assert sorted(found) == sorted(id(weights) for weights in model.parameters()), "each in one part, all in some"
    inside = {id(p) for name, part in parts.items() if name.startswith("encoder.") for p in part.parameters()}
    assert inside == {id(weights) for weights in encoder_parameters(model)}
    assert list(parts)[-1] == "head"


@pytest.mark.parametrize(
    ("encoder", "first", "parts"),
    [
        ("resnet10t", "conv1", ("stem", "stage1", "stage2", "stage3", "stage4")),
        ("mobilenetv3_small_050", "conv_stem", ("stem", "stage1", "stage2", "stage3", "stage4")),
        ("test_convnext", "stem_0", ("stem", "stage1", "stage2", "stage3", "stage4")),
        ("mit_b0", "patch_embed1", ("stage1", "stage2", "stage3", "stage4")),
    ],
)
def test_the_stages_of_an_encoder(encoder, first, parts):
    named = {name: part for name, part in blocks(build(small("unet", encoder), 2)).items() if "encoder" in name}
    assert tuple(named) == tuple(f"encoder.{part}" for part in parts)
    assert next(iter(dict(next(iter(named.values())).named_children()))) == first


def test_encoders_of_one_size_take_any_or_say_that_they_cannot():
    model = build(small("fpn", "swin_tiny_patch4_window7_224"), 3).eval()
    with torch.inference_mode():
        assert model(torch.zeros(1, 3, 70, 101, dtype=torch.uint8)).shape == (1, 3, 70, 101)
    with pytest.raises(UsageError, match="unet on test_maxvit does not take images of any size") as caught:
        build(small("unet", "test_maxvit"), 3)
    assert "swin_tiny_patch4_window7_224" in caught.value.hint
    with pytest.raises(UsageError, match="deeplabv3plus cannot be built on test_mambaout: it needs denser maps"):
        build(small("deeplabv3plus", "test_mambaout"), 3)


def test_a_vision_transformer_sees_where_it_is_at_another_size(monkeypatch):
    """Its positions are brought to the image's grid, as timm does when it is told."""
    recipe, seen = small("dpt", "test_vit"), []
    model = build(recipe, 2).eval()
    own = timm.create_model("test_vit", dynamic_img_size=True).eval()
    own.load_state_dict(model.net.encoder.model.state_dict(), strict=False)
    image = torch.randn(1, 3, 64, 96)
    with torch.inference_mode():
        theirs = own.forward_intermediates(image, indices=[0], intermediates_only=True)[0]
        model.net.encoder.register_forward_hook(lambda _, inputs, output: seen.append((inputs[0], output[0][0])))
        model.net(image)
    assert torch.allclose(seen[0][1], theirs, atol=1e-5)


@pytest.mark.parametrize("depth", [1, 3, 5])
@pytest.mark.parametrize("upsampling", ["bilinear", "nearest", "transposed"])
def test_a_plain_unet_by_its_shapes(depth, upsampling):
    net = PlainUnet(4, 3, depth, width=2, norm="none", upsampling=upsampling)
    sizes = []
    for stage in net.encoder:
        stage.register_forward_hook(lambda _, inputs, output: sizes.append(tuple(output.shape[1:])))
    assert net(torch.randn(1, 4, 64, 96)).shape == (1, 3, 64, 96)
    assert sizes == [(2 * 2**n, 64 // 2**n, 96 // 2**n) for n in range(depth + 1)]
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in net.modules())
    assert any(isinstance(layer, nn.ConvTranspose2d) for layer in net.modules()) == (upsampling == "transposed")


def test_every_skip_and_the_bottom_are_read():
    net = PlainUnet(3, 2, depth=3, width=4).eval()
    image = torch.randn(1, 3, 16, 16)
    expected = net(image)
    for level in range(4):
        handle = net.encoder[level].register_forward_hook(lambda _, inputs, output: output + 1)
        assert not torch.allclose(net(image), expected), f"stage {level}"
        handle.remove()


def test_a_decoder_without_skips_reads_the_deepest_map_alone():
    net = build(small("encoder_decoder"), 2).eval().net
    image, wiped = (
        torch.randn(1, 3, 64, 64),
        lambda _, inputs, output: [*(torch.zeros_like(x) for x in output[:-1]), output[-1]],
    )
    expected = net(image)
    net.encoder.register_forward_hook(wiped)
    assert torch.equal(net(image), expected)
    net.encoder.register_forward_hook(lambda _, inputs, output: [*output[:-1], output[-1] + 1])
    assert not torch.allclose(net(image), expected)


def test_upsampling_after_its_convolution_is_the_same_as_before():
    """Interpolation and a 1×1 convolution may change places."""
    for how in ("bilinear", "nearest"):
        part, x = up(6, 3, how), torch.randn(2, 6, 5, 7)
        convolution, larger = part
        assert torch.allclose(part(x), convolution(larger(x)), atol=1e-6)


def test_he_keeps_maps_alike_and_xavier_shrinks_them():
    """Without norms, the spread of the maps behind ten ReLUs."""
    torch.manual_seed(0)
    layers = [
        layer for _ in range(10) for layer in (nn.Conv2d(64, 64, 3, padding=1, padding_mode="circular"), nn.ReLU())
    ]
    net, x, spread = nn.Sequential(*layers), torch.randn(2, 64, 8, 8), {}
    for how in ("he", "xavier", "orthogonal"):
        initialise(net, how)
        spread[how] = float(net(x).detach().square().mean())
    assert 0.3 < spread["he"] < 3
    assert 0.3 < spread["orthogonal"] < 3
    assert spread["xavier"] == pytest.approx(spread["he"] / 2**10, rel=2)
    for layer in (nn.Conv2d(32, 48, 3), nn.ConvTranspose2d(32, 48, 2, stride=2)):
        inputs = 32 * (9 if isinstance(layer, nn.Conv2d) else 1)
        initialise(layer, "he")
        assert float(layer.weight.detach().std()) == pytest.approx(math.sqrt(2 / inputs), rel=0.05)
        assert not layer.bias.any()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"model.architecture": "plain_unet"}, "no pretrained weights for plain_unet: .*--set model.weights=none"),
        ({"model.depth": 3}, "depth goes with plain_unet, not with unet"),
        ({"model.upsampling": "nearest"}, "upsampling goes with plain_unet and encoder_decoder, not with unet"),
        ({"model.architecture": "plain_unet", "model.weights": "none", "model.depth": 6}, "model.depth"),
        ({"model.architecture": "fpn", "model.decoder_channels": [64, 32, 32, 16, 16]}, "not with fpn"),
        ({"model.decoder_channels": 64}, "as five numbers, not with unet as one"),
        ({"model.thaw": 3}, "thaw = 3, and nothing is frozen"),
        ({"model.freeze": 0}, "model.freeze"),
        ({"model.weights": "hub:segformer"}, "write it as hub:owner/name"),
        ({"model.weights": "dataset:me/nets"}, "write it as dataset:owner/name/path/of/the/file.pth"),
        ({"model.weights": "dataset:me/nets/../x.pth"}, "write it as dataset:owner/name/path/of/the/file.pth"),
        ({"model.weights": "model:me/nets/pyTorch/base/best.pth"}, "write it as model:owner/model/framework"),
        ({"model.weights": "run:"}, "write it as run:RUN"),
    ],
)  # fmt: skip
def test_words_that_make_no_sense_together(settings, said):
    with pytest.raises(UsageError, match=said):
        resolve([("--set", settings)])


def test_a_width_for_every_decoder():
    for architecture in ("fpn", "segformer", "pspnet"):
        counts = [
            sum(
                p.numel() for p in build(small(architecture).model_copy(update={"decoder_channels": n}), 2).parameters()
            )
            for n in (32, 64)
        ]
        assert counts[0] < counts[1], architecture
