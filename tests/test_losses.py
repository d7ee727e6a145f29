"""Losses by name and in sums: by hand, against torch's and other people's, and what ignored pixels do to them."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from lib.competitions import IGNORE
from lib.errors import UsageError
from lib.recipe import Recipe, TrainRecipe, resolve
from lib.recipe.choices import LOSSES
from lib.training.losses import TERMS, Loss

LOGITS = torch.tensor([[[[2.0, -1.0]], [[0.0, 3.0]]]])  # one image, two classes, two pixels
LABELS = torch.tensor([[[0, 1]]])


def some(seed=0, classes=4, shape=(2, 9, 11), unknown=0.2):
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(shape[0], classes, *shape[1:], generator=generator)
    labels = torch.randint(0, classes, shape, generator=generator)
    labels[torch.rand(shape, generator=generator) < unknown] = IGNORE
    return logits, labels


def counts(logits, labels):
    """True positives, false positives, false negatives of each class in probabilities, over known pixels, by numpy."""
    probabilities = logits.double().softmax(1).permute(0, 2, 3, 1)[labels != IGNORE].numpy()
    truth = np.eye(logits.shape[1])[labels[labels != IGNORE].numpy()]
    hit = (probabilities * truth).sum(0)
    return hit, probabilities.sum(0) - hit, truth.sum(0) - hit


def test_the_usual_loss_by_hand():
    probability = LOGITS.softmax(1)
    ce = -(probability[0, 0, 0, 0].log() + probability[0, 1, 0, 1].log()) / 2
    dice = 1 - sum(2 * probability[0, c, 0, c] / (1 + probability[0, c].sum()) for c in (0, 1)) / 2
    assert Loss("ce")(LOGITS, LABELS).item() == pytest.approx(ce.item(), abs=1e-6)
    assert Loss("dice")(LOGITS, LABELS).item() == pytest.approx(dice.item(), abs=1e-5)
    assert Loss(TrainRecipe().loss)(LOGITS, LABELS).item() == pytest.approx((ce + dice).item(), abs=1e-5)
    assert Loss("0.25*ce + dice*2")(LOGITS, LABELS).item() == pytest.approx((0.25 * ce + 2 * dice).item(), abs=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_overlap_losses_are_their_formulas(seed):
    logits, labels = some(seed)
    hit, wrong, missed = counts(logits, labels)
    tversky = (1 - hit / (hit + 0.3 * wrong + 0.7 * missed)).mean()
    dice = (1 - 2 * hit / (2 * hit + wrong + missed)).mean()
    expected = {
        "dice": dice,
        "jaccard": (1 - hit / (hit + wrong + missed)).mean(),
        "log_cosh_dice": np.log(np.cosh(dice)),
        "tversky": tversky,
        "tversky(alpha=0.6, beta=0.1)": (1 - hit / (hit + 0.6 * wrong + 0.1 * missed)).mean(),
        "focal_tversky(gamma=0.5)": tversky**0.5,
    }
    for text, value in expected.items():
        assert Loss(text)(logits, labels).item() == pytest.approx(value, rel=1e-5), text


@pytest.mark.parametrize("smooth", [0.0, 0.1])
@pytest.mark.parametrize("weights", [None, (0.5, 2.0, 0.0, 1.0)])
def test_cross_entropy_is_torchs(weights, smooth):
    logits, labels = some()
    weight = None if weights is None else torch.tensor(weights)
    expected = functional.cross_entropy(logits, labels, weight, ignore_index=IGNORE, label_smoothing=smooth)
    assert Loss(f"ce(smooth={smooth})", weights)(logits, labels).item() == pytest.approx(expected.item(), rel=1e-5)


def test_the_focal_loss_is_torchvisions():
    """Each class against the rest; theirs weighs the two sides by alpha, ours by the class's weight."""
    from torchvision.ops import sigmoid_focal_loss

    logits, labels = some()
    known = labels != IGNORE
    truth = functional.one_hot(labels[known], 4).float()
    each = sigmoid_focal_loss(logits.permute(0, 2, 3, 1)[known], truth, alpha=-1, gamma=1.5).mean(0)
    assert Loss("focal(gamma=1.5)")(logits, labels).item() == pytest.approx(each.mean().item(), rel=1e-5)
    weighted = (each * torch.tensor([3.0, 1.0, 0.0, 0.0])).sum() / 4
    assert Loss("focal(gamma=1.5)", (3, 1, 0, 0))(logits, labels).item() == pytest.approx(weighted.item(), rel=1e-5)


