"""What a session's devices may be used for; `torch.cuda` tells of cards that this machine need not have."""

import pytest
import torch

from lib.errors import Refused
from lib.recipe import TrainRecipe
from lib.training import devices

KAGGLE = ["sm_70", "sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120"]
P100, T4, A100, L4 = (6, 0), (7, 5), (8, 0), (8, 9)


@pytest.fixture
def cards(monkeypatch):
    """`cards(T4, T4)`: a machine with two of them, and a torch built as Kaggle's is."""

    def have(*capabilities, built_for=KAGGLE):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(capabilities))
        monkeypatch.setattr(torch.cuda, "device_count", lambda: len(capabilities))
        monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: built_for)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda index=0: capabilities[index])
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda index=0: f"card {index}")

    return have


def test_which_cards_a_build_of_torch_runs_on():
    def runs(build, card):
        return any(devices._runs(arch, *card) for arch in build)

    assert not runs(KAGGLE, P100)
    assert runs(KAGGLE, T4)
    assert runs(KAGGLE, L4), "it runs code for sm_80"
    assert runs(["compute_80"], (9, 0))
    assert runs(KAGGLE, (12, 0))


@pytest.mark.parametrize(("machine", "wrong"), [([P100], 0), ([T4, P100], 1)])
def test_a_card_without_kernels_is_refused(cards, machine, wrong):
    cards(*machine)
    with pytest.raises(Refused, match=rf"no kernels for card {wrong} \(sm_60\); it was built for sm_70, sm_75"):
        devices.choose(TrainRecipe(), gpu_asked=True)
    assert devices.choose(TrainRecipe(device="cpu"), gpu_asked=True) == "cpu"


def test_a_card_with_kernels_is_taken(cards):
    cards(T4, T4)
    assert devices.choose(TrainRecipe(), gpu_asked=False) == "cuda"
    cards(P100, built_for=["sm_60"])
    assert devices.choose(TrainRecipe(), gpu_asked=True) == "cuda"


def test_a_machine_without_cards(cards):
    cards()
    assert devices.choose(TrainRecipe(), gpu_asked=False) == "cpu"
    for recipe, gpu_asked in ((TrainRecipe(), True), (TrainRecipe(device="cuda"), False)):
        with pytest.raises(Refused, match="a GPU was asked for and this session has none"):
            devices.choose(recipe, gpu_asked)


@pytest.mark.parametrize(
    ("device", "asked", "ranks"),
    [("cuda", None, 2), ("cuda", 1, 1), ("cuda", 4, 2), ("cpu", None, 1), ("cpu", 4, 4)],
)
def test_how_many_ranks(cards, device, asked, ranks):
    cards(T4, T4)
    assert devices.ranks(TrainRecipe(ranks=asked), device) == ranks


@pytest.mark.parametrize(
    ("device", "card", "words"),
    [
        ("cuda", T4, {"auto": "16-mixed", "32": "32-true", "16": "16-mixed", "bf16": "bf16-mixed"}),
        ("cuda", A100, {"auto": "bf16-mixed", "32": "32-true", "16": "16-mixed", "bf16": "bf16-mixed"}),
        ("cpu", A100, {"auto": "32-true", "32": "32-true", "16": "bf16-mixed", "bf16": "bf16-mixed"}),
    ],
)
def test_the_precision_suits_the_device(cards, device, card, words):
    cards(card)
    assert {word: devices.precision(TrainRecipe(precision=word), device) for word in words} == words
