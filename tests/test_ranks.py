"""Two ranks: the validation table of one rank, batch-norm statistics that agree, failures told once."""

import pytest

from lib import files
from tests.conftest import TINY


def table_of(program, run):
    return files.read_json(program.runs / run["id"] / "outputs" / "summary.json")["table"]


@pytest.fixture(scope="module")
def two(tmp_path_factory, cache):
    """A run trained by two gloo ranks on the CPU."""
    from tests.conftest import program_in

    program = program_in(tmp_path_factory.mktemp("ranks"), cache)
    return program, program.json("launch.py", *TINY, "--set", "train.steps=5", "--set", "train.ranks=2")


def test_two_ranks_train(two):
    program, run = two
    summary = files.read_json(program.runs / run["id"] / "outputs" / "summary.json")
    assert summary["ranks"] == 2
    assert "starting 2 ranks" in (program.runs / run["id"] / "log.txt").read_text()
    assert sum(map(sum, summary["table"]["pixels"])) > 0
    assert len(summary["images"]) == len(summary["validation"]) == 10, "every image once"


@pytest.mark.parametrize("ranks", [1, 2])
def test_the_same_weights_give_the_same_table(two, ranks):
    """Weights saved by rank 0, validated again by one and by two ranks: the table is the same, pixel for pixel."""
    program, run = two
    weights = program.runs / run["id"] / "outputs" / "checkpoints" / "best.safetensors"
    settings = ("--set", f"model.weights={weights}", "--set", "train.epochs=0", "--set", f"train.ranks={ranks}")
    again = program.json("launch.py", *TINY, *settings)
    assert table_of(program, again) == table_of(program, run)
    assert again["metrics"]["value"] == run["metrics"]["value"]


def test_a_failure_of_the_ranks_is_told_without_a_traceback(program, tmp_path):
    missing = tmp_path / "gone.safetensors"
    done = program("launch.py", *TINY, "--set", "train.ranks=2", "--set", f"model.weights={missing}", code=1)
    assert f"the checkpoint {missing} is missing" in done.stderr
    assert "the kernel ended with exit code 1" in done.stdout


def test_more_ranks_than_validation_images(program):
    done = program("launch.py", *TINY, "--set", "train.ranks=16", "--set", "train.batch=16", code=1)
    assert "10 validation image(s) cannot be shared by 16 ranks" in done.stderr