def test_lovasz_is_the_iou_where_answers_are_certain():
    """On hard answers the Lovász extension is 1 - IoU itself, over the classes that the truth holds."""
    labels = some(3)[1]
    answers = torch.where(torch.rand(labels.shape, generator=torch.Generator().manual_seed(1)) < 0.7, labels, 2)
    answers[answers == IGNORE] = 0
    logits = 200 * functional.one_hot(answers, 4).permute(0, 3, 1, 2).float()
    hit, wrong, missed = counts(logits, labels)
    assert Loss("lovasz")(logits, labels).item() == pytest.approx((1 - hit / (hit + wrong + missed)).mean(), abs=1e-5)


@pytest.mark.parametrize("name", TERMS)
def test_ignored_pixels_move_nothing_and_a_batch_of_them_costs_nothing(name):
    logits, labels = some(unknown=0)
    labels[:, 3:6] = IGNORE
    changed = logits.clone()
    changed[:, :, 3:6] = 50 * torch.randn(2, 4, 3, 11)
    loss = Loss(name, (1, 2, 3, 4))
    assert loss(logits, labels).item() == pytest.approx(loss(changed, labels).item(), rel=1e-5)
    nothing = torch.full_like(labels, IGNORE)
    value = loss(logits.requires_grad_(), nothing)
    assert value.item() == pytest.approx(0, abs=1e-4)
    value.backward()
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("name", TERMS)
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_every_loss_falls_along_its_gradient(name, data):
    shape = tuple(data.draw(st.tuples(*[st.integers(1, 3), st.integers(1, 9), st.integers(1, 9)])))
    logits, labels = some(data.draw(st.integers(0, 99)), data.draw(st.integers(2, 5)), shape, 0.1)
    loss = Loss(name)
    value = loss(logits.requires_grad_(), labels)
    value.backward()
    norm = logits.grad.norm()
    if norm > 1e-4:
        assert loss(logits.detach() - 1e-3 / norm * logits.grad, labels) < value
    assert value >= 0


def test_every_loss_of_the_recipe_is_there():
    assert TERMS.keys() == LOSSES.keys()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cross_entropy", "found 'cross_entropy' in 'cross_entropy'; one of ce, focal, dice"),
        ("0*ce", "weights of losses are 0 or more, and one of them is more"),
        ("ce - dice", "found 'ce - dice' in 'ce - dice'; write name, name(option=value) or number*name"),
        ("ce +", "found 'ce +'; write it like 0.5*ce + 0.5*dice"),
        ("ce(smoothing=0.1)", "found smoothing=0.1 in 'ce(smoothing=0.1)'; ce takes smooth"),
        ("lovasz(per_image=2)", "found per_image=2 in 'lovasz(per_image=2)'; it is true or false"),
        ("focal(gamma=big)", "found 'big' in 'focal(gamma=big)'; an option is a number, true or false"),
        ("__import__('os').system('ls')", "write name, name(option=value) or number*name"),
    ],
)
def test_a_loss_that_cannot_be_is_told_at_home(text, said):
    with pytest.raises(UsageError) as caught:
        resolve([("own.toml", {"train.loss": text})])
    assert "own.toml: train.loss: " in caught.value.reason
    assert said in caught.value.reason


def test_a_checkpoint_with_two_weights_is_read_as_their_sum():
    read = Recipe.model_validate({"train": {"ce": 0.5, "dice": 2.0, "epochs": 3}}).train
    assert (read.loss, read.epochs) == ("0.5*ce + 2.0*dice", 3)
    with pytest.raises(UsageError, match="unknown recipe key"):
        resolve([("own.toml", {"train.ce": 0.5})])
