"""What a session may go on from: found wherever it is mounted, of this very run, whole, and not over."""

import os
import pickle

import pytest
import torch

from lib import files
from lib.competitions import Pair, load
from lib.errors import DataError, Failed, UsageError
from lib.folders import Folders
from lib.recipe import resolve
from lib.training import state
from lib.training.resume import predecessor


@pytest.fixture
def folders(tmp_path, monkeypatch):
    monkeypatch.setenv("SWATH_RESUMES", "me/first")
    return Folders(tmp_path, tmp_path)


def outputs(folders, place, finished=False):
    """A session's outputs below the input folder."""
    folder = folders.inputs / place
    state.write(folder, {"step": 3})
    files.write_json(folder / "summary.json", {"finished": finished, "epochs_done": 12})
    return folder


@pytest.mark.parametrize("place", ["notebooks/me/first", "first", "datasets/me/my-copy", "datasets/me/my-copy/out"])
def test_it_is_found_wherever_it_is_mounted(folders, place):
    (folders.inputs / "datasets" / "me" / "images").mkdir(parents=True)
    folder = outputs(folders, place)
    assert predecessor(folders) == folder


def test_the_kernel_that_was_named_comes_first(folders):
    outputs(folders, "datasets/me/a-copy")
    outputs(folders, "notebooks/me/another")
    named = outputs(folders, "notebooks/me/first")
    assert predecessor(folders) == named


def test_a_fresh_start_looks_for_nothing(folders, monkeypatch):
    outputs(folders, "notebooks/me/first")
    monkeypatch.setenv("SWATH_RESUMES", "")
    assert predecessor(folders) is None


def test_nothing_mounted(folders):
    with pytest.raises(DataError, match=r"goes on from me/first, and no .*last.ckpt is under .*\n    nothing"):
        predecessor(folders)


@pytest.mark.parametrize("kept", [True, False])
def test_a_run_that_is_over(folders, kept):
    folder = outputs(folders, "notebooks/me/first", finished=True)
    if not kept:  # as a finished run leaves it
        (folder / state.STATE).unlink()
    with pytest.raises(UsageError, match="me/first is over, after 12 epochs: there is nothing to go on with") as caught:
        predecessor(folders)
    assert "python submit.py" in caught.value.hint


def test_a_damaged_state(tmp_path):
    with pytest.raises(Failed, match=r"the training state .*last.ckpt is missing"):
        state.read(tmp_path / state.STATE)
    state.write(tmp_path, {"model": {"weight": torch.zeros(10000)}})
    assert state.read(tmp_path / state.STATE)["model"]["weight"].shape == (10000,)
    size = (tmp_path / state.STATE).stat().st_size
    for left in (size - 100, 20000, 10, 0):
        os.truncate(tmp_path / state.STATE, left)
        with pytest.raises(Failed, match=r"last.ckpt is not a readable training state"):
            state.read(tmp_path / state.STATE)
    torch.save({"format": "else"}, tmp_path / state.STATE)
    with pytest.raises(Failed, match="is not a training state of this kit"):
        state.read(tmp_path / state.STATE)


class Harmful:
    def __reduce__(self):
        return os.mkdir, (os.environ["HARM"],)


@pytest.mark.parametrize("dump", [torch.save, lambda what, path: path.write_bytes(pickle.dumps(what, protocol=2))])
def test_a_state_cannot_run_code(tmp_path, monkeypatch, dump):
    monkeypatch.setenv("HARM", str(tmp_path / "harm"))
    dump({"format": "swath-state-2", "model": Harmful()}, tmp_path / "last.ckpt")
    with pytest.raises(Failed, match="is not a readable training state"):
        state.read(tmp_path / "last.ckpt")
    assert not (tmp_path / "harm").exists()


def identity(competition="sample", settings=(), training="abcd", held_out="e", steps=6):
    recipe, _ = resolve([("run", dict(settings))])
    sides = ([Pair(name, None, None, name) for name in names] for names in (training, held_out))
    return state.identity(load(competition), recipe, *sides, steps)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"competition": "dubai"}, "last.ckpt was trained for 'dubai', and this run is for 'sample'"),
        (
            {"settings": {"train.lr": 0.5, "model.encoder": "resnet50"}},
            "another recipe: model.encoder was 'resnet50' and is 'resnet34', train.lr was 0.5 and is 0.001",
        ),
        ({"training": "abc"}, "last.ckpt was trained on 3 training images, here are 4"),
        ({"held_out": "f"}, "last.ckpt was trained on other validation images than are here"),
        ({"steps": 7}, "last.ckpt was trained on 7 steps an epoch, here are 6"),
    ],
)
def test_a_state_of_another_run(tmp_path, other, said):
    state.must_fit(identity(), identity(), tmp_path / "last.ckpt")
    with pytest.raises(UsageError) as caught:
        state.must_fit(identity(**other), identity(), tmp_path / "last.ckpt")
    assert said in caught.value.reason
