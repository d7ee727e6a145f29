"""What is frozen does not move by a bit, statistics included, until the epoch in which it is thawed."""

import pytest
import torch

from lib.errors import UsageError
from lib.models import build, has_unused_parameters
from lib.models.blocks import blocks
from lib.models.freezing import freeze
from lib.recipe import ModelRecipe


def small(freeze, **more) -> ModelRecipe:
    channels = (16, 16, 8, 8, 8)
    return ModelRecipe(encoder="test_resnet", weights="none", decoder_channels=channels, freeze=freeze, **more)


def train(model, recipe, epochs, optimizer=None):
    """Two steps an epoch, as the loop makes them."""
    optimizer = optimizer or torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.5)
    for epoch in epochs:
        model.train()
        freeze(model, recipe, epoch)
        freeze(model, recipe, epoch)
        for _ in range(2):
            optimizer.zero_grad()
            model(torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)).square().mean().backward()
            optimizer.step()
    return optimizer


def state(model) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def moved(model, before) -> set[str]:
    return {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}


def names_of(model, parts) -> set[str]:
    """What a state dict calls the tensors of some parts: parameters and statistics."""
    own = {id(tensor) for part in parts for tensor in (*part.parameters(), *part.buffers())}
    known = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    return {name for name, tensor in known.items() if id(tensor) in own and name in model.state_dict()}


@pytest.mark.parametrize("what", ["none", "encoder", 1, 2])
def test_what_is_frozen_does_not_move(what):
    torch.manual_seed(0)
    recipe = small(what)
    model = build(recipe, 3)
    before, parts = state(model), blocks(model)
    encoder = [name for name in parts if name.startswith("encoder.")]
    held = {"none": [], "encoder": encoder}.get(what) if isinstance(what, str) else encoder[: what + 1]
    train(model, recipe, [1])
    frozen = names_of(model, [parts[name] for name in held])
    assert moved(model, before) == set(before) - frozen
    assert any(name.endswith("running_mean") for name in before)
    assert not has_unused_parameters(model)


def test_thawed_it_moves_again():
    torch.manual_seed(0)
    recipe = small("encoder", thaw=3)
    model = build(recipe, 3)
    before, encoder = state(model), {name for name in model.state_dict() if name.startswith("net.encoder.")}
    optimizer = train(model, recipe, [1, 2])
    assert not moved(model, before) & encoder
    train(model, recipe, [3], optimizer)
    assert moved(model, before) == set(before)
    assert all(weights.requires_grad for weights in model.parameters())


def test_thawing_wakes_statistics_without_train():
    recipe = small("encoder", thaw=2)
    model = build(recipe, 3).train()
    freeze(model, recipe, 1)
    norms = [layer for layer in model.net.encoder.modules() if isinstance(layer, torch.nn.BatchNorm2d)]
    assert norms
    assert not any(layer.training for layer in norms)
    freeze(model, recipe, 2)
    assert all(layer.training for layer in norms)
    model.eval()
    freeze(model, recipe, 2)
    assert not any(layer.training for layer in norms)


def test_what_was_never_trained_is_not_thawed():
    recipe = small("encoder", thaw=2)
    model = build(recipe, 3).train()
    fixed = next(model.net.encoder.parameters()).requires_grad_(False)
    freeze(model, recipe, 1)
    freeze(model, recipe, 2)
    assert [weights for weights in model.parameters() if not weights.requires_grad] == [fixed]


def test_more_stages_than_there_are():
    with pytest.raises(
        UsageError, match=r"model.freeze = 9: the encoder of unet on test_resnet has 4 stages"
    ) as caught:
        freeze(build(small(9), 3), small(9), 1)
    assert "--set model.freeze=4" in caught.value.hint


def test_a_plain_unet_has_stages_too():
    recipe = ModelRecipe(architecture="plain_unet", weights="none", width=4, depth=2, freeze=1)
    model = build(recipe, 3)
    freeze(model.train(), recipe, 1)
    frozen = {name.split(".")[2] for name, weights in model.named_parameters() if not weights.requires_grad}
    assert frozen == {"0", "1"}, "the full size and the first halving"
