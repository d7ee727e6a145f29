"""Networks of any number of bands: the rule that feeds them lies in the checkpoint, another's units are translated."""

import numpy as np
import pytest
import torch

from lib.competitions import load
from lib.competitions.pixels import Images
from lib.errors import Failed, UsageError
from lib.inference.predictor import Member, Predictor
from lib.models import build, checkpoint
from lib.models.folding import folded
from lib.rasters.radiometry import IMAGENET, Radiometry
from lib.recipe import resolve

FOUR = Radiometry((0.3, 0.4, 0.5, 0.2), (0.1, 0.2, 0.15, 0.3), (100.0, 0.0, -50.0, 7.0), (3000.0, 900.0, 950.0, 8.0))
OTHER = Radiometry((0.1,) * 4, (0.5,) * 4, (0.0, -100.0, -60.0, 6.5), (4000.0, 1000.0, 1000.0, 9.0))


def model(radiometry: Radiometry, seed: int = 0):
    torch.manual_seed(seed)
    recipe, _ = resolve([("sample", load("sample").recipe)])
    return build(recipe.model, 6, radiometry=radiometry).eval(), recipe


def fed(radiometry: Radiometry, raw: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(radiometry.feed(raw)).permute(2, 0, 1)[None]


@pytest.fixture
def raw() -> np.ndarray:
    """(40, 56, 4) values that both rules hold without clipping."""
    return np.random.default_rng(0).uniform((100, 0, -50, 7), (3000, 900, 950, 8), (40, 56, 4)).astype(np.float32)


@torch.inference_mode()
def test_a_checkpoint_holds_its_rule(tmp_path, raw):
    net, recipe = model(FOUR)
    competition = load("sample").model_copy(update={"images": Images(bands=(1, 2, 3, 4))})
    checkpoint.save(tmp_path / "a.safetensors", net, competition, recipe, 0.5, 1)
    loaded = checkpoint.load(tmp_path / "a.safetensors")
    assert loaded.model.radiometry == FOUR
    assert torch.equal(loaded.model(fed(FOUR, raw)), net(fed(FOUR, raw)))
    with pytest.raises(UsageError, match=r"trained on images.bands = \[1, 2, 3, 4\], and sample reads 8-bit RGB"):
        loaded.must_be_of(load("sample"))
    text = (tmp_path / "a.safetensors").read_bytes().replace(b'\\"std\\": [', b'\\"std\\": "', 1)
    (tmp_path / "b.safetensors").write_bytes(text)
    with pytest.raises(Failed, match=r"b\.safetensors"):
        checkpoint.load(tmp_path / "b.safetensors")


@torch.inference_mode()
def test_another_rules_units_are_translated(raw):
    net, _ = model(FOUR)
    expected = net(fed(FOUR, raw))
    net.be_fed_by(OTHER)
    assert torch.allclose(net(fed(OTHER, raw)), expected, atol=1e-3)
    assert not torch.allclose(net(fed(FOUR, raw)), expected, atol=1e-1)


@torch.inference_mode()
def test_members_of_several_rules_are_fed_by_the_first(raw):
    (one, recipe), (other, _) = model(FOUR), model(OTHER, seed=1)
    alone = [Predictor([Member(each, recipe)], "none", (1.0,)) for each in (one, other)]
    mean = sum(each(fed(each.radiometry, raw)) for each in alone) / 2
    both = Predictor([Member(one, recipe), Member(other, recipe)], "none", (1.0,))
    assert torch.allclose(both(fed(FOUR, raw)), mean, atol=1e-4)


@torch.inference_mode()
@pytest.mark.parametrize("radiometry", [FOUR, IMAGENET, Radiometry((90.0,), (40.0,))])
def test_norms_are_folded_for_any_bands(radiometry):
    net, _ = model(radiometry)
    rng = np.random.default_rng(1)
    values = rng.uniform(0, 200, (33, 65, radiometry.channels))
    pixels = fed(radiometry, values.astype(np.uint8 if radiometry.low is None else np.float32))
    expected = net(pixels)
    assert torch.allclose(folded(net)(pixels), expected, atol=1e-3 * float(expected.abs().max()))
